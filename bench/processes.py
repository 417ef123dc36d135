"""The processes of a measurement: started on chosen cores, awaited, their processor time read, ended."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped,unused-ignore]

READY_WITHIN_S = 60.0
POLL_S = 0.02


@dataclass(frozen=True)
class Cores:
    """Where processes run: the measured server apart from what loads it and what it asks."""

    server: frozenset[int]
    others: frozenset[int]


def cores() -> Cores:
    """One core for the server, the rest for the others; all for all where there is but one."""
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        return Cores(frozenset(usable), frozenset(usable))
    return Cores(frozenset(usable[:1]), frozenset(usable[1:]))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(module: str, arguments: Sequence[str], port: int, on: frozenset[int]) -> Iterator[psutil.Process]:
    """`python -m module arguments`, listening at the port."""
    command = [sys.executable, "-m", module, *arguments]
    started = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, preexec_fn=lambda: os.sched_setaffinity(0, on)
    )
    try:
        _wait_until_listening(started, port)
        yield psutil.Process(started.pid)
    finally:
        started.terminate()
        try:
            started.wait(timeout=15)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


def _wait_until_listening(process: subprocess.Popen[bytes], port: int) -> None:
    end = time.monotonic() + READY_WITHIN_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > end:
                sys.exit(f"{' '.join(map(str, process.args))}: not ready")  # type: ignore[arg-type]
            time.sleep(POLL_S)


def cpu_s(process: psutil.Process) -> float:
    """Processor time, user and system, of a process and its children so far.

    The scheduler's own account (nanoseconds) where the system has it: the usual one counts in 10 ms.
    """
    return sum(_own_cpu_s(one) for one in (process, *process.children(recursive=True)))


def _own_cpu_s(process: psutil.Process) -> float:
    threads = list(Path(f"/proc/{process.pid}/task").glob("*/schedstat"))
    if threads:
        spent = sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9
        if spent > 0:
            return spent
    times = process.cpu_times()
    return float(times.user + times.system)


def memory_mb(process: psutil.Process) -> float:
    """Resident memory in MiB."""
    return float(round(process.memory_info().rss / 2**20, 1))
