"""The disclosure record in a file of JSON lines that is only ever appended to."""

import logging
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from gateway.audit.sink import Sink, SinkUnavailable
from gateway.audit.whole_lines import WholeLines

log = logging.getLogger(__name__)

MODE: Final = 0o600
NOT_A_FILE: Final = "this is not a regular file"
_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
"""O_NONBLOCK: a named pipe that nobody reads must not hold up the start. It changes nothing for a file."""


class JsonLinesFile(WholeLines):
    """Appends to `path`, which others may append to and move away; then a new file is begun there."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(_open(path), clock)
        self._path = path

    def look(self) -> None:
        """Begins a new file where the old one was moved; where that fails, the old one still takes lines."""
        if self._is_in_place():
            return
        try:
            descriptor = _open(self._path)
        except OSError as problem:
            log.error("the disclosure record was moved and cannot be begun anew: %s", problem.strerror)
            return
        moved, self.descriptor = self.descriptor, descriptor
        self._may_be_torn = False
        os.close(moved)

    def close(self) -> None:
        """Brings what was written to the disk."""
        descriptor, self.descriptor = self.descriptor, -1
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _is_in_place(self) -> bool:
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self.descriptor))
        except OSError:
            return False


def open_file(path: Path | None) -> Sink:
    """The sink, its file made with mode 0600 where there is none; raises `SinkUnavailable`."""
    if path is None:
        raise SinkUnavailable("The disclosure record needs a file: `audit.path` is missing.")
    try:
        return JsonLinesFile(path)
    except OSError as problem:
        raise SinkUnavailable(_sentence(path, problem.strerror or type(problem).__name__)) from None


def check_file(path: Path) -> None:
    """Whether `open_file` would work, without making the file; raises `SinkUnavailable`."""
    try:
        why = _hindrance(path)
    except OSError as problem:
        why = problem.strerror
    if why is not None:
        raise SinkUnavailable(_sentence(path, why))


def _hindrance(path: Path) -> str | None:
    if not path.parent.is_dir():
        return f"there is no directory {path.parent}"
    if path.exists() and not path.is_file():
        return NOT_A_FILE
    may_write = os.access(path if path.exists() else path.parent, os.W_OK)
    return None if may_write else "the gateway may not write there"


def _open(path: Path) -> int:
    descriptor = os.open(path, _FLAGS, MODE)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(0, NOT_A_FILE)


def _sentence(path: Path, why: str) -> str:
    return f"The disclosure record cannot be written to {path}: {why}."
