"""From what an operation selects to the prices of what is noted of it, for one set of denied coordinates.

Worked out once, like the formula of the estimate: for a request only its notes are added up.
"""

from collections.abc import Sequence
from typing import Any, Final

from gateway.cost.declared import Number
from gateway.cost.formula import COST_MAX, as_cost, heaviest, is_row_field
from gateway.cost.guards import ALWAYS
from gateway.cost.notes import noted
from gateway.cost.places import NOWHERE, Below, Noted, below_of
from gateway.cost.prices import NOTHING, Dearest, Entries, Fields, Found, Guarded, Price, Search, Unknown
from gateway.cost.selections import Alternative, Body, Selection
from gateway.cost.terms import ONE, ZERO, Fixed, Term, Values, least, most, product, total, when
from resolvers.tally import Tally
from schema.cost import SEARCH

SHORT_WAY_AFTER: Final = 1
"""Times that an operation is charged: to make its short way is too much for one that does not come again."""


class Tariff:
    """What an operation has cost, by what was noted of it."""

    __slots__ = ("_below", "_number", "_plain", "_root", "_times", "fixed")

    def __init__(self, plain: Term, below: Price) -> None:
        self._plain, self._below = plain, below
        self._number = plain.number if isinstance(plain, Fixed) else None
        self.fixed = None if self._number is None else as_cost(self._number)
        """The cost where nothing was noted and no variable changes it."""
        self._times = 0
        self._root: Noted | None = None
        """For the short way, where there is one; made once the operation was charged."""

    def of(self, tally: Tally, values: Values) -> int:
        """The cost with these variables (`Analysis.values`), 0 to `COST_MAX`: note by note, unless two are at
        one place, one was taken before that of what is above it, or one is where none belongs."""
        if self._root is None:
            return self._at_length(tally, values)
        total = self._number if self._number is not None else self._plain.of(values)
        # The places of a tally live as long as it does, so that each is known by its identity.
        known: dict[Any, Below] = {id(None): self._root.below}
        last: Any = known
        for note in tally.notes:
            at: Any = note[0]
            if id(at) in known:
                return self._at_length(tally, values)
            if at[0] is not last:  # what one object gives comes one after the other
                last = at[0]
                places, up = known.get(id(last)) or below_of(known, last)
            if places is None:
                known[id(at)] = None, ()
                continue
            place = places.get((at[1] if type(at[1]) is str else int, *up), NOWHERE)
            known[id(at)] = place.below
            if len(note) == 3:
                if place.search is None:
                    return self._at_length(tally, values)
                own, each, beside = place.search
                searched = SEARCH * note[1]
                total += (searched if searched < own else own) + note[2] * each + beside
            elif note[1] in place.types:
                total += place.types[note[1]]
            elif place.types:
                known[id(at)] = None, ()
            else:
                return self._at_length(tally, values)
        return total if type(total) is int and total < COST_MAX else as_cost(total)

    def _at_length(self, tally: Tally, values: Values) -> int:
        """The same by a tree of all notes."""
        self._times += 1
        if self._times == SHORT_WAY_AFTER:
            places = self._below.places()
            self._root = None if places is None else Noted(below=(places, ()))
        return as_cost(self._plain.of(values) + self._below.of(noted(tally), values))


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
