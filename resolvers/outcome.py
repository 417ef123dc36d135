"""How each source answered: the words in which completeness is told."""

from collections.abc import Iterable
from datetime import datetime
from enum import Enum
from typing import Final

import msgspec

from resolvers.errors import AnswerIncomplete

STALE_ANSWER: Final = "answered from a cache, which could not ask the source anew"
"""What is told of a source with the status STALE."""


class SourceStatus(Enum):
    """A source's part in one answer (docs/schema.md)."""

    OK = "OK"
    PARTIAL = "PARTIAL"
    UNAVAILABLE = "UNAVAILABLE"
    TIMEOUT = "TIMEOUT"
    DENIED = "DENIED"
    NOT_SUPPORTED = "NOT_SUPPORTED"
    NOT_LINKED = "NOT_LINKED"
    STALE = "STALE"

    def __init__(self, word: str) -> None:
        self.word = word
        """The value, which Python takes two functions to look up."""


class Completeness(Enum):
    """Whether every source that can hold the type answered in full."""

    COMPLETE = "COMPLETE"
    PARTIAL = "PARTIAL"


OK: Final = SourceStatus.OK
"""What nearly every outcome is: looked up once, as Python takes long to find an enum's member."""
_COMPLETE: Final = Completeness.COMPLETE


class SourceOutcome(msgspec.Struct, frozen=True):
    """One source's part in one answer. `message` is safe to show; `code` is the error's code."""

    source: str
    status: SourceStatus
    message: str | None = None
    retrieved_at: datetime | None = None
    code: str | None = None

    @property
    def is_gap(self) -> bool:
        """Whether something may be missing: the source is neither OK nor NOT_LINKED after a lookup."""
        return self.status not in (SourceStatus.OK, SourceStatus.NOT_LINKED)

    @property
    def is_unanswered(self) -> bool:
        """Whether the source said nothing at all."""
        return self.is_gap and self.status is not SourceStatus.PARTIAL

    def told(self) -> dict[str, str]:
        """The outcome as an error's extensions say it."""
        told = {"source": self.source, "status": self.status.word}
        if self.message:
            told["message"] = self.message
        return told


class Answered:
    """The outcomes of sources that answered. Answers that came together are as old, and share one."""

    def __init__(self) -> None:
        self._last: dict[str, SourceOutcome] = {}

    def at(self, source: str, retrieved_at: datetime | None) -> SourceOutcome:
        """A source's OK; `retrieved_at` None: it had nothing to be asked."""
        last = self._last.get(source)
        if last is None or last.retrieved_at is not retrieved_at:
            last = self._last[source] = SourceOutcome(source, OK, None, retrieved_at)
        return last


def completeness(outcomes: Iterable[SourceOutcome]) -> Completeness:
    """COMPLETE: every source is OK, or NOT_LINKED after a lookup that answered."""
    for one in outcomes:
        if one.status is not OK and one.is_gap:
            return Completeness.PARTIAL
    return _COMPLETE


def require_complete(outcomes: Iterable[SourceOutcome]) -> None:
    """Raises AnswerIncomplete, with the sources that are missing, unless the answer is complete."""
    gaps = [one for one in outcomes if one.is_gap]
    if gaps:
        raise AnswerIncomplete([one.told() for one in gaps])
