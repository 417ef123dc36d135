"""An operation's variables: how they are coerced is decided once per document.

CoerceVariableValues (GraphQL 6.1.2) is graphql-core's. Where all variables are scalars of GraphQL's own and
every value already has the type that it would be coerced to, there is nothing to coerce.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from graphql import GraphQLError, GraphQLSchema, VariableDefinitionNode, VariableValues
from graphql.execution.get_variable_signature import GraphQLVariableSignature, get_variable_signature
from graphql.execution.values import VariableValueSource, get_variable_values
from graphql.language import NamedTypeNode, NonNullTypeNode

_PLAIN: Final[Mapping[str, type]] = {"ID": str, "String": str, "Boolean": bool}
"""Scalars whose values of this Python type are their own result."""


class Variables:
    """The variables that an operation defines."""

    __slots__ = ("_definitions", "_hide_suggestions", "_plain", "_schema")

    def __init__(
        self, schema: GraphQLSchema, definitions: Sequence[VariableDefinitionNode], *, hide_suggestions: bool
    ) -> None:
        self._schema = schema
        self._definitions = definitions
        self._hide_suggestions = hide_suggestions
        kinds = [_plain_type(one) for one in definitions]
        self._plain: list[tuple[str, type, GraphQLVariableSignature]] | None = None
        if None not in kinds:
            signed = [(kind, _signature(schema, one)) for kind, one in zip(kinds, definitions, strict=True)]
            self._plain = [(one.name, kind, one) for kind, one in signed if kind and one]

    def coerced(self, given: Mapping[str, Any]) -> VariableValues | list[GraphQLError]:
        """The values by name, or what is wrong with them."""
        if self._plain is not None:
            sources: dict[str, VariableValueSource] = {}
            values: dict[str, Any] = {}
            for name, kind, signature in self._plain:
                value = given.get(name)
                if type(value) is not kind:
                    break
                sources[name] = VariableValueSource(signature, value)
                values[name] = value
            else:
                return VariableValues(sources, values)
        return get_variable_values(
            self._schema, self._definitions, dict(given), hide_suggestions=self._hide_suggestions
        )


def _plain_type(definition: VariableDefinitionNode) -> type | None:
    kind = definition.type
    if isinstance(kind, NonNullTypeNode):
        kind = kind.type
    return _PLAIN.get(kind.name.value) if isinstance(kind, NamedTypeNode) else None


def _signature(schema: GraphQLSchema, definition: VariableDefinitionNode) -> GraphQLVariableSignature | None:
    found = get_variable_signature(schema, definition)
    return None if isinstance(found, GraphQLError) else found
