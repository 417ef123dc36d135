"""The search parameters of a source that has none: evaluated here, on whole resources, therefore exactly."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

from clinical.dates import EARLIEST, LATEST, DateInvalid, Interval, interval
from clinical.parameters import parameters
from clinical.search import SearchValueInvalid, compile_search, is_exact
from clinical.syntax import split_alternatives, split_prefix
from resolvers.resource import Json
from resolvers.upstreams.errors import SearchNotSupported
from resolvers.upstreams.upstream import Filter, Search
from resolvers.upstreams.wearable_measures import category, measures

Predicate = Callable[[Mapping[str, Any]], bool]

_FROM: Final = frozenset(("ge", "gt", "sa"))
_TO: Final = frozenset(("le", "lt", "eb"))
_LONGEST: Final = timedelta(days=8)
_REFERENCE: Final = re.compile(r"(?:.*/)?(?:Patient/)?([A-Za-z0-9.-]+)")


@cache
def exact_parameters(resource_type: str) -> frozenset[str]:
    """The parameters of a type that are evaluated alike everywhere."""
    return frozenset(code for code, row in parameters(resource_type).items() if is_exact(row))


def predicate(source: str, search: Search, base_url: str) -> Predicate:
    """Whether a resource answers a search. Raises SearchNotSupported."""
    tests = [_test(source, search.type, one, base_url) for one in search.filters]
    return lambda resource: all(test(resource) for test in tests)


def patients_asked(search: Search) -> frozenset[str] | None:
    """The users a search is about; None where it names nobody."""
    if search.patient is not None:
        return frozenset((search.patient,))
    named = [
        one
        for one in search.filters
        if one.code in ("patient", "subject") and one.modifier in (None, "Patient")
    ]
    if not named:
        return None
    texts = (part for one in named for value in one.values for part in split_alternatives(value))
    return frozenset(found[1] for text in texts if (found := _REFERENCE.fullmatch(text)))


def period_asked(filters: Iterable[Filter]) -> Interval:
    """A time outside of which nothing that began can answer the `date` filters; a night may have begun some
    time before the moment asked for."""
    low, high = EARLIEST, LATEST
    for one in filters:
        if one.code == "date" and one.modifier is None:
            bounds = [_bounds(part) for value in one.values for part in split_alternatives(value)]
            low = max(low, min((bound.low for bound in bounds), default=low))
            high = min(high, max((bound.high for bound in bounds), default=high))
    return Interval(low if low == EARLIEST else low - _LONGEST, high)


def kinds_asked(source: str, filters: Sequence[Filter]) -> frozenset[str]:
    """The keys of the measures whose Observations the `code` and `category` filters can let through. Raises
    SearchNotSupported."""
    tests = [_test(source, "Observation", one, None) for one in filters if one.code in ("code", "category")]
    return frozenset(key for key, row in _templates().items() if all(test(row) for test in tests))


def began(resource: Json) -> datetime:
    """When an Observation began, as its place in the order by date."""
    text = resource.get("effectiveDateTime") or resource.get("effectivePeriod", {}).get("start")
    try:
        return interval(str(text)).low
    except DateInvalid:
        return EARLIEST


def _test(source: str, resource_type: str, one: Filter, base_url: str | None) -> Predicate:
    message = f"{source} does not support this search."
    if one.code not in exact_parameters(resource_type):
        raise SearchNotSupported(source, message, detail=one.code)
    try:
        return compile_search(parameters(resource_type)[one.code], one.values, one.modifier, base_url)
    except SearchValueInvalid as problem:
        raise SearchNotSupported(source, message, detail=str(problem)) from problem


def _bounds(text: str) -> Interval:
    prefix, value = split_prefix(text)
    try:
        asked = interval(value)
    except DateInvalid:
        return Interval(EARLIEST, LATEST)
    if prefix == "eq":
        return asked
    if prefix in _FROM:
        return Interval(asked.low, LATEST)
    return Interval(EARLIEST, asked.high if prefix in _TO else LATEST)


@cache
def _templates() -> Mapping[str, Json]:
    """What `code` and `category` see of each kind of Observation."""
    table = measures()
    return {
        key: {
            "resourceType": "Observation",
            "code": table[row.panel or key].concept,
            "category": [category("vital-signs" if row.type is not None else "activity")],
        }
        for key, row in table.items()
        if key != "bp"
    }
