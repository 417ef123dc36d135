"""Where the lines of the disclosure record go. There is no kind that keeps none."""

import pkgutil
from pathlib import Path
from typing import Final, Literal, Protocol

from pydantic import BaseModel, ConfigDict


class AuditSettings(BaseModel):
    """The `[audit]` table. `path` is the file of the kind `file`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sink: Literal["stdout", "file"] = "stdout"
    path: Path | None = None


class SinkUnavailable(Exception):
    """Lines could not be written there. The message is a sentence for the operator."""


class Sink(Protocol):
    """Takes lines and gives none back."""

    def write(self, line: bytes) -> None:
        """Appends one line, which ends with a line feed. Raises OSError where that fails."""

    def close(self) -> None:
        """Lets go; what was written is on the disk then, where there is one."""


KINDS: Final = {
    "stdout": "gateway.audit.standard_output:open_standard_output",
    "file": "gateway.audit.json_lines_file:open_file",
}


def open_sink(settings: AuditSettings) -> Sink:
    """The configured sink; raises `SinkUnavailable`."""
    opened: Sink = pkgutil.resolve_name(KINDS[settings.sink])(settings.path)
    return opened
