"""Addresses of sources: what makes two of them one origin, and where a next link may lead."""

import re
from functools import lru_cache
from urllib.parse import urljoin, urlsplit

from resolvers.resource import Location

_PLAIN_REST = re.compile(r"[/?][!$-\[\]-~]*")
"""What may follow a base address without a closer look: no white space, no fragment, no backslash."""

_PLAIN_NEXT = r"(?=[/?])[!$-.0-\[\]-~]*+(?:/(?!\.|_search)[!$-.0-\[\]-~]*+)*+"
"""The same, where moreover no step begins with a dot or is `_search`."""

_IMPLIED_PORTS = {"http": 80, "https": 443}


def origin_of(address: str) -> str:
    """`scheme://host[:port]`, in lower case, without a port that the scheme implies. Raises ValueError."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    port = "" if parts.port in (None, _IMPLIED_PORTS.get(parts.scheme)) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


def web_address(text: str) -> str:
    """The address in its one spelling: origin as `origin_of`, path without a last slash. Raises ValueError
    for anything but http(s), and for one with a user, a query or a fragment."""
    parts = urlsplit(text)
    if parts.scheme not in _IMPLIED_PORTS or not parts.hostname:
        raise ValueError("must be an http:// or https:// address")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must not hold a user, a query or a fragment")
    return origin_of(text) + parts.path.rstrip("/")


@lru_cache(maxsize=1_000)
def link_pattern(base_url: str) -> re.Pattern[str]:
    """Matches next links below a base address that are followed as they are (`fhir_entries.next_address`)."""
    is_odd = "/." in base_url or "/_search" in base_url
    return re.compile("(?!)" if is_odd else re.escape(base_url) + _PLAIN_NEXT)


def resolved_link(link: str, location: Location, is_only_place: bool) -> str | None:
    """A next link as an absolute address at `location`; None where it leads somewhere else.

    Relative ones are resolved against the base. The address is put together from our own origin, never from
    the link's. Where a source has several places, each with headers of its own, it must stay below this one.
    """
    base = location.base_url
    if link.startswith(base) and _PLAIN_REST.fullmatch(link, len(base)) and "/." not in link:
        return link
    try:
        absolute = urljoin(base + "/", link.strip())
        origin = origin_of(absolute)
        parts = urlsplit(absolute)
    except ValueError:
        return None
    if origin != origin_of(base) or parts.username or parts.password:
        return None
    path = parts.path
    if "/../" in path + "/" or "/./" in path + "/" or "\\" in path:
        return None
    address = origin + path
    if not is_only_place and address != base and not address.startswith(base + "/"):
        return None
    return f"{address}?{parts.query}" if parts.query else address
