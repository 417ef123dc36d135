"""Appending whole lines to a file descriptor."""

import os
import time
from collections.abc import Callable
from typing import Final

LOOK_AGAIN_S: Final = 1.0


class WholeLines:
    """Writes each line by one call, so that lines of several processes stay whole in a file that was opened
    to append. After a failure the next line begins on a line of its own.
    """

    def __init__(self, descriptor: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.descriptor = descriptor
        self._clock = clock
        self._look_at_s = clock() + LOOK_AGAIN_S
        self._may_be_torn = False

    def write(self, line: bytes) -> None:
        """Appends the line; raises OSError where not all of it could be written."""
        now_s = self._clock()
        if now_s >= self._look_at_s:
            self._look_at_s = now_s + LOOK_AGAIN_S
            self.look()
        rest = b"\n" + line if self._may_be_torn else line
        try:
            while (written := os.write(self.descriptor, rest)) < len(rest):
                rest = rest[written:]
        except BaseException:
            self._may_be_torn = True
            raise
        self._may_be_torn = False

    def look(self) -> None:
        """Whether lines still go where they should; asked before a line, at most once a second."""
