"""Attachments that lie at their source: which addresses are asked for, and the Protocol of a source that has
such.

A source's word decides what is fetched with the source's own credential, so what it may name is narrow: a
`Binary`, or a file below the base address of the place that the naming resource is from. Never another
host, never another place with headers of its own, and never another FHIR interaction: `Patient/2` in an
attachment must not be a way around the doors that `Patient/2` has.
"""

import re
from typing import Final, Protocol, runtime_checkable

from clinical.references import is_resource_id
from resolvers.resource import Location
from resolvers.upstreams.addresses import resolved_link
from resolvers.upstreams.stream import Stream
from resolvers.upstreams.upstream import Call

_BINARY: Final = "Binary"
_FHIR_WORD: Final = re.compile(r"[A-Z_$]|metadata$")
"""How the first step of a FHIR interaction begins: a type, `_history`, `$operation`, `metadata`."""
_HIDDEN: Final = re.compile(r"%(?:2e|2f|5c|25|00)", re.IGNORECASE)
"""Dots and slashes that only a server further on would see."""
_ADDRESS_MAX: Final = 2_000


@runtime_checkable
class HoldsAttachments(Protocol):
    """A source whose resources name attachments by address."""

    async def open_attachment(self, address: str, location: Location, accept: str, call: Call) -> Stream:
        """The answer at an address that `attachment_address` gave, whatever its status. Raises
        UpstreamError."""


def attachment_address(url: str, location: Location) -> str | None:
    """Where an attachment named by `url` in a resource of a place is fetched; None where it is not."""
    if len(url) > _ADDRESS_MAX or not url.isprintable() or not url.isascii():
        return None
    address = resolved_link(url, location, is_only_place=False)
    if address is None or not address.startswith(location.base_url + "/"):
        return None
    path, _, query = address[len(location.base_url) + 1 :].partition("?")
    if _HIDDEN.search(path) or "//" in path or not path:
        return None
    steps = path.split("/")
    if steps[0] == _BINARY:
        return address if not query and _is_binary(steps[1:]) else None
    return None if _FHIR_WORD.match(steps[0]) else address


def _is_binary(steps: list[str]) -> bool:
    """`id`, or `id/_history/version` (R4 http.html 3.1.0.3)."""
    match steps:
        case [id_]:
            return is_resource_id(id_)
        case [id_, "_history", version]:
            return is_resource_id(id_) and is_resource_id(version)
    return False
