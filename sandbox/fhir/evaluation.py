"""Which resources a query finds, in its order. Indexes narrow first; clinical.search decides on the rest."""

from collections.abc import Iterable
from functools import partial

from clinical.order import SortKey, sort_key
from clinical.search import SearchValueInvalid, compile_search
from clinical.syntax import unescape
from sandbox.fhir.outcome import RequestRefused
from sandbox.fhir.query import Filter, Order, Query
from sandbox.fhir.store import Row, Store


def evaluate(store: Store, query: Query) -> list[Row]:
    """The matching rows, sorted; ties and unsorted ones by id. Raises RequestRefused for a bad value."""
    rows = store.rows(query.resource_type)
    places: frozenset[int] | None = None
    rest: list[Filter] = []
    for one in query.filters:
        narrowed = _narrowed(store, query.resource_type, one)
        if narrowed is None:
            rest.append(one)
        else:
            places = narrowed if places is None else places & narrowed
    found = rows if places is None else [rows[place] for place in sorted(places)]
    for one in rest:
        found = _filtered(found, one, store.base_url)
    return _sorted(found, query.orders)


def _narrowed(store: Store, resource_type: str, one: Filter) -> frozenset[int] | None:
    """The places an index gives for a filter; None where no index can."""
    parameter = one.parameter
    if parameter.code == "_id" and one.modifier is None:
        return store.places_of_ids(resource_type, map(unescape, one.values))
    if parameter.expression == f"{resource_type}.identifier" and one.modifier is None:
        index = store.identifiers(resource_type)
        return _union(index.get(unescape(text), frozenset()) for text in one.values)
    if parameter.type == "reference" and _is_type(one.modifier):
        index = store.references(parameter, resource_type)
        return _union(index.get(_reference(store, text, one), frozenset()) for text in one.values)
    return None


def _is_type(modifier: str | None) -> bool:
    return modifier is None or modifier[:1].isupper()


def _reference(store: Store, text: str, one: Filter) -> str:
    """The index key of a reference as asked for: `Type/id`, an own or a foreign address, or a bare id."""
    text = unescape(text)
    if "/" in text:
        return store.local(text) or text
    if one.modifier is not None:
        return f"{one.modifier}/{text}"
    targets = one.parameter.targets
    return f"{next(iter(targets))}/{text}" if len(targets) == 1 and "Any" not in targets else text


def _union(sets: Iterable[frozenset[int]]) -> frozenset[int]:
    return frozenset[int]().union(*sets)


def _filtered(rows: list[Row], one: Filter, base_url: str) -> list[Row]:
    try:
        holds = compile_search(one.parameter, one.values, one.modifier, base_url)
    except SearchValueInvalid as problem:
        raise RequestRefused(400, "invalid", f"{one.parameter.code}: {problem}") from problem
    return [row for row in rows if holds(row.resource)]


def _sorted(rows: list[Row], orders: tuple[Order, ...]) -> list[Row]:
    """Undated last in both directions; a later key decides where an earlier one is equal, then the id."""
    for order in reversed(orders):
        rows = sorted(rows, key=partial(_key, order))
    return rows


def _key(order: Order, row: Row) -> SortKey:
    return sort_key(row.resource, order.parameter, order.is_descending)
