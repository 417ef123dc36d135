"""The disclosure record on standard output, for whatever collects a container's output.

The gateway's own log goes to standard error, so that nothing else stands between the lines.
"""

import os
from pathlib import Path
from typing import Final

from gateway.audit.sink import Sink, SinkUnavailable
from gateway.audit.whole_lines import WholeLines

STDOUT: Final = 1


class StandardOutput(WholeLines):
    """Lines to the descriptor itself, past the buffer of `sys.stdout`."""

    def __init__(self) -> None:
        super().__init__(STDOUT)

    def close(self) -> None:
        """The process keeps its standard output."""


def open_standard_output(_: Path | None) -> Sink:
    """The sink; raises `SinkUnavailable` in a process that was started without a standard output."""
    try:
        os.fstat(STDOUT)
    except OSError as problem:
        raise SinkUnavailable(
            f"The disclosure record cannot be written to standard output: {problem.strerror}."
        ) from None
    return StandardOutput()
