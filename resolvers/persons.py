"""A person: the records that are one person's, and how each source's lookup of them ended."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from resolvers.conflict import ConflictReason, IdentityConflict
from resolvers.outcome import STALE_ANSWER, Answered, SourceOutcome, SourceStatus
from resolvers.person import PREFIX
from resolvers.resource import Resource
from resolvers.restriction import is_restricted, without_whereabouts
from resolvers.upstreams.errors import UpstreamError


class Person(msgspec.Struct, eq=False):
    """One person: `records` in order of precedence, and how each source's lookup ended."""

    id: str
    records: tuple[Resource, ...]
    outcomes: Mapping[str, SourceOutcome]
    is_withheld: bool = False
    """Whether where the person is, or can be reached, is not to be told from any record."""

    conflicts: tuple[IdentityConflict, ...] = ()
    """Records that state an identifier of the person and are not linked; of a person who is such a record
    alone, that record."""

    doubted: tuple[Resource, ...] = ()
    """Of a person whose record is not linked: the records that state the same. They may withhold."""

    former: tuple[Resource, ...] = ()
    """Records that were replaced by one of the person's: what their source holds may still be about them."""

    is_plain: bool = False
    """Whether the person is one record that was found when every source answered, and which says nothing
    odd: nothing is withheld or in doubt, and nothing was replaced."""

    is_unlabelled: bool = False
    """Of a plain person: whether the record was seen to bear no security label, so that none withholds it."""

    _bare: Resource | None = None

    @property
    def shown(self) -> Resource:
        """What a client sees: the record of the source that takes precedence, less what is withheld."""
        return self.shown_as(self.records[0]) if self.is_withheld else self.records[0]

    def shown_as(self, record: Resource) -> Resource:
        """One of the person's records as a client sees it."""
        if not self.is_withheld:
            return record
        bare = self._bare
        if bare is None or bare.key != record.key:
            bare = self._bare = without_whereabouts(record)
        return bare

    @property
    def is_linked(self) -> bool:
        """Whether an identifier names the person, whichever sources answer."""
        return self.id.startswith(PREFIX)

    @property
    def is_restricted(self) -> bool:
        """Whether a record marks the person as restricted, or nobody can tell who would know."""
        return self.is_withheld or any(map(is_restricted, self.records))

    def holds(self, record: Resource) -> bool:
        """Whether a record is one of the person's, perhaps fetched another time."""
        for one in self.records:  # noqa: SIM110  a generator costs more than all of the rest
            if one.is_same(record):
                return True
        return False

    @property
    def subjects(self) -> tuple[Resource, ...]:
        """The records that the person's resources may be about: in use, or replaced by those."""
        return (*self.records, *self.former) if self.former else self.records

    def add_former(self, record: Resource) -> "Person":
        """Takes note of a record that one of the person's has replaced: it may withhold as well."""
        if not any(one.is_same(record) for one in self.subjects):
            self.former = (*self.former, record)
            self.is_plain = False
            self.is_withheld = self.is_withheld or is_restricted(record)
        return self

    def add_doubts(self, other: "Person") -> None:
        """Takes over what an earlier lookup, by another identifier, found to be in doubt: it may withhold,
        and it is missing."""
        self.doubted = tuple(dict.fromkeys((*self.doubted, *other.doubted)))
        gaps = {name: one for name, one in other.outcomes.items() if one.is_gap}
        self.outcomes = {
            name: one if one.is_gap else gaps.get(name, one) for name, one in self.outcomes.items()
        }

    def note_unread(self, source: str) -> None:
        """Takes note that a record which was merged into one of the person's could not be read."""
        if self.outcomes[source].status is SourceStatus.OK:
            self.outcomes = {**self.outcomes, source: _unread_outcome(source)}

    def records_of(self, source: str) -> tuple[Resource, ...]:
        """The person's records in one source."""
        return tuple([record for record in self.records if record.source == source])


Answer = Sequence[Resource] | UpstreamError
"""What a source says to a lookup: the records that state the identifier, or why it cannot."""


