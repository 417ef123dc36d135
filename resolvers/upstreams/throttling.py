"""When a source that is asked too often may be asked again."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_WAIT_S = 86_400.0
_UNIX_TIME_FROM = 1_000_000_000


def retry_after_s(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds to wait, from `Retry-After` (seconds or an HTTP date, RFC 9110 10.2.3) or `X-RateLimit-Reset`
    (seconds, or unix time as Cliniko has it); None where neither says it."""
    now = now or datetime.now(UTC)
    stated = headers.get("Retry-After")
    wait = _seconds(stated) if stated else None
    if wait is None and stated:
        wait = _until(stated, now)
    if wait is None and (reset := headers.get("X-RateLimit-Reset")):
        wait = _seconds(reset)
        if wait is not None and wait >= _UNIX_TIME_FROM:
            wait -= now.timestamp()
    return None if wait is None else min(max(wait, 0.0), LONGEST_WAIT_S)


def _seconds(text: str) -> float | None:
    text = text.strip()
    return float(text) if text.isascii() and text.replace(".", "", 1).isdigit() else None


def _until(text: str, now: datetime) -> float | None:
    try:
        moment = parsedate_to_datetime(text.strip())
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now.timestamp()
