"""The seam to the network: one HTTP request, one answer, nothing of FHIR.

A transport follows no redirect, keeps no cookie, stops reading at the size limit and ends at the deadline.
It raises `UpstreamTimeout`, `UpstreamUnavailable` (`ConnectionLost` where the connection broke before the
answer began) and `UpstreamInvalidResponse`; an HTTP status is never an exception here. Cancelling the task
aborts the call.
"""

import time
from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import msgspec

from resolvers.upstreams.errors import (
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamTimeout,
    UpstreamUnavailable,
)


class Request(msgspec.Struct, frozen=True):
    """What is sent. `url` is absolute and already percent-encoded."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None = None


class Response(msgspec.Struct, frozen=True):
    """What came back, decompressed. `headers` is looked up without regard to case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport(Protocol):
    """One source's connections."""

    async def start(self) -> None:
        """Opens the pool."""

    async def close(self) -> None:
        """Ends every connection."""

    async def send(self, request: Request, deadline: float) -> Response:
        """One exchange; `deadline` in seconds of `time.monotonic()`."""


class Arriving(Protocol):
    """An answer whose body is still to come, as it was sent: a compressed one is not unpacked here. Whoever
    has one closes it. `headers` is looked up without regard to case."""

    status: int
    headers: Mapping[str, str]

    async def read(self, deadline: float) -> bytes:
        """The next piece, empty at the end; nothing is read ahead of it. Raises UpstreamError."""

    async def close(self) -> None:
        """Lets go of the connection; what has not been read is not wanted."""


@runtime_checkable
class StreamingTransport(Protocol):
    """A transport that need not take an answer whole."""

    async def open(self, request: Request, deadline: float) -> Arriving:
        """One exchange up to the headers of the answer; `deadline` is for these."""


class ConnectionLost(UpstreamUnavailable):
    """The connection broke before the answer began; whether the source acted on the request is unknown."""


def seconds_left(source: str, deadline: float) -> float:
    """Raises UpstreamTimeout where no time is left."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise timed_out(source)
    return left


def timed_out(source: str) -> UpstreamTimeout:
    """The one sentence for it."""
    return UpstreamTimeout(source, f"{source} did not answer in time.")


def unreachable(source: str, problem: BaseException) -> UpstreamError:
    """A connection that could not be made."""
    return UpstreamUnavailable(source, f"{source} could not be reached.", detail=repr(problem))


def lost(source: str, problem: BaseException) -> UpstreamError:
    """A connection that broke before the answer began."""
    return ConnectionLost(source, f"{source} closed the connection.", detail=repr(problem))


def cut_short(source: str, problem: BaseException) -> UpstreamError:
    """An answer that ended before its end."""
    return UpstreamInvalidResponse(source, f"{source} gave an incomplete answer.", detail=repr(problem))


def too_large(source: str, limit: int) -> UpstreamError:
    """An answer above the size limit; the rest of it was not read."""
    return UpstreamInvalidResponse(
        source, f"{source} gave an answer that is too large.", detail=f"over {limit} bytes"
    )
