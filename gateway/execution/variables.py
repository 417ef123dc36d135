"""An operation's variables: how they are coerced is decided once per document.

CoerceVariableValues (GraphQL 6.1.2) is graphql-core's. Where all variables are scalars of GraphQL's own and
every value already has the type that it would be coerced to, there is nothing to coerce.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from graphql import GraphQLError, GraphQLSchema, VariableDefinitionNode, VariableValues
from graphql.execution.values import get_variable_values
from graphql.language import NamedTypeNode, NonNullTypeNode

_PLAIN: Final[Mapping[str, type]] = {"ID": str, "String": str, "Boolean": bool}
"""Scalars whose values of this Python type are their own result."""


class Variables:
    """The variables that an operation defines."""

    __slots__ = ("_definitions", "_hide_suggestions", "_plain", "_schema", "are_none")

    def __init__(
        self, schema: GraphQLSchema, definitions: Sequence[VariableDefinitionNode], *, hide_suggestions: bool
    ) -> None:
        self._schema = schema
        self._definitions = definitions
        self._hide_suggestions = hide_suggestions
        self.are_none = not definitions
        """Then whatever is given is plain."""
        kinds = [(one.variable.name.value, _plain_type(one)) for one in definitions]
        plain = [(name, kind) for name, kind in kinds if kind is not None]
        self._plain = plain if len(plain) == len(kinds) else None

    def are_plain(self, given: Mapping[str, Any]) -> bool:
        """Whether the values that are given are those that they would be coerced to, and none is left out."""
        if self._plain is None:
            return False
        for name, kind in self._plain:  # noqa: SIM110  a generator is a function more to call
            if type(given.get(name)) is not kind:
                return False
        return True

    def coerced(self, given: Mapping[str, Any]) -> VariableValues | list[GraphQLError]:
        """The values as graphql-core has them, or what is wrong with them."""
        return get_variable_values(
            self._schema, self._definitions, dict(given), hide_suggestions=self._hide_suggestions
        )


def _plain_type(definition: VariableDefinitionNode) -> type | None:
    kind = definition.type
    if isinstance(kind, NonNullTypeNode):
        kind = kind.type
    return _PLAIN.get(kind.name.value) if isinstance(kind, NamedTypeNode) else None
