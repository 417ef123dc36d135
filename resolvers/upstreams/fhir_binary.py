"""The data of attachments from a FHIR server: as they are, or in a Binary (R4 binary.html)."""

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from clinical.codec import JsonInvalid, decode_json
from resolvers.resource import Location
from resolvers.upstreams.attachment import Download, too_large
from resolvers.upstreams.errors import UpstreamError, UpstreamInvalidResponse
from resolvers.upstreams.exchange import Exchange, Question
from resolvers.upstreams.fhir_answers import NOT_JSON, Answer, refusal
from resolvers.upstreams.stream import Stream
from resolvers.upstreams.throttling import retry_after_s
from resolvers.upstreams.upstream import Call

FHIR_JSON: Final = frozenset({"application/fhir+json", "application/json+fhir", "application/json"})
_SAID_MAX_BYTES: Final = 65_536
"""Of an answer that refuses, or of a Binary beside its data."""
_PIECE_BYTES: Final = 65_536


class _Binary(msgspec.Struct, rename="camel"):
    resource_type: str | None = None
    content_type: str | None = None
    data: str = ""
    meta: Any = None
    security_context: Any = None


_binaries: Final = msgspec.json.Decoder(_Binary)


async def open_binary(
    exchange: Exchange, address: str, location: Location, accept: str, max_bytes: int, call: Call
) -> Download | None:
    """The data at an address, asked for as they are; None where the server says that there are none.

    Raises AttachmentTooLarge, and UpstreamError for any other answer: a redirect is not followed, and a
    compressed answer was not asked for.
    """
    headers = {"Accept": accept, "Accept-Encoding": "identity", **dict(location.headers)}
    stream = await exchange.open(Question("binary", address, headers), call)
    try:
        found = await _download(exchange.source, stream, max_bytes)
    except BaseException:
        await stream.close()
        raise
    if found is None:
        await stream.close()
    return found


async def _download(source: str, stream: Stream, max_bytes: int) -> Download | None:
    if stream.status != 200:
        answer = await _refusing(source, stream)
        if answer.is_absence:
            return None
        raise refusal(source, answer)
    headers = stream.headers
    if headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise UpstreamInvalidResponse(source, f"{source} gave an attachment that is compressed.")
    media_type, length = headers.get("Content-Type"), _length(headers)
    if (media_type or "").partition(";")[0].strip().lower() in FHIR_JSON:
        return await _unwrapped(source, stream, max_bytes)
    if length is not None and length > max_bytes:
        raise too_large(source, max_bytes)
    return Download(
        stream,
        _pieces(source, stream, max_bytes),
        media_type=media_type,
        length=length,
        security_context=headers.get("X-Security-Context"),
    )


async def _pieces(source: str, stream: Stream, max_bytes: int) -> AsyncIterator[bytes]:
    size = 0
    while piece := await stream.read():
        size += len(piece)
        if size > max_bytes:
            raise too_large(source, max_bytes)
        yield piece


async def _unwrapped(source: str, stream: Stream, max_bytes: int) -> Download:
    """The data in a Binary as JSON, which can only be taken as a whole."""
    whole_max = max_bytes * 4 // 3 + _SAID_MAX_BYTES
    body = b"".join([one async for one in _pieces(source, stream, whole_max)])
    # Megabytes of base64 take longer than others may wait.
    binary, data = await asyncio.to_thread(_decoded, source, body)
    if len(data) > max_bytes:
        raise too_large(source, max_bytes)
    return Download(
        stream,
        _cut(data),
        media_type=binary.content_type,
        length=len(data),
        security_context=_reference(binary.security_context),
        binary={"resourceType": "Binary", "meta": binary.meta},
    )


def _decoded(source: str, body: bytes) -> tuple[_Binary, bytes]:
    try:
        binary = _binaries.decode(body)
        data = base64.b64decode("".join(binary.data.split()), validate=True)
    except (msgspec.DecodeError, UnicodeError, RecursionError, binascii.Error, ValueError):
        raise UpstreamInvalidResponse(source, f"{source} gave an attachment that cannot be read.") from None
    if binary.resource_type != "Binary":
        # Some other resource, which the way to the attachment permits nobody to see.
        raise UpstreamInvalidResponse(source, f"{source} gave an answer that is no attachment.")
    return binary, data


async def _cut(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), _PIECE_BYTES):
        yield data[start : start + _PIECE_BYTES]


async def _refusing(source: str, stream: Stream) -> Answer:
    """What the server says instead of the data, as far as it is short."""
    said: Any = NOT_JSON
    try:
        body = b"".join([one async for one in _pieces(source, stream, _SAID_MAX_BYTES)])
        said = decode_json(body) if body else None
    except (UpstreamError, JsonInvalid):
        pass
    return Answer(stream.status, said, datetime.now(UTC), retry_after_s(stream.headers))


def _length(headers: Mapping[str, str]) -> int | None:
    stated = headers.get("Content-Length", "")
    return int(stated) if stated.isascii() and stated.isdigit() and len(stated) < 19 else None


def _reference(value: object) -> object:
    """A Reference's text; what is there and says none is no text, and permits nobody."""
    return value.get("reference", value) if isinstance(value, dict) else value
