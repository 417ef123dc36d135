"""The names of the fields selected below a field: fragments merged, `@skip` and `@include` applied."""

from collections.abc import Iterable, Mapping
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLIncludeDirective,
    GraphQLSkipDirective,
    InlineFragmentNode,
    SelectionNode,
    SelectionSetNode,
)
from graphql.language import BooleanValueNode, VariableNode


def selected_names(
    sets: Iterable[SelectionSetNode | None],
    fragments: Mapping[str, FragmentDefinitionNode],
    variables: Mapping[str, Any],
) -> frozenset[str]:
    """Field names, not response keys; type conditions are taken as met."""
    names: set[str] = set()
    pending = [one for one in sets if one is not None]
    while pending:
        for selection in pending.pop().selections:
            if not _is_included(selection, variables):
                continue
            if isinstance(selection, FieldNode):
                names.add(selection.name.value)
            elif isinstance(selection, InlineFragmentNode):
                pending.append(selection.selection_set)
            elif isinstance(selection, FragmentSpreadNode):
                pending.append(fragments[selection.name.value].selection_set)
    return frozenset(names)


def _is_included(selection: SelectionNode, variables: Mapping[str, Any]) -> bool:
    for directive in getattr(selection, "directives", None) or ():
        holds = any(_is_true(argument.value, variables) for argument in directive.arguments)
        if directive.name.value == GraphQLSkipDirective.name and holds:
            return False
        if directive.name.value == GraphQLIncludeDirective.name and not holds:
            return False
    return True


def _is_true(value: Any, variables: Mapping[str, Any]) -> bool:
    if isinstance(value, VariableNode):
        return variables.get(value.name.value) is True
    return isinstance(value, BooleanValueNode) and value.value
