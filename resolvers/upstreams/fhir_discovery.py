"""Reading a source's CapabilityStatement: once for many callers, kept, asked again when it was not there."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

from resolvers.resource import Location
from resolvers.upstreams.errors import UpstreamError, UpstreamInvalidResponse
from resolvers.upstreams.exchange import own_call
from resolvers.upstreams.fhir_answers import resource_of
from resolvers.upstreams.fhir_capabilities import Capabilities, capabilities
from resolvers.upstreams.fhir_server import Ask, FhirServer
from resolvers.upstreams.transport import seconds_left, timed_out
from resolvers.upstreams.upstream import Call

_KEPT_S: Final = 3600.0
_FAILURE_KEPT_S: Final = 1.0
_START_S: Final = 1.0


class Discovery:
    """What the source can do. Several places are taken to be of one make: the first that answers speaks.

    `on_known` is told whenever the source has spoken.
    """

    def __init__(
        self,
        server: FhirServer,
        locations: Sequence[Location],
        timeout_s: float,
        on_known: Callable[[Capabilities], None],
    ) -> None:
        self._server = server
        self._locations = locations
        self._timeout_s = timeout_s
        self._on_known = on_known
        self._known: Capabilities | None = None
        self._read_at = 0.0
        self._failure: UpstreamError | None = None
        self._failed_at = 0.0
        self._reading: asyncio.Task[Capabilities] | None = None
        if not server.settings.is_discovered:
            self._known = capabilities(server.settings, None)
            on_known(self._known)
            self._read_at = float("inf")

    async def begin(self) -> None:
        """Starts to read; waits a little, but not for a source that takes its time."""
        if self._known is None:
            await asyncio.wait((self._start_reading(),), timeout=_START_S)

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
            self._reading = None

    @property
    def known(self) -> Capabilities | None:
        """What the source can do, where it has said so lately."""
        return self._known if time.monotonic() - self._read_at <= _KEPT_S else None

    async def capabilities(self, call: Call) -> Capabilities:
        """What the source can do. Raises UpstreamError where it has not said so yet and does not now."""
        now = time.monotonic()
        if self._known is not None:
            if now - self._read_at > _KEPT_S and now - self._failed_at > _FAILURE_KEPT_S:
                self._start_reading()
            return self._known
        if self._failure is not None and now - self._failed_at < _FAILURE_KEPT_S:
            raise self._failure
        try:
            async with asyncio.timeout(seconds_left(self._server.source, call.deadline)):
                return await asyncio.shield(self._start_reading())
        except TimeoutError as problem:
            raise timed_out(self._server.source) from problem

    def forget(self, resource_type: str, codes: frozenset[str]) -> None:
        """Notes that the source ignores these search parameters, whatever it declares."""
        if self._known is not None:
            self._known = self._known.without(resource_type, codes)

    def _start_reading(self) -> "asyncio.Task[Capabilities]":
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())
            self._reading.add_done_callback(_retrieved)
        return self._reading

    async def _read(self) -> Capabilities:
        failure: UpstreamError | None = None
        for location in self._locations:
            try:
                self._known = await self._read_at_place(location)
                self._read_at, self._failure = time.monotonic(), None
                self._on_known(self._known)
                return self._known
            except UpstreamError as problem:
                failure = failure or problem
        assert failure is not None
        self._failure, self._failed_at = failure, time.monotonic()
        raise failure

    async def _read_at_place(self, location: Location) -> Capabilities:
        source = self._server.source
        answer = await self._server.ask(Ask("metadata", location, "metadata"), own_call(self._timeout_s))
        statement = resource_of(source, answer)
        if statement["resourceType"] != "CapabilityStatement":
            raise UpstreamInvalidResponse(source, f"{source} gave no CapabilityStatement.")
        return capabilities(self._server.settings, statement)


def _retrieved(task: "asyncio.Task[Capabilities]") -> None:
    """A reading that nobody waits for may fail; the next caller asks again."""
    if not task.cancelled():
        task.exception()
