"""What is noted of an operation, priced: small objects over a tree of notes (`gateway.cost.notes`).

Each answers `of(tree, values)` with an exact number, for what was noted at its place and below, and for
values of variables by their names. They follow from the operation and the denied coordinates alone.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from gateway.cost.declared import Number
from gateway.cost.guards import Guard, holds
from gateway.cost.notes import PAGE, TYPE, Tree, entries
from gateway.cost.places import Noted, Steps
from gateway.cost.terms import Fixed, Term, Values
from schema.cost import SEARCH

Places = Mapping[Steps, Noted]


class Price(Protocol):
    """The price of what is noted at a place and below."""

    def of(self, tree: Tree, values: Values) -> Number:
        """What it has cost."""

    def places(self) -> Places | None:
        """The places of notes here and below, where each has a price of its own that no variable changes."""


class Fields:
    """An object of a known type: what is noted below it. What is the same for every such object is told
    elsewhere."""

    __slots__ = ("_places", "by_key")

    def __init__(self, by_key: Mapping[str, Price]) -> None:
        self.by_key = by_key
        self._places: tuple[Places | None] | None = None

    def of(self, tree: Tree, values: Values) -> Number:
        """What the fields have cost of which there is a note."""
        found: Number = 0
        by_key = self.by_key
        for key, below in tree.items():
            price = by_key.get(key)
            if price is not None:
                found += price.of(below, values)
        return found

    def places(self) -> Places | None:
        """Those of every field; worked out once, as fields are met again and again."""
        if self._places is None:
            self._places = (self._found(),)
        return self._places[0]

    def _found(self) -> Places | None:
        found: dict[Steps, Noted] = {}
        for key, price in self.by_key.items():
            places = price.places()
            if places is None:
                return None
            found |= {(*steps, key): one for steps, one in places.items()}
        return found


NOTHING: Final = Fields({})


class Search:
    """A value for which sources are searched: its searches, at most `own`; `each` of its rows; what is
    `beside` the rows; and what is noted below. Sources that are not searched, such as those that do not know
    the person, cost nothing, and a value without a note neither."""

    __slots__ = ("_below", "_fixed", "_terms")

    def __init__(self, own: Term, each: Term, beside: Term, below: Price = NOTHING) -> None:
        self._terms = own, each, beside
        self._below = None if below is NOTHING else below
        self._fixed: tuple[Number, Number, Number] | None = None
        if isinstance(own, Fixed) and isinstance(each, Fixed) and isinstance(beside, Fixed):
            self._fixed = own.number, each.number, beside.number

    def of(self, tree: Tree, values: Values) -> Number:
        """What the value has cost."""
        page = tree.get(PAGE)
        if page is None:
            return 0
        own, each, beside = self._fixed or [term.of(values) for term in self._terms]
        searches, rows = SEARCH * page[1], page[2]
        found: Number = (searches if searches < own else own) + rows * each + beside
        if self._below is not None and len(tree) > 1:
            found += self._below.of(tree, values)
        return found

    def places(self) -> Places | None:
        """The value itself."""
        below = self._below.places() if self._below is not None else {}
        if self._fixed is None or below is None:
            return None
        return {(): Noted(search=self._fixed, below=(below, ()))}


class Found:
    """A resource that is looked up: for each set of types what it costs, and what is noted below it."""

    __slots__ = ("_kinds",)

    def __init__(self, kinds: Sequence[tuple[frozenset[str], Term, Price]]) -> None:
        self._kinds = kinds

    def of(self, tree: Tree, values: Values) -> Number:
        """What it has cost; nothing where it was not found."""
        found = tree.get(TYPE)
        for types, term, below in self._kinds:
            if found in types:
                return term.of(values) + below.of(tree, values)
        return 0

    def places(self) -> Places | None:
        """The resource itself, where it does not depend on its type what is noted below it."""
        numbers: dict[str, Number] = {}
        for types, term, _ in reversed(self._kinds):
            if not isinstance(term, Fixed):
                return None
            numbers |= dict.fromkeys(types, term.number)
        inner = self._kinds[0][2] if len(self._kinds) == 1 else NOTHING
        below = inner.places()
        if below is None or any(one is not NOTHING and one is not inner for _, _, one in self._kinds):
            return None
        return {(): Noted(types=numbers, below=(below, ()))}


class Unknown:
    """An object whose type is not noted: the least that what is noted below it can have cost. `kinds`: what
    may be selected on it, by its response keys."""

    __slots__ = ("_kinds",)

    def __init__(self, kinds: Sequence[tuple[frozenset[str], Price]]) -> None:
        self._kinds = kinds

    def of(self, tree: Tree, values: Values) -> Number:
        """What is noted below it has cost so much at least."""
        keys = {key for key in tree if isinstance(key, str)}
        return min([price.of(tree, values) for known, price in self._kinds if keys <= known], default=0)

    def places(self) -> None:
        """What is below counts by all that is noted."""


class Entries:
    """A list: all of its entries."""

    __slots__ = ("_each",)

    def __init__(self, each: Price) -> None:
        self._each = each

    def of(self, tree: Tree, values: Values) -> Number:
        """What they have cost together."""
        return sum([self._each.of(entry, values) for entry in entries(tree)])

    def places(self) -> Places | None:
        """Those of each entry."""
        places = self._each.places()
        return None if places is None else {(*steps, int): one for steps, one in places.items()}


class Dearest:
    """A list that counts as one entry: the dearest of them."""

    __slots__ = ("_each",)

    def __init__(self, each: Price) -> None:
        self._each = each

    def of(self, tree: Tree, values: Values) -> Number:
        """What that has cost."""
        return max([self._each.of(entry, values) for entry in entries(tree)], default=0)

    def places(self) -> None:
        """An entry counts by what is noted of the others."""


class Guarded:
    """What is there under a guard alone."""

    __slots__ = ("_guard", "_price")

    def __init__(self, guard: Guard, price: Price) -> None:
        self._guard, self._price = guard, price

    def of(self, tree: Tree, values: Values) -> Number:
        """What it has cost, nothing where the guard does not hold."""
        return self._price.of(tree, values) if holds(self._guard, values) else 0

    def places(self) -> None:
        """Variables say whether it counts."""
