"""What the filters of a search say of where its answer lies among a user's rows."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Final

from clinical.dates import EARLIEST, LATEST, DateInvalid, Interval, interval
from clinical.syntax import split_alternatives, split_prefix
from resolvers.resource import Json
from resolvers.upstreams.evaluation import filter_test
from resolvers.upstreams.upstream import Filter
from resolvers.upstreams.wearable_measures import category, measures

_FROM: Final = frozenset(("ge", "gt", "sa"))
_TO: Final = frozenset(("le", "lt", "eb"))
_LONGEST: Final = timedelta(days=8)


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
    tests = [
        filter_test(source, "Observation", one, None) for one in filters if one.code in ("code", "category")
    ]
    return frozenset(key for key, row in _templates().items() if all(test(row) for test in tests))


def began(resource: Json) -> datetime:
    """When an Observation began, as its place in the order by date."""
    text = resource.get("effectiveDateTime") or resource.get("effectivePeriod", {}).get("start")
    try:
        return interval(str(text)).low
    except DateInvalid:
        return EARLIEST


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
