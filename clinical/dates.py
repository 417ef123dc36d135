"""Dates as FHIR records them: partial, and therefore intervals.

`2019` is not the first of January; it is the whole year. Every date, dateTime, instant and Period
becomes a half-open interval of UTC time, and searches compare intervals (R4 search 3.1.1.4.7 and
3.1.1.4.9).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

EARLIEST = datetime.min.replace(tzinfo=UTC)
LATEST = datetime.max.replace(tzinfo=UTC)
_TICK = timedelta(microseconds=1)
_APPROXIMATION = 0.1

_DATE = re.compile(
    r"(?P<year>[0-9]{4})"
    r"(?:-(?P<month>[0-9]{2})"
    r"(?:-(?P<day>[0-9]{2})"
    r"(?:T(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})"
    r"(?::(?P<second>[0-9]{2})(?:\.(?P<fraction>[0-9]{1,20}))?)?"
    r"(?P<zone>Z|[+-][0-9]{2}:[0-9]{2})?)?)?)?"
)


class DateInvalid(ValueError):
    """A text that is no FHIR date, dateTime or instant, or a Period without a usable boundary."""


@dataclass(frozen=True, slots=True)
class Interval:
    """The time in which something recorded lies: `low` included, `high` excluded, both aware UTC."""

    low: datetime
    high: datetime

    def contains(self, other: "Interval") -> bool:
        return self.low <= other.low and other.high <= self.high

    def overlaps(self, other: "Interval") -> bool:
        return self.low < other.high and other.low < self.high


@lru_cache(maxsize=16384)
def interval(text: str) -> Interval:
    """The interval that a date, dateTime or instant stands for.

    Seconds and zone may be missing (zone: UTC), as real servers leave them out. Raises DateInvalid.
    """
    found = _DATE.fullmatch(text)
    if found is None:
        raise DateInvalid("not a FHIR date: expected YYYY, YYYY-MM, YYYY-MM-DD or a dateTime")
    try:
        return _interval(found)
    except (ValueError, OverflowError) as problem:
        raise DateInvalid("not a date of the calendar") from problem


def period_interval(period: Mapping[str, object]) -> Interval:
    """The interval of a FHIR Period; a missing boundary is open, a partial end counts to its end.

    A period recorded back to front covers the time between its boundaries. Raises DateInvalid where
    neither boundary is there, or one cannot be read.
    """
    bounds = [_boundary(period.get(side)) for side in ("start", "end")]
    start, end = bounds
    if start is None and end is None:
        raise DateInvalid("a Period without start and end")
    if start is None or end is None:
        return Interval(start.low if start else EARLIEST, end.high if end else LATEST)
    return hull([start, end])


def recorded_interval(value: object) -> Interval | None:
    """The interval of a recorded date, dateTime, instant, Period or Timing; None where it cannot be read.

    Of a Timing only the outer limits count (R4 search 3.1.1.4.9): its events and `repeat.boundsPeriod`.
    """
    try:
        if isinstance(value, str):
            return interval(value)
        if not isinstance(value, dict):
            return None
        return period_interval(value) if "start" in value or "end" in value else _timing(value)
    except DateInvalid:
        return None


def hull(intervals: list[Interval]) -> Interval:
    """The smallest interval around all the given ones (at least one)."""
    return Interval(min(part.low for part in intervals), max(part.high for part in intervals))


def compare(prefix: str, recorded: Interval, asked: Interval, now: datetime | None = None) -> bool:
    """Whether a recorded time answers the search `prefix asked` (R4 search 3.1.1.4.7).

    `now` (aware) serves `ap` only, which widens the asked time by a tenth of its distance from now.
    Raises DateInvalid for an unknown prefix.
    """
    if prefix == "ap":
        return _widened(asked, now or datetime.now(UTC)).overlaps(recorded)
    test = _COMPARISONS.get(prefix)
    if test is None:
        raise DateInvalid(f"unknown prefix {prefix!r}")
    return test(recorded, asked)


_COMPARISONS: Mapping[str, Callable[[Interval, Interval], bool]] = {
    "eq": lambda recorded, asked: asked.contains(recorded),
    "ne": lambda recorded, asked: not asked.contains(recorded),
    "gt": lambda recorded, asked: recorded.high > asked.high,
    "lt": lambda recorded, asked: recorded.low < asked.low,
    "ge": lambda recorded, asked: recorded.high > asked.high or asked.contains(recorded),
    "le": lambda recorded, asked: recorded.low < asked.low or asked.contains(recorded),
    "sa": lambda recorded, asked: recorded.low >= asked.high,
    "eb": lambda recorded, asked: recorded.high <= asked.low,
}


def _timing(timing: Mapping[str, Any]) -> Interval | None:
    events, repeat = timing.get("event"), timing.get("repeat")
    bounds = repeat.get("boundsPeriod") if isinstance(repeat, dict) else None
    parts = [
        *(events if isinstance(events, list) else [events]),
        bounds if isinstance(bounds, dict) else None,
    ]
    known = [found for part in parts if part is not None and (found := recorded_interval(part))]
    return hull(known) if known else None


def _boundary(value: object) -> Interval | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise DateInvalid("a boundary that is not a text")
    return interval(value)


def _interval(found: re.Match[str]) -> Interval:
    year, month, day = int(found["year"]), int(found["month"] or 1), int(found["day"] or 1)
    low = datetime(year, month, day, tzinfo=UTC)
    if found["month"] is None:
        return Interval(low, LATEST if year == LATEST.year else low.replace(year=year + 1))
    if found["day"] is None:
        return Interval(low, _next_month(low))
    if found["hour"] is None:
        return Interval(low, _shifted(low, timedelta(days=1)))
    return _time_of_day(low, found)


def _next_month(low: datetime) -> datetime:
    if low.month == 12:
        return LATEST if low.year == LATEST.year else low.replace(year=low.year + 1, month=1)
    return low.replace(month=low.month + 1)


def _time_of_day(midnight: datetime, found: re.Match[str]) -> Interval:
    hour, minute, second = int(found["hour"]), int(found["minute"]), int(found["second"] or 0)
    if hour > 23 or minute > 59 or second > 60:  # 60: FHIR allows the leap second
        raise DateInvalid("not a time of day")
    since = timedelta(hours=hour, minutes=minute, seconds=second) - _zone(found["zone"])
    width = timedelta(seconds=1) if found["second"] else timedelta(minutes=1)
    if fraction := found["fraction"]:
        since += timedelta(microseconds=int(fraction[:6].ljust(6, "0")))
        width = timedelta(microseconds=10 ** (6 - min(len(fraction), 6)))
    low = min(_shifted(midnight, since), LATEST - _TICK)
    return Interval(low, _shifted(low, width))


def _zone(text: str | None) -> timedelta:
    if text is None or text == "Z":
        return timedelta()
    hours, minutes = int(text[1:3]), int(text[4:6])
    if hours > 14 or minutes > 59:
        raise DateInvalid("not a time zone")
    offset = timedelta(hours=hours, minutes=minutes)
    return -offset if text[0] == "-" else offset


def _shifted(moment: datetime, by: timedelta) -> datetime:
    """Moved, but never out of the calendar's years 1 to 9999."""
    try:
        return moment + by
    except OverflowError:
        return LATEST if by > timedelta() else EARLIEST


def _widened(asked: Interval, now: datetime) -> Interval:
    gap = now - asked.high if asked.high <= now else max(asked.low - now, timedelta())
    margin = gap * _APPROXIMATION
    return Interval(_shifted(asked.low, -margin), _shifted(asked.high, margin))


def instant(moment: datetime | None) -> str | None:
    """A moment as FHIR `instant`, in UTC to the millisecond."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
