"""What vendors write as text, as FHIR R4 has it: numbers with their digits, dates, times, reference ids."""

import re
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from clinical.codec import DecimalInvalid, digits
from clinical.dates import DateInvalid, interval

_DECIMAL: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,18})?")
_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})"
)
_DATE: Final = re.compile(r"[0-9]{4}(?:-[0-9]{2}(?:-[0-9]{2})?)?")


def as_number(value: object) -> int | msgspec.Raw | None:
    """A JSON number as it is, a text such as `50.0` as the number with these digits; None for anything
    else."""
    if isinstance(value, str):
        text = value.strip()
        if _DECIMAL.fullmatch(text) is None:
            return None
        return msgspec.Raw(text.encode()) if "." in text else int(text)
    if isinstance(value, bool) or not isinstance(value, int | msgspec.Raw):
        return None
    try:
        digits(value)
    except DecimalInvalid:
        return None
    return value


def as_datetime(value: object, zone: ZoneInfo) -> str | None:
    """A FHIR dateTime: dates, also partial ones, and times with a zone as recorded; a time without a zone is
    of the source's. None for what is no date."""
    if not isinstance(value, str):
        return None
    text = value.strip()
    if _DATE.fullmatch(text):
        return text if _is_date(text) else None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if _TIME.fullmatch(text) and _is_date(text):
        return text
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).isoformat()
    except (OverflowError, ValueError):
        return None


def as_instant(value: object, zone: ZoneInfo) -> str | None:
    """A FHIR instant: a dateTime that says its time of day. None for anything less."""
    text = as_datetime(value, zone)
    return text if text is not None and "T" in text else None


def text_of(value: object) -> str | None:
    """A text that says something; None for anything else."""
    return value.strip() if isinstance(value, str) and value.strip() else None


def id_of(value: object) -> str | None:
    """A vendor's id, which may be a text or a number, as text."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return text_of(value)


def _is_date(text: str) -> bool:
    try:
        interval(text)
    except DateInvalid:
        return False
    return True
