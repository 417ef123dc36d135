"""Which fields an object answers: CollectFields of the GraphQL specification (6.3.2), at compile time.

`@skip` and `@include` on variables are folded in: a plan is made for each set of their values.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    SelectionNode,
    SelectionSetNode,
)
from graphql.language import BooleanValueNode, DirectiveNode, VariableNode

_CONDITIONS: Final = frozenset({"skip", "include"})

Conditions = Mapping[str, bool]
"""The values of the variables that stand in `@skip` and `@include`."""

Fields = Mapping[str, Sequence[FieldNode]]
"""Field nodes by response key."""

_Key = tuple[str, tuple[int, ...]]


class Collector:
    """Collects the fields of selection sets for concrete types of one operation. `denied`: the coordinates
    in whose place null stands. What it has collected it remembers until it is told to `forget`: each object
    is asked about several times while a plan is made."""

    def __init__(
        self,
        schema: GraphQLSchema,
        fragments: Mapping[str, FragmentDefinitionNode],
        conditions: Conditions,
        denied: frozenset[str] = frozenset(),
    ) -> None:
        self._schema = schema
        self._fragments = fragments
        self._conditions = conditions
        self._known: dict[_Key, Fields] | None = {}
        self.denied = denied

    def forget(self) -> None:
        """From now on nothing is remembered."""
        self._known = None

    def is_denied(self, object_type: GraphQLObjectType, name: str) -> bool:
        """Whether a field of a type is denied."""
        return bool(self.denied) and f"{object_type.name}.{name}" in self.denied

    def fields(self, object_type: GraphQLObjectType, sets: Sequence[SelectionSetNode | None]) -> Fields:
        """Field nodes by response key, in the order of the answer."""
        key = (object_type.name, tuple(map(id, sets)))
        known = self._known.get(key) if self._known is not None else None
        if known is not None:
            return known
        found: dict[str, list[FieldNode]] = {}
        visited: set[str] = set()
        for one in sets:
            if one is not None:
                self._collect(object_type, one, found, visited)
        if self._known is not None:
            self._known[key] = found
        return found

    def names(self, sets: Iterable[SelectionSetNode | None]) -> frozenset[str]:
        """Names of the fields selected, whatever the type: what a resolver is told."""
        names: set[str] = set()
        pending = [one for one in sets if one is not None]
        while pending:
            for selection in pending.pop().selections:
                if not self._is_included(selection):
                    continue
                if isinstance(selection, FieldNode):
                    names.add(selection.name.value)
                else:
                    pending.append(self._inner(selection))
        return frozenset(names)

    def _collect(
        self,
        object_type: GraphQLObjectType,
        selection_set: SelectionSetNode,
        found: dict[str, list[FieldNode]],
        visited: set[str],
    ) -> None:
        for selection in selection_set.selections:
            if selection.directives and not self._is_included(selection):
                continue
            if isinstance(selection, FieldNode):
                key = selection.alias.value if selection.alias else selection.name.value
                found.setdefault(key, []).append(selection)
            elif self._is_entered(selection, object_type, visited):
                self._collect(object_type, self._inner(selection), found, visited)

    def _is_entered(
        self, selection: SelectionNode, object_type: GraphQLObjectType, visited: set[str]
    ) -> bool:
        if isinstance(selection, FragmentSpreadNode):
            if selection.name.value in visited:
                return False
            visited.add(selection.name.value)
            return self._applies(self._fragments[selection.name.value], object_type)
        return isinstance(selection, InlineFragmentNode) and self._applies(selection, object_type)

    def _inner(self, selection: SelectionNode) -> SelectionSetNode:
        if isinstance(selection, FragmentSpreadNode):
            return self._fragments[selection.name.value].selection_set
        assert isinstance(selection, InlineFragmentNode)
        return selection.selection_set

    def _applies(
        self, fragment: FragmentDefinitionNode | InlineFragmentNode, object_type: GraphQLObjectType
    ) -> bool:
        condition = fragment.type_condition
        if condition is None or condition.name.value == object_type.name:
            return True
        named = self._schema.type_map[condition.name.value]
        return not isinstance(named, GraphQLObjectType) and self._schema.is_sub_type(named, object_type)  # type: ignore[arg-type]

    def _is_included(self, selection: SelectionNode) -> bool:
        return all(self._holds(one) for one in getattr(selection, "directives", None) or ())

    def _holds(self, directive: DirectiveNode) -> bool:
        if directive.name.value not in _CONDITIONS:
            return True
        value = (directive.arguments or ())[0].value
        is_true = (
            self._conditions[value.name.value]
            if isinstance(value, VariableNode)
            else isinstance(value, BooleanValueNode) and value.value
        )
        return is_true is (directive.name.value == "include")