class Outcomes:
    """How each source's lookup of some persons ended. Lookups that ended alike share what says so."""

    def __init__(self, sources: Iterable[str]) -> None:
        self._unlinked = unlinked(sources)
        self._answered = Answered()
        self._found_in: list[tuple[str, datetime]] = []
        self._last: Mapping[str, SourceOutcome] = self._unlinked

    def of_found(self, records: Sequence[Resource]) -> Mapping[str, SourceOutcome]:
        """How the lookup of a person ended whom every source answered, with these records or none."""
        if len(records) == 1:
            found_in = [(records[0].source, records[0].retrieved_at)]
        else:
            found_in = [(one.source, one.retrieved_at) for one in records]
        if found_in != self._found_in:
            self._found_in = found_in
            first = {source: self._answered.at(source, at) for source, at in reversed(found_in)}
            self._last = {**self._unlinked, **first}
        return self._last

    def of(
        self,
        answers: Iterable[Answer],
        records: Sequence[Resource],
        conflicts: Sequence[IdentityConflict] = (),
    ) -> dict[str, SourceOutcome]:
        """How the lookup of one person ended in each source, where these records turned out to be theirs, and
        these to speak against it."""
        return {
            name: self._outcome(name, answer, records, conflicts)
            for name, answer in zip(self._unlinked, answers, strict=True)
        }

    def _outcome(
        self,
        source: str,
        answer: Answer,
        records: Sequence[Resource],
        conflicts: Sequence[IdentityConflict],
    ) -> SourceOutcome:
        if isinstance(answer, UpstreamError):
            return SourceOutcome(source, answer.status, answer.message, code=answer.code)
        for one in conflicts:
            if one.source == source:
                # Not linked, and not nobody either: what this record holds is missing from the answer.
                return conflict_outcome(one)
        mine = next((record for record in records if record.source == source), None)
        if mine is None:
            return self._unlinked[source]
        return found_outcome(mine) if mine.cached else self._answered.at(source, mine.retrieved_at)


def alone(record: Resource, reason: ConflictReason | None, sources: Iterable[str]) -> Person:
    """The person of a record that links to nothing; `reason`: why it does not, where it states something."""
    record.person_id = f"{record.source}/Patient/{record.id}"
    ended = {**unlinked(sources), record.source: found_outcome(record)}
    conflicts = (IdentityConflict(record, reason),) if reason is not None else ()
    for one in conflicts:
        if one.reason is ConflictReason.REPLACED_RECORD_UNREADABLE:
            ended[record.source] = conflict_outcome(one)
    # Where it is not known what a record in doubt has to do with others, they may withhold.
    is_withheld = reason is not None or is_restricted(record)
    return Person(record.person_id, (record,), ended, is_withheld, conflicts=conflicts)


def unlinked(sources: Iterable[str]) -> dict[str, SourceOutcome]:
    """Sources that know nothing of somebody."""
    return {name: SourceOutcome(name, SourceStatus.NOT_LINKED) for name in sources}


def found_outcome(record: Resource) -> SourceOutcome:
    """The outcome of a source that has the record."""
    if record.cached:
        code = "UPSTREAM_UNAVAILABLE"
        return SourceOutcome(record.source, SourceStatus.STALE, STALE_ANSWER, record.retrieved_at, code)
    return SourceOutcome(record.source, SourceStatus.OK, None, record.retrieved_at)


def conflict_outcome(conflict: IdentityConflict) -> SourceOutcome:
    """The outcome of a source of which a record is left out."""
    message, code = conflict.message, "UPSTREAM_INVALID_RESPONSE"
    return SourceOutcome(conflict.source, SourceStatus.PARTIAL, message, code=code)


def _unread_outcome(source: str) -> SourceOutcome:
    message = "a record that was merged into this person's could not be read; what is about it may be missing"
    return SourceOutcome(source, SourceStatus.PARTIAL, message, code="UPSTREAM_INVALID_RESPONSE")


def first_error(answers: Iterable[Any]) -> UpstreamError | None:
    """Why it is not known whether there is such a person, where a source could not say."""
    return next((one for one in answers if isinstance(one, UpstreamError)), None)
