"""An operation as its cost sees it: what is selected on which types, merged, with what decides how often."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.cost.declared import Number
from gateway.cost.guards import Guard
from gateway.cost.terms import Term


@dataclass(slots=True, eq=False)
class Alternative:
    """What is selected where an object is of one of some types that cost alike. `weight` is what each of its
    objects weighs."""

    types: tuple[str, ...]
    weight: Number
    selections: Sequence["Selection"] = ()


@dataclass(slots=True, eq=False)
class Body:
    """What is selected on a field's value: an object is of one of the alternatives, never of several."""

    alternatives: list[Alternative] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Selection:
    """One field of the answer on objects of `types`, with all its nodes merged (GraphQL 6.3.2).

    `own` is what it costs once, `count` how many items it has, None where that is one or where the items are
    those of `sized` fields below: then `rows` is how many each of these has. `weighs_items`: each item costs
    what its type weighs. `is_searched`: it costs by the sources that are searched for it. `lower`: the
    arguments by which a client makes the list shorter: those that are given, else the usual one.
    """

    key: str
    name: str
    types: tuple[str, ...]
    guard: Guard
    own: Term
    body: Body | None
    is_list: bool
    weighs_items: bool
    is_found: bool
    is_searched: bool = False
    count: Term | None = None
    rows: Term | None = None
    sized: frozenset[str] = frozenset()
    lower: tuple[str, ...] = ()

    def is_denied(self, denied: frozenset[str]) -> bool:
        """Whether no object's field may be read, whichever of the types it is of."""
        return bool(denied) and all(f"{one}.{self.name}" in denied for one in self.types)
