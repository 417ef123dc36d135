"""Numbers of a series added up row by row: by unit, and by day, week or month."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta, tzinfo
from decimal import ROUND_HALF_EVEN, Context, Decimal
from enum import Enum
from typing import Any, Final

from clinical.codec import DecimalInvalid, as_decimal
from clinical.dates import DateInvalid, interval
from resolvers.errors import ArgumentInvalid

BUCKETS_MAX: Final = 1_000
MEAN_PLACES: Final = 2
"""Decimal places of a mean beyond those of the finest value."""

_WITHOUT_RESULT: Final = frozenset({"registered", "cancelled", "entered-in-error", "unknown"})
_SIZE_MAX: Final = 40
_EXACT: Final = Context(prec=200, rounding=ROUND_HALF_EVEN)
_DAY_LENGTH: Final = 10
_ALONE: Final = ("valueQuantity", "valueInteger")


class BucketSize(Enum):
    """How long a bucket is."""

    DAY = "DAY"
    WEEK = "WEEK"
    MONTH = "MONTH"


@dataclass(slots=True)
class Sums:
    """Count, least, most and mean of some numbers; exact, and as small for many as for few."""

    count: int = 0
    min: Decimal | None = None
    max: Decimal | None = None
    _sum: Decimal = Decimal(0)
    _places: int = 0

    def add(self, value: Decimal) -> None:
        """Takes one more number."""
        self.count += 1
        self.min = value if self.min is None or value < self.min else self.min
        self.max = value if self.max is None or value > self.max else self.max
        self._sum = _EXACT.add(self._sum, value)
        self._places = max(self._places, -int(value.as_tuple().exponent))

    @property
    def mean(self) -> Decimal | None:
        """Two decimal places more than the finest value has, halves to even."""
        if not self.count:
            return None
        exact = _EXACT.divide(self._sum, Decimal(self.count))
        return exact.quantize(Decimal(1).scaleb(-self._places - MEAN_PLACES), context=_EXACT)


@dataclass(slots=True)
class Bucket(Sums):
    """The numbers of one day, week or month, which begins on `start`."""

    start: str = ""


@dataclass(slots=True)
class Group(Sums):
    """The numbers of one unit: that of a code system, or a text alone. `unplaced`: how many have no date that
    is exact enough for a bucket."""

    unit: str | None = None
    system: str | None = None
    code: str | None = None
    unplaced: int = 0
    starts: dict[date, Bucket] = field(default_factory=dict)

    @property
    def buckets(self) -> list[Bucket]:
        """Those that hold a number, oldest first."""
        return [self.starts[start] for start in sorted(self.starts)]


@dataclass(slots=True)
class SeriesTally:
    """A series under count. `texts`: values that are no number; `bounded`: with a comparator, such as `<5`;
    `without_value`: none; `left_out`: without a result by their status, with a modifier that is not known, or
    with a number that is no measurement."""

    size: BucketSize | None
    zone: tzinfo
    by_unit: dict[tuple[str | None, str | None], Group] = field(default_factory=dict)
    texts: int = 0
    bounded: int = 0
    without_value: int = 0
    left_out: int = 0
    _buckets: int = 0

    @property
    def groups(self) -> list[Group]:
        """One for each unit, the one with most numbers first."""
        return sorted(self.by_unit.values(), key=lambda one: -one.count)

    def add(self, row: Mapping[str, Any]) -> None:
        """Takes one Observation. Raises ArgumentInvalid where there are more buckets than may be."""
        if row.get("status") in _WITHOUT_RESULT or row.get("modifierExtension"):
            self.left_out += 1
            return
        name = next((one for one in row if one.startswith("value")), None)
        if name is None or row[name] is None:
            self.without_value += 1
        elif name not in _ALONE:
            self.texts += 1
        else:
            self._number(row, row[name])

    def _number(self, row: Mapping[str, Any], value: Any) -> None:
        quantity = value if isinstance(value, dict) else {"value": value}
        if quantity.get("value") is None:
            self.without_value += 1
        elif quantity.get("comparator") is not None:
            self.bounded += 1
        elif (number := _number_of(quantity["value"])) is None:
            self.left_out += 1
        else:
            group = self._group(quantity)
            group.add(number)
            if self.size is not None:
                self._place(group, row, number)

    def _group(self, quantity: Mapping[str, Any]) -> Group:
        unit, system, code = (_text(quantity.get(one)) for one in ("unit", "system", "code"))
        key = (system, code) if code is not None else (None, unit)
        if key not in self.by_unit:
            self.by_unit[key] = Group(unit=unit or code, system=system, code=code)
        return self.by_unit[key]

    def _place(self, group: Group, row: Mapping[str, Any], number: Decimal) -> None:
        day = _day(row, self.zone, self.size)
        if day is None:
            group.unplaced += 1
            return
        start = _start(day, self.size)
        if start not in group.starts:
            self._buckets += 1
            if self._buckets > BUCKETS_MAX:
                raise ArgumentInvalid(f"bucket: more than {BUCKETS_MAX}; take longer ones, or a shorter time")
            group.starts[start] = Bucket(start=start.isoformat())
        group.starts[start].add(number)


def _number_of(value: Any) -> Decimal | None:
    try:
        number = as_decimal(value)
    except DecimalInvalid:
        return None
    _, shown, exponent = number.as_tuple()
    is_measurement = max(len(shown), abs(int(exponent)), abs(number.adjusted())) <= _SIZE_MAX
    return number if is_measurement else None


def _day(row: Mapping[str, Any], zone: tzinfo, size: BucketSize | None) -> date | None:
    """The day on which it was, or one in its month where that is all that a month's bucket needs."""
    period = row.get("effectivePeriod")
    start = period.get("start") if isinstance(period, dict) else None
    text = row.get("effectiveDateTime") or row.get("effectiveInstant") or start
    needed = len("YYYY-MM") if size is BucketSize.MONTH else _DAY_LENGTH
    if not isinstance(text, str) or len(text) < needed:
        return None
    try:
        low = interval(text).low
        return low.astimezone(zone).date() if len(text) > _DAY_LENGTH else low.date()
    except (DateInvalid, OverflowError):
        return None


def _start(day: date, size: BucketSize | None) -> date:
    if size is BucketSize.MONTH:
        return day.replace(day=1)
    if size is BucketSize.WEEK:  # the calendar's first day is a Monday
        return day - timedelta(days=day.weekday())
    return day


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
