"""Appending whole lines to a file descriptor."""

import os


class WholeLines:
    """Writes each line by one call, so that lines of several processes stay whole in a file that was opened
    to append. After a failure the next line begins on a line of its own.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._may_be_torn = False

    def write(self, line: bytes) -> None:
        """Appends the line; raises OSError where not all of it could be written."""
        rest = line if not self._may_be_torn else b"\n" + line
        self._may_be_torn = True
        while (written := os.write(self.descriptor, rest)) < len(rest):
            rest = rest[written:]
        self._may_be_torn = False
