"""Age in whole years, from dates that may be partial."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from clinical.dates import DateInvalid, interval

_DAY_LENGTH = 10  # YYYY-MM-DD


def utc_today() -> date:
    """The day that it is in UTC."""
    return datetime.now(UTC).date()


def age_years(patient: Mapping[str, Any], today: date) -> int | None:
    """The whole years of a Patient's life up to today, or to the day of death.

    None where the recorded dates leave it open: born `1980`, asked in 1980 plus n years, is n - 1 or n. None
    too for a death without a date, and for a birth in the future. Somebody born on 29 February turns a year
    older on 1 March of a common year.
    """
    born = _days(patient.get("birthDate"))
    died = patient.get("deceasedDateTime")
    end = (today, today) if died is None else _days(died)
    if born is None or end is None or (died is None and patient.get("deceasedBoolean") not in (None, False)):
        return None
    least, most = _years(born[1], end[0]), _years(born[0], end[1])
    return least if least == most and least >= 0 else None


def _days(text: Any) -> tuple[date, date] | None:
    """The first and the last day that a date may mean, in the zone in which it was written."""
    if not isinstance(text, str):
        return None
    try:
        found = interval(text[:_DAY_LENGTH])
    except DateInvalid:
        return None
    return found.low.date(), (found.high - timedelta(microseconds=1)).date()


def _years(born: date, at: date) -> int:
    return at.year - born.year - ((at.month, at.day) < (born.month, born.day))
