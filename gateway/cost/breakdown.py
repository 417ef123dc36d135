"""Where an estimate comes from: every path of an operation with its part of the cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gateway.cost.declared import Number
from gateway.cost.formula import Terms, as_cost, heaviest, is_row_field
from gateway.cost.guards import holds
from gateway.cost.selections import Alternative, Body, Selection

PATHS_MAX: Final = 1_000
"""Paths that are told; the numbers of those that are do not depend on it."""

_Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FieldCost:
    """One path. `defined_cost` is what the field itself costs each time that it is asked (a list's rows with
    it); `requested_total_cost` what it costs over the whole operation with all below it, of which
    `requested_children_cost` is what is below."""

    path: _Path
    defined_cost: int
    requested_total_cost: int
    requested_children_cost: int


@dataclass(slots=True)
class Apart:
    """A list, or a resource that is looked up: what it costs without those below it."""

    path: _Path
    size: Number | None
    lower: tuple[str, ...]
    cost: Number = 0


class Walk:
    """One walk over an operation, for known variables and denied coordinates."""

    def __init__(self, values: Mapping[str, Any], denied: frozenset[str]) -> None:
        self._values = values
        self._denied = denied
        self._terms = Terms(denied)
        self._told: list[FieldCost] = []
        self.apart: list[Apart] = []

    def fields(self, root: Alternative) -> list[FieldCost]:
        """Every path that costs something."""
        whole = Apart((), None, ())
        self._fields((), root.selections, 1, whole)
        self.apart = [one for one in self.apart if one.cost > 0]
        return self._told

    def _fields(self, path: _Path, selections: Sequence[Selection], times: Number, within: Apart) -> None:
        for one in selections:
            if len(self._told) < PATHS_MAX and holds(one.guard, self._values):
                self._field((*path, one.key), one, times, within)

    def _field(self, path: _Path, one: Selection, times: Number, within: Apart) -> None:
        whole = times * self._terms.of(one).of(self._values)
        if not whole:
            return
        own = one.own.of(self._values)
        if one.rows is not None:
            self._connection(path, one, times, whole, own)
            return
        count = one.count.of(self._values) if one.count else 1
        kind = self._dearest(one.body)
        weight = kind.weight if kind is not None and one.weighs_items else 0
        defined = own + count * weight
        if one.count is not None or one.is_found or not path[1:]:
            within = self._apart(path, count if one.count else None, one.lower)
        within.cost += times * defined
        self._tell(path, defined, whole, times)
        if kind is not None:
            self._fields(path, kind.selections, times * count, within)

    def _connection(self, path: _Path, one: Selection, times: Number, whole: Number, own: Number) -> None:
        assert one.rows is not None
        assert one.body is not None
        size = one.rows.of(self._values)
        within = self._apart(path, size, one.lower)
        kind = one.body.alternatives[0] if len(one.body.alternatives) == 1 else self._dearest(one.body)
        assert kind is not None
        defined = own + (kind.weight if one.weighs_items else 0)
        within.cost += times * defined
        self._tell(path, defined, whole, times)
        counted: Number = 0
        for below in kind.selections:
            if not holds(below.guard, self._values) or below.is_denied(self._denied):
                continue
            if is_row_field(one, below):
                counted = self._rows((*path, below.key), below, times, size, counted, within)
            else:
                self._field((*path, below.key), below, times, within)

    def _rows(
        self, path: _Path, one: Selection, times: Number, size: Number, counted: Number, within: Apart
    ) -> Number:
        """A field that holds rows. `counted` is what each row has weighed already, in a field beside it."""
        more = max(0, heaviest(one.body) - counted)
        kind = self._dearest(one.body)
        below = self._selected(kind)
        own = one.own.of(self._values)
        defined = own + size * more
        within.cost += times * defined
        if whole := times * (defined + size * below):
            self._tell(path, defined, whole, times)
            self._fields(path, kind.selections if kind is not None else (), times * size, within)
        return counted + more

    def _dearest(self, body: Body | None) -> Alternative | None:
        """The type that the estimate is made for."""
        kinds = body.alternatives if body is not None else ()
        return max(kinds, key=lambda one: one.weight + self._selected(one), default=None)

    def _selected(self, kind: Alternative | None) -> Number:
        return self._terms.selected(kind.selections).of(self._values) if kind is not None else 0

    def _apart(self, path: _Path, size: Number | None, lower: tuple[str, ...]) -> Apart:
        self.apart.append(Apart(path, size, lower))
        return self.apart[-1]

    def _tell(self, path: _Path, defined: Number, whole: Number, times: Number) -> None:
        if len(self._told) < PATHS_MAX:
            below = as_cost(max(0, whole - times * defined))
            self._told.append(FieldCost(path, as_cost(defined), as_cost(whole), below))
