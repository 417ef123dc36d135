"""From what an operation selects to the prices of what is noted of it, for one set of denied coordinates.

Worked out once, like the formula of the estimate: for a request only its notes are added up.
"""

from collections.abc import Sequence
from typing import Final

from gateway.cost.declared import Number
from gateway.cost.formula import as_cost, heaviest, is_row_field
from gateway.cost.guards import ALWAYS
from gateway.cost.notes import noted
from gateway.cost.prices import NOTHING, Dearest, Entries, Fields, Found, Guarded, Price, Search, Unknown
from gateway.cost.selections import Alternative, Body, Selection
from gateway.cost.sums import Noted, added_up
from gateway.cost.terms import ONE, ZERO, Fixed, Term, Values, least, most, product, total, when
from resolvers.tally import Tally

SHORT_WAY_FROM: Final = 4
"""Pages, from which on it is quicker to add up note by note than to make a tree."""


class Tariff:
    """What an operation has cost, by what was noted of it."""

    __slots__ = ("_below", "_fixed", "_is_new", "_plain", "_root")

    def __init__(self, plain: Term, below: Price) -> None:
        self._plain, self._below = plain, below
        self._fixed = as_cost(plain.number) if isinstance(plain, Fixed) else None
        self._is_new = True
        self._root: Noted | None = None

    def of(self, tally: Tally, values: Values) -> int:
        """The cost with these variables (`Analysis.values`), 0 to `COST_MAX`."""
        if self._fixed is not None and not tally.pages and not tally.found:
            return self._fixed
        plain, below = self._plain.of(values), None
        if len(tally.pages) > SHORT_WAY_FROM:
            below = self._added_up(tally)
        if below is None:
            below = self._below.of(noted(tally), values)
        return as_cost(plain + below)

    def _added_up(self, tally: Tally) -> Number | None:
        """What is noted, where each note counts by itself."""
        if self._is_new:
            places, self._is_new = self._below.places(), False
            self._root = None if places is None else Noted(below=places)
        return None if self._root is None else added_up(self._root, tally)


def tariff_of(root: Alternative, denied: frozenset[str]) -> Tariff:
    """The tariff of an operation."""
    made = _Prices(denied)
    return Tariff(made.plain(root), made.below(root))


class _Prices:
    """The prices of selections; what is met again is the same price."""

    def __init__(self, denied: frozenset[str]) -> None:
        self._denied = denied
        self._plain: dict[Alternative, Term] = {}
        self._below: dict[Alternative, Fields] = {}
        self._types: dict[tuple[str, ...], frozenset[str]] = {}

    def plain(self, kind: Alternative) -> Term:
        """What is the same for every object: neither lists nor what is looked up."""
        known = self._plain.get(kind)
        if known is None:
            known = self._plain[kind] = self._fields_of_all(kind.selections)
        return known

    def _fields_of_all(self, selections: Sequence[Selection]) -> Term:
        terms = []
        for one in selections:
            if not one.is_denied(self._denied):
                terms.append(when(one.guard, self._field_of_all(one)))  # noqa: PERF401  as in formula.py
        return total(terms)

    def _field_of_all(self, one: Selection) -> Term:
        if one.rows is not None or one.is_searched:
            return ZERO
        if one.is_found or one.body is None:
            return one.own
        # Of which type it is nobody notes: all that is known is what any of them costs.
        kinds = []
        for kind in one.body.alternatives:
            kinds.append(self._object(one, kind))  # noqa: PERF401  as above
        return total((one.own, product(one.count or ONE, least(kinds))))

    def _object(self, one: Selection, kind: Alternative) -> Term:
        """An object that a field gives, without what is noted below it."""
        return total((Fixed(_weight(one, kind)), self.plain(kind)))

    def below(self, kind: Alternative) -> Fields:
        """What may be noted below an object."""
        known = self._below.get(kind)
        if known is None:
            found: dict[str, Price] = {}
            for one in kind.selections:
                price = self._priced(one)
                if price is not None:
                    found[one.key] = price
            known = self._below[kind] = Fields(found) if found else NOTHING
        return known

    def _priced(self, one: Selection) -> Price | None:
        """A field, None where nothing that is noted of it costs anything."""
        if not one.guard or one.is_denied(self._denied):
            return None
        price = self._searched(one) if one.is_searched else self._noted(one, one.body)
        return price if price is None or one.guard == ALWAYS else Guarded(one.guard, price)

    def _searched(self, one: Selection) -> Price:
        """A value for which sources are searched; of a list, the rows that come."""
        if one.body is None:
            return Search(one.own, ZERO, ZERO)
        kind = one.body.alternatives[0]
        each, below = self._object(one, kind), self.below(kind)
        if one.is_list:
            return Search(one.own, each, ZERO, _entries(below))
        return Search(one.own, ZERO, each, below)

    def _noted(self, one: Selection, body: Body | None) -> Price | None:
        if body is None:
            return None
        if one.rows is not None:
            return self._page(one, body.alternatives[0])
        if one.is_found:
            found = self._found(one, body)
            return Entries(found) if one.is_list else found
        kinds = []
        for kind in body.alternatives:
            keys = frozenset([below.key for below in kind.selections])
            kinds.append((keys, self.below(kind)))
        if all(below is NOTHING for _, below in kinds):
            return None
        unknown = Unknown(kinds)
        return Dearest(unknown) if one.is_list else unknown

    def _found(self, one: Selection, body: Body) -> Price:
        kinds = []
        for kind in body.alternatives:
            types = self._types.setdefault(kind.types, frozenset(kind.types))
            kinds.append((types, self._object(one, kind), self.below(kind)))
        return Found(kinds)

    def _page(self, one: Selection, kind: Alternative) -> Price:
        """A list whose rows are in several fields that share them."""
        shown = [below for below in kind.selections if not below.is_denied(self._denied)]
        rows = [below for below in shown if is_row_field(one, below)]
        beside = [below for below in shown if not is_row_field(one, below)]
        own = [when(below.guard, below.own) for below in rows]
        found: dict[str, Price] = {}
        for below in beside:
            price = self._priced(below) if below.is_searched else None
            if price is not None:
                found[below.key] = price
        for below in rows:
            price = _entries(self._row(below))
            if price is not NOTHING:
                found[below.key] = price if below.guard == ALWAYS else Guarded(below.guard, price)
        return Search(
            one.own,
            self._each(rows),
            total((Fixed(_weight(one, kind)), self._fields_of_all(beside), *own)),
            Fields(found) if found else NOTHING,
        )

    def _each(self, rows: Sequence[Selection]) -> Term:
        """A row: it weighs once, and all that is selected of it in any field counts."""
        weights = [when(one.guard, Fixed(heaviest(one.body))) for one in rows]
        plain: list[Term] = []
        for one in rows:
            if one.body is not None:
                kind = one.body.alternatives[0]
                plain.append(when(one.guard, self.plain(kind)))
        return total((most(weights), *plain))

    def _row(self, one: Selection) -> Fields:
        return self.below(one.body.alternatives[0]) if one.body is not None else NOTHING


def _entries(below: Fields) -> Price:
    return below if below is NOTHING else Entries(below)


def _weight(one: Selection, kind: Alternative) -> Number:
    return kind.weight if one.weighs_items else 0
