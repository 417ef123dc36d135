"""Under which values of its variables an operation selects something: `@skip` and `@include` (GraphQL 3.13).

A guard is a disjunction: any of some sets of literals, each as a whole. `x @include(if: $a)` beside
`x @skip(if: $b)` merge to one field that is there where either is.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from graphql import DirectiveNode, SelectionNode
from graphql.language import BooleanValueNode, VariableNode

Literals = frozenset[tuple[str, bool]]
"""Variables with the value that each must have."""

Guard = tuple[Literals, ...]

ALWAYS: Final[Guard] = (frozenset(),)
FREE: Final[Literals] = frozenset()


def holds(guard: Guard, values: Mapping[str, Any]) -> bool:
    """Whether a guard holds. What is not a boolean is refused before execution, and counts as false."""
    for literals in guard:
        for name, wanted in literals:
            if (values.get(name) is True) is not wanted:
                break
        else:
            return True
    return False


def narrowed(literals: Literals, selection: SelectionNode) -> Literals | None:
    """What must hold for a selection where these literals must for what is around it; None: nothing can."""
    for one in getattr(selection, "directives", None) or ():
        said = _said(one)
        if said is False:
            return None
        if isinstance(said, tuple):
            name, wanted = said
            if (name, not wanted) in literals:
                return None
            literals |= {said}
    return literals


def either(ways: Iterable[Literals]) -> Guard:
    """The guard of what is there in any of some ways."""
    found = tuple(dict.fromkeys(ways))
    return ALWAYS if FREE in found else found


def _said(directive: DirectiveNode) -> tuple[str, bool] | bool:
    """A literal, or what a directive says whatever the variables are."""
    name = directive.name.value
    if name not in ("skip", "include"):
        return True
    value = (directive.arguments or ())[0].value
    if isinstance(value, VariableNode):
        return (value.name.value, name == "include")
    return (isinstance(value, BooleanValueNode) and value.value) is (name == "include")
