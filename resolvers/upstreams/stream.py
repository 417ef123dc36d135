"""An answer of a source as it comes, piece by piece, for what is too large to hold."""

import time
from collections.abc import Callable, Mapping
from types import TracebackType

from resolvers.upstreams.transport import Arriving


class Stream:
    """One answer under way, for `async with`. The whole must be over at `deadline` (`time.monotonic()`), and
    no piece of it may take longer than `timeout_s`; the time that the reader takes between two does not
    count for the source. `release` is called once, when it is over."""

    def __init__(
        self, arriving: Arriving, deadline: float, timeout_s: float, release: Callable[[], None]
    ) -> None:
        self._arriving = arriving
        self._deadline = deadline
        self._timeout_s = timeout_s
        self._release = release
        self._is_closed = False

    @property
    def status(self) -> int:
        """HTTP's."""
        return self._arriving.status

    @property
    def headers(self) -> Mapping[str, str]:
        """Looked up without regard to case."""
        return self._arriving.headers

    async def read(self) -> bytes:
        """The next piece, empty at the end. Raises UpstreamError."""
        return await self._arriving.read(min(self._deadline, time.monotonic() + self._timeout_s))

    async def close(self) -> None:
        """Ends the call, however far it has come."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            await self._arriving.close()
        finally:
            self._release()

    async def __aenter__(self) -> "Stream":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
