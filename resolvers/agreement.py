"""Whether records with one identifier can be one person's: their birth dates must agree."""

from collections.abc import Iterable

from clinical.dates import DateInvalid, interval
from resolvers.resource import Resource


def agreeing(records: Iterable[Resource]) -> tuple[Resource, ...]:
    """The first record that states a birth date rules; a record that disagrees is not linked."""
    candidates = tuple(records)
    if len(candidates) < 2:
        return candidates
    ruling = next((one for one in candidates if _birth_date(one)), None)
    if ruling is None:
        return candidates
    return tuple(one for one in candidates if birth_dates_agree(_birth_date(ruling), _birth_date(one)))


def birth_dates_agree(one: str | None, other: str | None) -> bool:
    """Equal, or one holds the other (`1980` and `1980-05-03`), or one is not stated."""
    if not one or not other:
        return True
    try:
        a, b = interval(one), interval(other)
    except DateInvalid:
        return False
    return (a.low <= b.low and b.high <= a.high) or (b.low <= a.low and a.high <= b.high)


def _birth_date(record: Resource) -> str | None:
    value = record.json.get("birthDate")
    return value if isinstance(value, str) else None
