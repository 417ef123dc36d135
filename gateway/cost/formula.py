"""From what an operation selects to a formula of its variables, for one set of denied coordinates."""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any, Final

from gateway.cost.declared import Number
from gateway.cost.selections import Alternative, Body, Selection
from gateway.cost.terms import ONE, ZERO, Fixed, Term, most, product, total, when

COST_MAX: Final = 2**31 - 1
"""The greatest cost that is told, GraphQL's greatest Int: what costs more costs this."""


class Formula:
    """What an operation may cost at most. `fixed`: the cost, where no variable changes it."""

    __slots__ = ("_term", "fixed")

    def __init__(self, term: Term) -> None:
        self._term = term
        self.fixed = as_cost(term.number) if isinstance(term, Fixed) else None

    def of(self, values: Mapping[str, Any]) -> int:
        """The cost with these variables (`Analysis.values`), 0 to `COST_MAX`."""
        return self.fixed if self.fixed is not None else as_cost(self._term.of(values))


def as_cost(number: Number) -> int:
    """A cost as it is told: a whole number, rounded up."""
    whole = number if isinstance(number, int) else ceil(number)
    return whole if whole < COST_MAX else COST_MAX


def formula_of(root: Alternative, denied: frozenset[str]) -> Formula:
    """The formula of an operation."""
    return Formula(Terms(denied).selected(root.selections))


class Terms:
    """The terms of selections for one set of denied coordinates; what is met again is the same term."""

    def __init__(self, denied: frozenset[str]) -> None:
        self._denied = denied
        self._known: dict[Selection, Term] = {}
        self._bodies: dict[tuple[Body, bool], Term] = {}

    def selected(self, selections: Sequence[Selection]) -> Term:
        """Fields beside each other."""
        terms = []
        for one in selections:
            terms.append(self.of(one))  # noqa: PERF401  a comprehension would need another frame at each level
        return total(terms)

    def of(self, one: Selection) -> Term:
        """A field with all that is below it, each time that it is asked."""
        known = self._known.get(one)
        if known is None:
            known = self._known[one] = when(one.guard, self._unguarded(one))
        return known

    def _unguarded(self, one: Selection) -> Term:
        if one.is_denied(self._denied):
            return ZERO
        if one.rows is not None:
            return total((one.own, self.connection(one, one.rows)))
        body = self._body(one.body, weighs_items=one.weighs_items)
        return total((one.own, product(one.count or ONE, body)))

    def _body(self, body: Body | None, *, weighs_items: bool) -> Term:
        """A value: of whichever type costs most."""
        if body is None:
            return ZERO
        known = self._bodies.get((body, weighs_items))
        if known is None:
            kinds = []
            for one in body.alternatives:
                weight = Fixed(one.weight if weighs_items else 0)
                kinds.append(total((weight, self.selected(one.selections))))
            known = self._bodies[body, weighs_items] = most(kinds)
        return known

    def connection(self, one: Selection, rows: Term) -> Term:
        """A value whose rows are in several fields that share them: a row weighs once, and all that is
        selected of it counts."""
        kinds = []
        for kind in one.body.alternatives if one.body is not None else ():
            fields = [below for below in kind.selections if is_row_field(one, below)]
            shown = [below for below in fields if not below.is_denied(self._denied)]
            weight = Fixed(kind.weight if one.weighs_items else 0)
            beside = self.selected([below for below in kind.selections if below not in fields])
            own = [when(below.guard, below.own) for below in shown]
            kinds.append(total((weight, beside, *own, product(rows, self._row(shown)))))
        return most(kinds)

    def _row(self, fields: Sequence[Selection]) -> Term:
        below = [when(one.guard, self._body(one.body, weighs_items=False)) for one in fields]
        return total((most(when(one.guard, Fixed(heaviest(one.body))) for one in fields), *below))


def is_row_field(parent: Selection, one: Selection) -> bool:
    """Whether a field holds the rows of the list that its parent is."""
    return one.is_list and one.count is None and one.name in parent.sized


def heaviest(body: Body | None) -> Number:
    """What an item weighs at most."""
    return max((one.weight for one in body.alternatives), default=0) if body is not None else 0
