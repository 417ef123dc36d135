"""Load on a server: by `wrk` where it is installed, else by the bundled generator; a process of its own."""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
import psutil  # type: ignore[import-untyped,unused-ignore]

from bench import agreement
from bench.cases import Question
from bench.generator import Job, Load
from bench.processes import cpu_s

WRK: Final = shutil.which("wrk")
NAME: Final = "wrk" if WRK else "bundled"
ENOUGH: Final = 64
"""Requests that must fit into the seconds of a measurement, one after the other."""


@dataclass(frozen=True)
class Server:
    """A server under measurement."""

    name: str
    port: int
    process: psutil.Process


@dataclass(frozen=True)
class Measured:
    """Load, and what it cost the server: processor milliseconds for each request."""

    load: Load
    cpu_ms: float

    @property
    def rps(self) -> float:
        return self.load.requests / self.load.seconds


@dataclass(frozen=True)
class Driver:
    """Sends load from some cores, with a token."""

    token: str
    on: frozenset[int]
    _alone_s: dict[tuple[str, bytes], float] = field(default_factory=dict)

    def measure(self, server: Server, question: Question, seconds: float, connections: int = 16) -> Measured:
        """One question over and over; ends the measurement where an answer is no success."""
        alone_s = self._time_of_one(server, question)
        before = cpu_s(server.process)
        if alone_s * ENOUGH > seconds:
            load = self._few(server, question, seconds, min(connections, int(2 * seconds / alone_s) or 1))
        else:
            load = (self._wrk if WRK else self._bundled)(server, question, seconds, connections)
        return _measured(server, load, before)

    def measure_each(
        self, server: Server, questions: Sequence[Question], count: int, connections: int = 16
    ) -> Measured:
        """So many requests, of these questions in turn."""
        self.check(server, questions[0])
        before = cpu_s(server.process)
        requests = [self.request(server, one) for one in questions]
        load = self.drive(Job(server.port, requests, connections, seconds=600.0, count=count))
        return _measured(server, load, before)

    def drive(self, job: Job) -> Load:
        """A job of the bundled generator."""
        command = [sys.executable, "-m", "bench.generator"]
        done = self._run(command, msgspec.json.encode(job))
        return msgspec.json.decode(done, type=Load)

    @contextlib.contextmanager
    def beside(self, job: Job) -> Iterator[list[Load]]:
        """A job that runs while the block does; its result is in the list afterwards."""
        results: list[Load] = []
        thread = threading.Thread(target=lambda: results.append(self.drive(job)))
        thread.start()
        try:
            yield results
        finally:
            thread.join()

    def request(self, server: Server, question: Question) -> str:
        """The HTTP request of a question, for a job."""
        path = question.path if server.name == "floor" else "/graphql"
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {self.token}\r\nContent-Length: {len(question.body)}\r\n\r\n"
        )
        return base64.b64encode(head.encode() + question.body).decode()

    def _time_of_one(self, server: Server, question: Question) -> float:
        """Seconds for one request alone, once the server knows the question."""
        key = (server.name, question.body)
        if key not in self._alone_s:
            self.check(server, question)
            job = Job(server.port, [self.request(server, question)], 1, seconds=600.0, count=3)
            self._alone_s[key] = self.drive(job).p50_ms / 1000
        return self._alone_s[key]

    def check(self, server: Server, question: Question) -> None:
        """Ends the measurement where the answer tells of errors: GraphQL does so with status 200, too."""
        path = question.path if server.name == "floor" else agreement.GRAPHQL
        body = agreement.ask(server.port, path, question.body, self.token)
        if b'"errors":' in body:
            sys.exit(f"{server.name}: {question.body[:120]!r} is answered with errors: {body[:300]!r}")

    def _few(self, server: Server, question: Question, seconds: float, connections: int) -> Load:
        """For slow questions: a count of requests, as few would end within the seconds."""
        count = max(2 * connections, int(seconds / self._time_of_one(server, question)))
        request = self.request(server, question)
        return self.drive(Job(server.port, [request], connections, seconds=600.0, count=count))

    def _bundled(self, server: Server, question: Question, seconds: float, connections: int) -> Load:
        return self.drive(Job(server.port, [self.request(server, question)], connections, seconds))

    def _wrk(self, server: Server, question: Question, seconds: float, connections: int) -> Load:
        path = question.path if server.name == "floor" else "/graphql"
        url = f"http://127.0.0.1:{server.port}{path}"
        with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
            script.write(SCRIPT.format(body=_lua(question.body.decode()), token=_lua(f"Bearer {self.token}")))
            script.flush()
            command = [str(WRK), "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "--timeout", "60s"]
            told = self._run([*command, "-s", script.name, url], b"")
        return msgspec.json.decode(told[told.rindex(b"{") :], type=Load)

    def _run(self, command: Sequence[str], given: bytes) -> bytes:
        done = subprocess.run(
            command,
            input=given,
            stdout=subprocess.PIPE,
            check=True,
            preexec_fn=lambda: os.sched_setaffinity(0, self.on),
            cwd=Path.cwd(),
        )
        return done.stdout


SCRIPT: Final = """
wrk.method = "POST"
wrk.body = {body}
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = {token}
function done(summary, latency, requests)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  local shape = '{{"requests": %d, "seconds": %f, "p50_ms": %f, "p99_ms": %f, "max_ms": %f, "failed": %d}}'
  local p50, p99 = latency:percentile(50) / 1e3, latency:percentile(99) / 1e3
  local count, seconds = summary.requests, summary.duration / 1e6
  io.write(string.format(shape, count, seconds, p50, p99, latency.max / 1e3, failed))
end
"""


def _lua(text: str) -> str:
    return f"[==[{text}]==]"


def _measured(server: Server, load: Load, cpu_before_s: float) -> Measured:
    if load.failed or not load.requests:
        sys.exit(f"{server.name}: {load.failed} of {load.requests} requests failed")
    return Measured(load, 1000 * (cpu_s(server.process) - cpu_before_s) / load.requests)
