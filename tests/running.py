"""Programs and servers that tests start: on loopback ports, ended with the block that started them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
import uvicorn
from starlette.types import ASGIApp

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
READY_WITHIN_S = 60.0
END_WITHIN_S = 10.0
BUDGET = 40_000_000
"""No test is throttled that is not about it."""

Json = dict[str, Any]
Found = TypeVar("Found")


@contextmanager
def running(
    command: Sequence[str], log: Path, packages: Sequence[Path] = ()
) -> Iterator[subprocess.Popen[bytes]]:
    """The program, its output in `log`, until the end of the block; `packages`: folders of more of them."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, *packages)))}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(END_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def until(is_so: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    """Waits; fails with the program's last words where it ends or takes too long."""
    deadline = time.monotonic() + READY_WITHIN_S
    while not is_so():
        is_alive = process.poll() is None
        assert is_alive, f"ended with {process.returncode}:\n{log.read_text()[-2000:]}"
        assert time.monotonic() < deadline, f"waited in vain:\n{log.read_text()[-2000:]}"
        time.sleep(0.05)


def eventually(look: Callable[[], Found | None]) -> Found:
    """What `look` finds as soon as it finds something; fails where it never does."""
    deadline = time.monotonic() + READY_WITHIN_S
    while (found := look()) is None:
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
    return found


def answers(url: str) -> bool:
    """Whether a GET is answered 200."""
    try:
        return httpx.get(url, timeout=5.0, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def served(app: ASGIApp, port: int = 0) -> Iterator[str]:
    """The origin of an ASGI application that a thread of this process serves over real HTTP."""
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOST, port))
        listening.listen(256)
        config = uvicorn.Config(app, log_level="critical", access_log=False, timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive(), "the application did not start"
                time.sleep(0.005)
            yield f"http://{HOST}:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(END_WITHIN_S)


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@contextmanager
def listening_port() -> Iterator[int]:
    """A port that is free; held, and deaf, until the end of the block."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((HOST, 0))
        yield int(taken.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A running sandbox: its folder, what sandbox.json says, and the hands on its sources."""

    state: Path
    summary: Json
    client: httpx.Client

    @property
    def url(self) -> str:
        return str(self.summary["graphql_url"])

    def token(self, who: str) -> str:
        """The token of `patient`, `clinician` or `partner`."""
        return str(self.summary["tokens"][who])

    def minted(self, **grant: Any) -> str:
        """Any other token of the sandbox's issuer."""
        answer = self.client.post(f"{self.summary['issuer']}/_sandbox/token", json=grant)
        return str(answer.raise_for_status().json()["access_token"])

    def origin(self, source: str) -> str:
        parts = urlsplit(self.summary["upstreams"][source])
        return f"{parts.scheme}://{parts.netloc}"

    def requests(self, source: str) -> list[Json]:
        """What a source was asked since the log was emptied, in order."""
        answer = self.client.get(f"{self.origin(source)}/_sandbox/requests").raise_for_status()
        return [json.loads(line) for line in answer.text.splitlines()]

    def forget_requests(self) -> None:
        """Empties every source's log."""
        for source in self.summary["upstreams"]:
            self.client.delete(f"{self.origin(source)}/_sandbox/requests").raise_for_status()

    @contextmanager
    def fault(self, source: str, **fault: Any) -> Iterator[None]:
        """The source has this fault until the end of the block."""
        address = f"{self.origin(source)}/_sandbox/faults"
        self.client.post(address, json=fault).raise_for_status()
        try:
            yield
        finally:
            self.client.post(address, json={}).raise_for_status()

    @contextmanager
    def stopped(self, source: str) -> Iterator[None]:
        """The source's process stands still, its port open, until the end of the block."""
        pid = int(self.summary["pids"][source])
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)


@contextmanager
def sandbox(folder: Path, patients: int, seed: int = 1, *more: str) -> Iterator[Sandbox]:
    """A whole sandbox from the command that a newcomer types, ready; its folder is made below `folder`."""
    state, log = folder / "state", folder / "sandbox.log"
    options = ["--port", "0", "--patients", str(patients), "--seed", str(seed), "--state", str(state)]
    options += ["--budget", str(BUDGET), *more]
    with running([sys.executable, "-m", "gateway.cli.main", "sandbox", *options], log) as process:
        until((state / "sandbox.json").exists, process, log)
        summary = json.loads((state / "sandbox.json").read_text("utf-8"))
        with httpx.Client(timeout=30.0, trust_env=False) as client:
            yield Sandbox(state, summary, client)
