"""The bundled load generator: so many connections, each asking again as soon as it is answered.

`python -m bench.generator` reads a Job as JSON from standard input and writes a Load to standard output.
No pipelining. It is used where there is no `wrk`, and where a question must differ from the one before.
"""

from __future__ import annotations

import asyncio
import base64
import sys
import time
from typing import Final, cast

import msgspec
import uvloop

OK: Final = b"HTTP/1.1 200"


class Job(msgspec.Struct):
    """`requests` are whole HTTP requests (base64), sent in turn until `seconds` or `count` are over."""

    port: int
    requests: list[str]
    connections: int
    seconds: float
    count: int | None = None


class Load(msgspec.Struct):
    """What came of it. `seconds` is the time it took; `failed` counts answers other than 200."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    failed: int


class Run:
    """The state that the connections share."""

    def __init__(self, job: Job, requests: list[bytes]) -> None:
        self._requests = requests
        self._left = job.count if job.count is not None else sys.maxsize
        self._end = time.perf_counter() + job.seconds
        self._next = 0
        self._open = job.connections
        self.latencies: list[float] = []
        self.failed = 0
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def next(self) -> bytes | None:
        """The next request, or None when it is over."""
        if self._left <= 0 or time.perf_counter() >= self._end:
            return None
        self._left -= 1
        request = self._requests[self._next]
        self._next = (self._next + 1) % len(self._requests)
        return request

    def close_one(self) -> None:
        self._open -= 1
        if self._open == 0 and not self.finished.done():
            self.finished.set_result(None)


class Connection(asyncio.Protocol):
    """One kept connection: a request, its answer, the next request."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._parts: list[bytes] = []
        self._missing = -1
        self._is_over = False
        self._transport: asyncio.WriteTransport | None = None
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        if self._missing < 0:
            data = b"".join((*self._parts, data))
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._parts = [data]
                return
            self._parts = []
            self._run.failed += not data.startswith(OK)
            self._missing = _length(data[:end]) + end + 4
        self._missing -= len(data)
        if self._missing <= 0:
            self._run.latencies.append(time.perf_counter() - self._sent_at)
            self._missing = -1
            self._send()

    def connection_lost(self, problem: Exception | None) -> None:
        if not self._is_over:
            self._run.failed += 1
            self._run.close_one()

    def _send(self) -> None:
        assert self._transport is not None
        request = self._run.next()
        if request is None:
            self._is_over = True
            self._transport.close()
            self._run.close_one()
            return
        self._sent_at = time.perf_counter()
        self._transport.write(request)


def _length(head: bytes) -> int:
    lower = head.lower()
    return int(lower[lower.index(b"content-length:") + 15 :].split(b"\r\n", 1)[0])


async def drive(job: Job) -> Load:
    """Runs a job."""
    run = Run(job, [base64.b64decode(one) for one in job.requests])
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    for _ in range(job.connections):
        await loop.create_connection(lambda: Connection(run), "127.0.0.1", job.port)
    await run.finished
    seconds = time.perf_counter() - began
    times = sorted(run.latencies)
    p50, p99, most = _percentiles(times)
    return Load(len(times), seconds, 1000 * p50, 1000 * p99, 1000 * most, run.failed)


def _percentiles(times: list[float]) -> tuple[float, float, float]:
    if not times:
        return 0.0, 0.0, 0.0
    return times[len(times) // 2], times[min(len(times) - 1, int(len(times) * 0.99))], times[-1]


def main() -> None:
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(drive(job))))


if __name__ == "__main__":
    main()
