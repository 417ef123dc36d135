"""Functions that are written when they are first called.

Code in pieces is mostly found written, for documents that are built alike, and a document that is asked once
needs no other. One that is asked again and again has code of its own, which takes fewer calls.
"""

from collections.abc import Callable
from typing import Any, Final

from gateway.execution.run import Complete

PIECES_SERVE: Final = 3
"""Calls that are answered by code in pieces."""


class Late:
    """The function that `write` gives, told whether in pieces."""

    def __init__(self, write: Callable[[bool], Complete]) -> None:
        self._write = write
        self._calls = 0
        self._made: Complete | None = None

    def complete(self, value: Any, run: Any, path: Any) -> Any:
        """Calls it. Code of its own stands here itself, once it is written."""
        if self._calls in (0, PIECES_SERVE):
            self._made = self._write(self._calls < PIECES_SERVE)
            if self._calls == PIECES_SERVE:
                vars(self)["complete"] = self._made
        self._calls += 1
        assert self._made is not None
        return self._made(value, run, path)
