"""Opens an entry for each request and closes it with a line, whatever became of the request."""

import logging
from datetime import UTC, datetime
from time import monotonic

from gateway.audit.entry import Entry
from gateway.audit.kept import KeptParts
from gateway.audit.sink import Sink

log = logging.getLogger(__name__)


class Trail:
    """Writes to one sink. A line that the sink does not take goes to the log, and the answer goes out:
    a full disk must not keep an allergy from the person who treats the patient (docs/audit.md).

    `lost` counts such lines.
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._kept = KeptParts()
        self.lost = 0

    def open(self, request_id: str) -> Entry:
        """The entry of a request that came in now."""
        return Entry(request_id, datetime.now(UTC), monotonic())

    def close(self, entry: Entry) -> None:
        """Writes the entry's line. Never raises."""
        line = b""
        try:
            line = entry.line(self._kept)
            self._sink.write(line)
        except Exception as problem:  # noqa: BLE001  whatever it is, the answer goes out
            self._tell(entry, problem, line)

    def end(self) -> None:
        """Closes the sink."""
        self._sink.close()

    def _tell(self, entry: Entry, problem: Exception, line: bytes) -> None:
        self.lost += 1
        why = problem.strerror if isinstance(problem, OSError) else type(problem).__name__
        told = line.decode("utf-8", "replace").rstrip() or f"request {entry.request_id}"
        log.critical("disclosure record not written (%s), %d so far: %s", why, self.lost, told)
