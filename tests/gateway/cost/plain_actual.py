"""The actual cost as its rules tell it, worked out anew each time: `gateway.cost.actual` must equal it."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from gateway.cost.analysis import Analysis
from gateway.cost.declared import Number
from gateway.cost.estimate import NONE
from gateway.cost.formula import as_cost, heaviest, is_row_field
from gateway.cost.guards import holds
from gateway.cost.selections import Alternative, Body, Selection
from resolvers.field import flat
from resolvers.tally import Tally
from schema.cost import SEARCH

_PAGE: Final = object()
_TYPE: Final = object()

_Tree = dict[Any, Any]
"""What was noted, by steps of its path; at a list's place a page, at a resource's its type."""


def plain_actual(
    analysis: Analysis, variables: Mapping[str, Any], tally: Tally, denied: frozenset[str] = NONE
) -> int:
    """What an operation has cost that has been executed with these variables, 0 to `COST_MAX`.

    An operation of which nothing was executed cost nothing: for it this is not asked.
    """
    return as_cost(_Count(analysis.values(variables), denied).root(analysis.root, _tree(tally)))


def _tree(tally: Tally) -> _Tree:
    root: _Tree = {}
    for at, searched, rows in tally.pages:
        _place(root, flat(at))[_PAGE] = (searched, rows)
    for at, type_ in tally.found:
        _place(root, flat(at))[_TYPE] = type_
    return root


def _place(tree: _Tree, path: Iterable[str | int]) -> _Tree:
    for step in path:
        below = tree.get(step)
        if below is None:
            below = tree[step] = {}
        tree = below
    return tree


class _Count:
    def __init__(self, values: Mapping[str, Any], denied: frozenset[str]) -> None:
        self._values = values
        self._denied = denied
        self._known: dict[Alternative, Number] = {}

    def root(self, root: Alternative, tree: _Tree) -> Number:
        return self._object(root, tree)

    def _object(self, kind: Alternative, tree: _Tree | None) -> Number:
        """An object with all that is below it, but what its type weighs."""
        return self._plain(kind) + (self._looked_up(kind, tree) if tree else 0)

    def _is_there(self, one: Selection) -> bool:
        return holds(one.guard, self._values) and not one.is_denied(self._denied)

    def _plain(self, kind: Alternative) -> Number:
        """What is the same for every object: neither lists nor what is looked up."""
        known = self._known.get(kind)
        if known is None:
            there = (one for one in kind.selections if self._is_there(one))
            known = self._known[kind] = sum(self._plain_field(one) for one in there)
        return known

    def _plain_field(self, one: Selection) -> Number:
        if one.rows is not None or one.is_searched:
            return 0
        own = one.own.of(self._values)
        if one.is_found or one.body is None:
            return own
        count = one.count.of(self._values) if one.count is not None else 1
        # Of which type it is nobody notes: all that is known is what any of them costs.
        each = min(self._weight(one, kind) + self._plain(kind) for kind in one.body.alternatives)
        return own + count * each

    def _looked_up(self, kind: Alternative, tree: _Tree) -> Number:
        """What has been noted below an object."""
        found: Number = 0
        for one in kind.selections:
            below = tree.get(one.key)
            if below is None or not self._is_there(one):
                continue
            if one.is_searched:
                found += self._searched(one, below)
            elif one.body is not None:
                found += self._noted(one, one.body, below)
        return found

    def _noted(self, one: Selection, body: Body, tree: _Tree) -> Number:
        if one.rows is not None:
            return self._page(one, body, tree)
        if one.is_found:
            places = _entries(tree) if one.is_list else (tree,)
            return sum(self._resource(one, body, place) for place in places)
        if one.is_list:
            return max((self._below(body, place) for place in _entries(tree)), default=0)
        return self._below(body, tree)

    def _page(self, one: Selection, body: Body, tree: _Tree) -> Number:
        """A page of a list. A source that is not searched, such as one that does not know the person, costs
        nothing."""
        page: tuple[int, int] | None = tree.get(_PAGE)
        if page is None:
            return 0
        rows = page[1]
        kind = body.alternatives[0]
        fields = [below for below in kind.selections if is_row_field(one, below) and self._is_there(below)]
        each = max((heaviest(below.body) for below in fields), default=0)
        each += sum(self._plain(below.body.alternatives[0]) for below in fields if below.body is not None)
        found = self._search(one, tree) + rows * each + self._weight(one, kind)
        found += sum(below.own.of(self._values) for below in fields)
        for below in kind.selections:
            if below not in fields and self._is_there(below):
                found += self._plain_field(below)
                found += self._searched(below, tree.get(below.key, {})) if below.is_searched else 0
        for below in fields:
            if below.body is not None and below.key in tree:
                entries = _entries(tree[below.key])
                found += sum(self._looked_up(below.body.alternatives[0], entry) for entry in entries)
        return found

    def _searched(self, one: Selection, tree: _Tree) -> Number:
        """A value for which sources were searched, with what is below it; of a list, the rows that came."""
        page: tuple[int, int] | None = tree.get(_PAGE)
        if page is None:
            return 0
        found = self._search(one, tree)
        if one.body is None:
            return found
        kind = one.body.alternatives[0]
        if not one.is_list:
            return found + self._weight(one, kind) + self._object(kind, tree)
        found += page[1] * (self._weight(one, kind) + self._plain(kind))
        return found + sum(self._looked_up(kind, entry) for entry in _entries(tree))

    def _search(self, one: Selection, tree: _Tree) -> Number:
        """What the searches cost that were made for a field."""
        searched = tree[_PAGE][0] if _PAGE in tree else 0
        return min(one.own.of(self._values), SEARCH * searched)

    def _resource(self, one: Selection, body: Body, tree: _Tree) -> Number:
        type_ = tree.get(_TYPE)
        for kind in body.alternatives:
            if type_ in kind.types:
                return self._weight(one, kind) + self._object(kind, tree)
        return 0

    def _below(self, body: Body, tree: _Tree) -> Number:
        """What has been noted below an object whose type is not: the least that it can have been."""
        keys = {key for key in tree if isinstance(key, str)}
        fitting = [one for one in body.alternatives if keys <= {below.key for below in one.selections}]
        return min((self._looked_up(one, tree) for one in fitting), default=0)

    def _weight(self, one: Selection, kind: Alternative) -> Number:
        return kind.weight if one.weighs_items else 0


def _entries(tree: _Tree) -> list[_Tree]:
    return [below for step, below in tree.items() if isinstance(step, int)]
