"""The sandbox's processes: started together, watched, and ended together whatever state they are in."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

GRACE_S = 2.5
"""How long a process may take to end by itself: well below the 5 s that the whole sandbox has."""

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True)
class Process:
    """A started process and the file that takes its output."""

    name: str
    popen: "subprocess.Popen[bytes]"
    log: Path

    @property
    def has_ended(self) -> bool:
        return self.popen.poll() is not None

    def last_words(self, lines: int = 12) -> str:
        """The end of its output."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


@dataclass(slots=True)
class Processes:
    """Processes that end with the block, at the latest `GRACE_S` after it, and when this process dies."""

    running: dict[str, Process] = field(default_factory=dict)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def start(self, name: str, module: str, arguments: Sequence[str], log: Path) -> Process:
        """Starts `python -m module arguments...` in a process group of its own, its output in `log`.

        It imports from where this process does, so that no folder called `schema` nearby gets in the way.
        """
        log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        parent = os.getpid()
        with log.open("wb") as output:
            popen = subprocess.Popen(  # noqa: S603 - our own modules, no text from outside
                [sys.executable, "-P", "-m", module, *arguments],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                process_group=0,
                preexec_fn=lambda: _die_with(parent),
            )
        self.running[name] = Process(name, popen, log)
        return self.running[name]

    def end(self) -> None:
        """Asks every process to end, then kills what is left, stopped or hung ones too."""
        for process in self.running.values():
            _signal(process, signal.SIGTERM)
        deadline = time.monotonic() + GRACE_S
        for process in self.running.values():
            try:
                process.popen.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                pass  # killed with the others below
        for process in self.running.values():
            _signal(process, signal.SIGKILL)
            process.popen.wait()


def _signal(process: Process, number: signal.Signals) -> None:
    """To the whole group, so that workers of a process end with it."""
    try:
        os.killpg(process.popen.pid, number)
    except ProcessLookupError:
        pass  # all of the group has ended


def _die_with(parent: int) -> None:
    """In the child, before its program: the kernel kills it when the launcher dies, however that dies."""
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
