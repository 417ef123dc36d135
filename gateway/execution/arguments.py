"""A field's arguments: coerced once per document where they hold no variable, else once per request.

CoerceArgumentValues (GraphQL 6.4.1) is graphql-core's; here is decided when it runs, and over which
arguments: a list has one for each search parameter, and a client gives two.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from graphql import FieldNode, GraphQLError, GraphQLField, VariableValues
from graphql.execution.values import get_argument_values
from graphql.language import ListValueNode, ObjectValueNode, ValueNode, VariableNode

from gateway.execution.facts import fact_of

_NO_VARIABLES = VariableValues({}, {})


class Arguments:
    """The arguments of a field node: `constant` where they hold no variable; `direct`, the variable of each,
    where each is one."""

    __slots__ = ("_definition", "_node", "constant", "direct")

    def __init__(self, definition: GraphQLField, node: FieldNode) -> None:
        wanted_names = fact_of(definition).counting | {one.name.value for one in node.arguments or ()}
        wanted = {name: one for name, one in definition.args.items() if name in wanted_names}
        self._node = node
        self._definition = GraphQLField(definition.type, args=wanted)
        self.constant: Mapping[str, Any] | None = None
        if not any(_has_variable(one.value) for one in node.arguments or ()):
            self.constant = self._coerced_once()
        self.direct = self._variables_alone()

    def of(self, variables: VariableValues) -> Mapping[str, Any]:
        """The coerced arguments. Raises GraphQLError."""
        return get_argument_values(self._definition, self._node, variables)

    def _variables_alone(self) -> Sequence[tuple[str, str]]:
        """Argument and variable, where every argument that counts is given by a variable as a whole: such a
        variable's value is the argument's (its type fits, by validation), unless it is missing or null. Else
        nothing."""
        given = self._node.arguments or ()
        if len(given) < len(self._definition.args):
            return ()
        pairs = []
        for one in given:
            if not isinstance(one.value, VariableNode):
                return ()
            name = one.name.value
            pairs.append((self._definition.args[name].out_name or name, one.value.name.value))
        return pairs

    def _coerced_once(self) -> Mapping[str, Any] | None:
        try:
            return get_argument_values(self._definition, self._node, _NO_VARIABLES)
        except GraphQLError:
            return None  # told at each request anew, at its own path


def cannot_fail(node: FieldNode) -> bool:
    """Whether arguments that may all be null come without an error: none has a variable inside of it."""
    values = (one.value for one in node.arguments or ())
    return all(isinstance(one, VariableNode) or not _has_variable(one) for one in values)


def _has_variable(value: ValueNode) -> bool:
    if isinstance(value, VariableNode):
        return True
    if isinstance(value, ListValueNode):
        return any(map(_has_variable, value.values))
    return isinstance(value, ObjectValueNode) and any(_has_variable(one.value) for one in value.fields)
