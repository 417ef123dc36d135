"""Execution by graphql-core: complete and slow; the reference that a faster executor must equal."""

from collections.abc import Callable, Mapping
from inspect import isawaitable
from typing import Any

from graphql import GraphQLError, GraphQLObjectType, GraphQLResolveInfo, GraphQLSchema, execute
from graphql.pyutils import Path

from gateway.execution.collect import Collector
from gateway.execution.executor import ExecutionResult
from gateway.prepare import PreparedDocument
from resolvers.context import LocatedError, RequestContext
from resolvers.field import Derive, Fetch, FieldCall, LinkedPath
from schema.field import DerivedField, FetchField

_DEFINITION = "strawberry-definition"


class StockExecutor:
    """Runs operations with graphql-core over the resolvers that the schema names."""

    def __init__(self, schema: GraphQLSchema, *, hide_suggestions: bool = False) -> None:
        bind(schema)
        self._schema = schema
        self._hide_suggestions = hide_suggestions

    async def run(
        self, prepared: PreparedDocument, variables: Mapping[str, Any], context: RequestContext
    ) -> ExecutionResult:
        """Executes the prepared operation."""
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


def located(error: LocatedError) -> GraphQLError:
    """An error beside a value, as GraphQL tells it."""
    return GraphQLError(str(error.error), path=list(error.path), original_error=error.error)


def bind(schema: GraphQLSchema) -> None:
    """Gives every fetching field of a schema its resolver."""
    for made in schema.type_map.values():
        if not isinstance(made, GraphQLObjectType):
            continue
        for field in made.fields.values():
            definition = field.extensions.get(_DEFINITION)
            if isinstance(definition, FetchField):
                field.resolve = _fetcher(definition.fetch)
            elif isinstance(definition, DerivedField):
                field.resolve = _deriver(definition.derive)


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
