"""Whether an answer came from a cache between a source and the gateway that could not ask the source anew."""

import re
from collections.abc import Mapping
from typing import Final

from multidict import istr

WARNING: Final = istr("Warning")
CACHE_STATUS: Final = istr("Cache-Status")
"""The headers that may say so: where neither is there, the answer is fresh."""

_WARNING: Final = re.compile(r"(?:^|,)\s*11[0-2]\s")
"""Response is stale, revalidation failed, disconnected operation (RFC 7234 section 5.5, still sent)."""

_EXPIRED: Final = re.compile(r";\s*ttl\s*=\s*-[0-9]")


def is_stale(headers: Mapping[str, str]) -> bool:
    """By `Warning`, or by a `Cache-Status` whose time to live is over (RFC 9211 section 2.5)."""
    warning, status = headers.get(WARNING), headers.get(CACHE_STATUS)
    if warning is None and status is None:
        return False
    return bool(_WARNING.search(warning or "") or _EXPIRED.search(status or ""))
