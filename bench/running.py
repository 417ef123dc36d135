"""A sandbox of its own for a measurement, and the gateway process in it."""

from __future__ import annotations

import contextlib
import http.client
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

READY_WITHIN_S = 120.0
POLL_S = 0.05


def cpu_s(pid: int) -> float:
    """Processor time, user and system, of a process and its children so far."""
    process = psutil.Process(pid)
    times = [part.cpu_times() for part in (process, *process.children(recursive=True))]
    return sum(part.user + part.system for part in times)


@contextlib.contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=15)


@contextlib.contextmanager
def sandbox(state: Path, patients: int) -> Iterator[dict[str, Any]]:
    """A running sandbox: what its sandbox.json says."""
    command = [sys.executable, "-m", "gateway.cli.main", "sandbox", "--port", "0"]
    command += ["--patients", str(patients), "--state", str(state)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    with ended(process):
        wait_until((state / "sandbox.json").is_file, process)
        yield json.loads((state / "sandbox.json").read_text())


@contextlib.contextmanager
def gateway(config: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A gateway alone, ready, over the sources that run already."""
    command = [
        sys.executable,
        "-m",
        "gateway.cli.main",
        "serve",
        "--config",
        str(config),
        "--port",
        str(port),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with ended(process):
        wait_until(lambda: is_ready(port), process)
        yield process


def wait_until(condition: Any, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + READY_WITHIN_S
    while not condition():
        if process.poll() is not None or time.monotonic() > end:
            sys.exit(f"{' '.join(map(str, process.args))}: not ready")
        time.sleep(POLL_S)


def is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


class Client:
    """One kept connection to the GraphQL endpoint."""

    def __init__(self, url: str, token: str) -> None:
        self._parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(self._parts.netloc, timeout=30)
        self._headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "Accept": "application/graphql-response+json",
        }

    def ask(self, query: str, variables: dict[str, Any]) -> bytes:
        body = json.dumps({"query": query, "variables": variables})
        self._connection.request("POST", self._parts.path, body, self._headers)
        return self._connection.getresponse().read()
