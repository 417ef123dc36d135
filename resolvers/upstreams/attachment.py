"""Attachments that lie at their source: which addresses are asked for, and the Protocol of a source that has
such.

A source's word decides what is fetched with the source's own credential, so what it may name is narrow: a
`Binary`, or a file below the base address of the place that the naming resource is from. Never another
host, never another place with headers of its own, and never another FHIR interaction: `Patient/2` in an
attachment must not be a way around the doors that `Patient/2` has.
"""

import re
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Any, Final, Protocol, runtime_checkable

from clinical.references import is_resource_id
from resolvers.resource import Location
from resolvers.upstreams.addresses import resolved_link
from resolvers.upstreams.errors import UpstreamError
from resolvers.upstreams.stream import Stream
from resolvers.upstreams.upstream import Call

_BINARY: Final = "Binary"
_FHIR_WORD: Final = re.compile(r"[A-Z_$]|metadata$")
"""How the first step of a FHIR interaction begins: a type, `_history`, `$operation`, `metadata`."""
_HIDDEN: Final = re.compile(r"%(?:2e|2f|5c|25|00)", re.IGNORECASE)
"""Dots and slashes that only a server further on would see."""
_ADDRESS_MAX: Final = 2_000


class AttachmentTooLarge(UpstreamError):
    """There is more of an attachment than may be sent."""

    code = "ATTACHMENT_TOO_LARGE"


class AttachmentTypeRefused(UpstreamError):
    """An attachment is of a media type that is not sent."""

    code = "ATTACHMENT_TYPE_REFUSED"


class Download:
    """The data of an attachment as they come, for `async with`.

    `media_type`: as the source says it, None where it does not. `length` in bytes, where it is known.
    `binary`: what a FHIR Binary says beside its data. `security_context`: the reference by which the source
    says who may see the data. No more than `max_bytes` are given.
    """

    def __init__(
        self,
        stream: Stream,
        pieces: AsyncIterator[bytes],
        *,
        media_type: str | None,
        length: int | None,
        security_context: object = None,
        binary: Mapping[str, Any] | None = None,
    ) -> None:
        self.media_type = media_type
        self.length = length
        self.security_context = security_context
        self.binary = binary
        self.pieces = pieces
        """Pieces of the data in order, none of them empty. Raises UpstreamError."""
        self._stream = stream

    async def close(self) -> None:
        """Ends the call, however far it has come."""
        await self._stream.close()

    async def __aenter__(self) -> "Download":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


@runtime_checkable
class HoldsAttachments(Protocol):
    """A source whose resources name attachments by address."""

    async def open_attachment(
        self, address: str, location: Location, accept: str, max_bytes: int, call: Call
    ) -> Download | None:
        """What lies at an address that `attachment_address` gave; None where the source says that there is
        nothing. Raises UpstreamError."""


def too_large(source: str, max_bytes: int) -> AttachmentTooLarge:
    """The one sentence for it."""
    return AttachmentTooLarge(source, f"The attachment is longer than {max_bytes} bytes.")


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
