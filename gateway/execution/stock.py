"""Execution by graphql-core: complete and slow; the reference that a faster executor must equal."""

from collections.abc import Callable, Mapping, Sequence
from inspect import isawaitable
from typing import Any

from graphql import (
    GraphQLError,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLSchema,
    default_field_resolver,
    execute,
)
from graphql.execution.values import get_variable_values
from graphql.pyutils import Path

from gateway.execution.collect import Collector
from gateway.execution.denials import Denied, denied_selections
from gateway.execution.executor import ExecutionResult
from gateway.execution.facts import is_resource
from gateway.execution.modifiers import noting
from gateway.prepare import PreparedDocument
from permissions.rules import Rules
from resolvers.contained import held
from resolvers.context import LocatedError, RequestContext
from resolvers.field import Derive, Fetch, FieldCall, LinkedPath, flat
from resolvers.resource import Node
from schema.field import DerivedField, ElementField, FetchField
from schema.view import ChosenField, View, ViewField

_DEFINITION = "strawberry-definition"
_BOUND = "clinical-gateway-bound"


class StockExecutor:
    """Runs operations with graphql-core over the resolvers that the schema names."""

    def __init__(self, schema: GraphQLSchema, rules: Rules, *, hide_suggestions: bool = False) -> None:
        bind(schema, rules)
        self._schema = schema
        self._hide_suggestions = hide_suggestions

    async def run(
        self, prepared: PreparedDocument, variables: Mapping[str, Any], context: RequestContext
    ) -> ExecutionResult:
        """Executes the prepared operation."""
        if context.denied:
            context.refuse(self._denied(prepared, variables, context.denied))
        result = execute(
            self._schema,
            prepared.document,
            variable_values=dict(variables),
            operation_name=prepared.operation_name,
            context_value=context,
            hide_suggestions=self._hide_suggestions,
        )
        if isawaitable(result):
            result = await result
        errors = [*(result.errors or ()), *(located(one) for one in context.errors)]
        return ExecutionResult(result.data, errors)

    def unfit(self, prepared: PreparedDocument, variables: Mapping[str, Any]) -> list[GraphQLError]:
        """What is wrong with variables."""
        definitions = prepared.operation.variable_definitions or ()
        coerced = get_variable_values(
            self._schema, definitions, dict(variables), hide_suggestions=self._hide_suggestions
        )
        return coerced if isinstance(coerced, list) else []

    def _denied(
        self, prepared: PreparedDocument, variables: Mapping[str, Any], denied: frozenset[str]
    ) -> Sequence[Denied]:
        """The denied selections, for these variables; none where they are not what the operation says."""
        definitions = prepared.operation.variable_definitions or ()
        coerced = get_variable_values(self._schema, definitions, dict(variables))
        root = self._schema.query_type
        if isinstance(coerced, list) or root is None or prepared.kind != "query":
            return ()
        collector = Collector(self._schema, prepared.fragments, coerced.coerced, denied)
        return denied_selections(self._schema, collector, root, prepared.operation.selection_set)


def located(error: LocatedError) -> GraphQLError:
    """An error beside a value, as GraphQL tells it."""
    return GraphQLError(str(error.error), path=list(error.path), original_error=error.error)


def bind(schema: GraphQLSchema, rules: Rules) -> None:
    """Gives every fetching field of a schema its resolver, and every ruled one its guard."""
    if schema.extensions.get(_BOUND):
        return
    schema.extensions[_BOUND] = True
    for made in schema.type_map.values():
        if not isinstance(made, GraphQLObjectType):
            continue
        if is_resource(made):
            made.is_type_of = noting(made)
        for name, field in made.fields.items():
            definition = field.extensions.get(_DEFINITION)
            if isinstance(definition, FetchField):
                field.resolve = _fetcher(definition.fetch)
            elif isinstance(definition, DerivedField):
                field.resolve = _deriver(definition.derive)
            elif isinstance(definition, ViewField):
                field.resolve = _viewer(definition.view)
            elif isinstance(definition, ChosenField):
                field.resolve = _chooser(definition)
            elif isinstance(definition, ElementField) and definition.resources is not None:
                field.resolve = _holder(definition)
            coordinate = f"{made.name}.{name}"
            if coordinate in rules:
                field.resolve = _guarded(coordinate, field.resolve or default_field_resolver)


def _guarded(coordinate: str, resolve: Callable[..., Any]) -> Callable[..., Any]:
    """Null where the operation's denied coordinates hold the field; told with the operation."""

    def guarded(source: Any, info: GraphQLResolveInfo[RequestContext], /, **arguments: Any) -> Any:
        return None if coordinate in info.context.denied else resolve(source, info, **arguments)

    return guarded


def _holder(field: ElementField) -> Callable[..., Any]:
    """Whole resources inside another one: each only as far as the caller may see it."""

    def resolve(source: Any, info: GraphQLResolveInfo[RequestContext], /) -> Any:
        found = field.get_result(source, info, (), {})
        path = flat(_linked(info.path))
        if not isinstance(found, list):
            return None if found is None else held(info.context, found, path)
        return [one if not isinstance(one, Node) else held(info.context, one, [*path, "@"]) for one in found]

    return resolve


def _fetcher(fetch: Fetch) -> Callable[..., Any]:
    def resolve(source: Any, info: GraphQLResolveInfo[RequestContext], /, **arguments: Any) -> Any:
        sets = [node.selection_set for node in info.field_nodes]
        collector = Collector(info.schema, info.fragments, info.variable_values.coerced)
        selected = collector.names(sets)
        return fetch(FieldCall(source, arguments, info.context, _linked(info.path), selected))

    return resolve


def _linked(path: Path | None) -> LinkedPath:
    return None if path is None else (_linked(path.prev), path.key)


def _deriver(derive: Derive) -> Callable[..., Any]:
    def resolve(source: Any, info: GraphQLResolveInfo[RequestContext], /, **arguments: Any) -> Any:
        return derive(source, arguments)

    return resolve


def _viewer(view: View) -> Callable[..., Any]:
    def resolve(source: Any, info: GraphQLResolveInfo[RequestContext], /, **arguments: Any) -> Any:
        return view(source.element, arguments)

    return resolve


def _chooser(field: ChosenField) -> Callable[..., Any]:
    def resolve(source: Any, info: GraphQLResolveInfo[RequestContext], /, **arguments: Any) -> Any:
        return field.chosen_result(source, arguments)

    return resolve
