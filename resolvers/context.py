"""All that a resolver may touch, and what a request notes on its way."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import field

from clinical.identifiers import parse_token
from permissions.decision import Permissions
from permissions.needs import type_needs
from permissions.principal import Principal
from resolvers.attachment_ids import Attachments
from resolvers.budget import Look
from resolvers.cache import Kept
from resolvers.cautions import Cautions
from resolvers.conflict import IdentityConflict
from resolvers.cursor import Cursors
from resolvers.disclosure import Disclosures
from resolvers.errors import AccessForbidden, FieldUnauthorized, OperationUnauthorized
from resolvers.identity import Identity
from resolvers.loaders import Loaders
from resolvers.outcome import SourceOutcome, SourceStatus
from resolvers.partial import patient_record
from resolvers.persons import Person
from resolvers.question import FIRST_MAX
from resolvers.refill import ElementSource
from resolvers.resource import Resource
from resolvers.shape import Shape
from resolvers.tally import Tally
from resolvers.turns import Turns
from resolvers.upstreams.upstream import Call, Upstream
from resolvers.warnings import IDENTITY_CONFLICT, ResponseWarning, Warnings

_WORST_LAST = (
    SourceStatus.OK,
    SourceStatus.NOT_LINKED,
    SourceStatus.NOT_SUPPORTED,
    SourceStatus.STALE,
    SourceStatus.PARTIAL,
    SourceStatus.DENIED,
    SourceStatus.TIMEOUT,
    SourceStatus.UNAVAILABLE,
)
_BEST = _WORST_LAST[0]

RECORDS_KEPT: Final = 16
"""As many as a document has plans: sets of elements that differ by what is selected."""


@dataclass(frozen=True, slots=True)
class LocatedError:
    """An error beside a value: the field at `path` has data, and this is what it lacks."""

    error: Exception
    path: tuple[str | int, ...]


class Standing(NamedTuple):
    """What every context of a caller has alike. Made once, and laid out as `RequestContext` begins."""

    principal: Principal
    permissions: Permissions
    upstreams: Mapping[str, Upstream]
    open_identity: Callable[[Loaders], Identity]
    compared: frozenset[str]
    cursors: Cursors
    served_types: frozenset[str]
    attachments: Attachments
    rejects: bool
    pages_max: int
    closed_to_restricted: frozenset[str]
    drafts: Kept[Any]
    levels: Kept[Any]
    records: dict[frozenset[str], Any]
    is_located: bool
    turns: Turns


class RequestContext(msgspec.Struct, eq=False):
    """One request's sources, loaders and persons. `errors` and outcomes are told in the response.

    It begins with the fields of `Standing`.
    """

    principal: Principal
    permissions: Permissions
    upstreams: Mapping[str, Upstream]
    open_identity: Callable[[Loaders], Identity]
    compared: frozenset[str]
    """The elements of Patient by which records are told to be one person's."""
    cursors: Cursors
    served_types: frozenset[str]
    attachments: Attachments
    rejects: bool
    """Whether an operation with a denied field is not answered at all."""
    pages_max: int
    closed_to_restricted: frozenset[str]
    """Sources that may not be asked about a person whom a record marks as restricted."""
    drafts: Kept[Any]
    """How sources are asked (`resolvers.plan`), kept from request to request."""
    levels: Kept[Any]
    """How lists that are asked for together are planned (`resolvers.level`), likewise."""
    records: dict[frozenset[str], Any]
    """The types that Patients are decoded to, by the elements that operations read of them."""
    is_located: bool
    """Whether a source has several places, so that it counts where a person is registered."""
    turns: Turns
    """What large work asks between two pieces, so that small requests need not wait for all of it."""
    call: Call
    loaders: Loaders
    denied: frozenset[str] = frozenset()
    """The coordinates of the operation that the caller's scopes do not permit."""
    errors: list[LocatedError] = []
    disclosures: Disclosures = field(default_factory=Disclosures)
    warnings: Warnings = field(default_factory=Warnings)
    element_sources: dict[Resource, tuple[ElementSource, ...]] = {}
    """Of Patients that were made of several records: from which each declared element is."""
    tally: Tally = field(default_factory=Tally)
    budget: Look | None = None
    """What is left to the caller; None where no budget is kept."""
    first_max: int = FIRST_MAX
    """How many rows a list may be asked for at once."""
    cautions: Cautions = field(default_factory=Cautions)
    shapes: Mapping[str, Shape] = {}
    """For each type whose lists need few elements: which. What is not here is read whole."""
    _identity: Identity | None = None
    _outcomes: dict[str, SourceOutcome] = {}
    _statuses: dict[str, str] | None = None
    """As they were told, where no source has done worse since."""
    _warned: set[tuple[str, str, str, str]] = set()
    _own: "asyncio.Future[Person | None] | None" = None
    _denials: set[tuple[tuple[str | int, ...], str]] = set()

    def narrow(self, shapes: Mapping[str, Shape], of_patient: frozenset[str] | None) -> None:
        """Has no more decoded than the operation reads: the shapes of lists, and the elements of Patient
        (None: perhaps all)."""
        self.shapes = shapes
        if of_patient is not None:
            record = self.records.get(of_patient) or self._record(of_patient)
            if record is not dict:
                self.loaders.narrow(record)

    def _record(self, of_patient: frozenset[str]) -> Any:
        """What Patients are decoded to: objects, whole where permissions may look at any element."""
        made: Any = dict
        if not self.permissions.looks_into("Patient"):
            made = patient_record(of_patient | self.compared, self.is_located)
        if len(self.records) >= RECORDS_KEPT:
            self.records.clear()
        self.records[of_patient] = made
        return made

    @property
    def identity(self) -> Identity:
        """Who is who in this request; made when it is first asked."""
        known = self._identity
        if known is None:
            known = self._identity = self.open_identity(self.loaders)
        return known

    def conflict_counts(self) -> dict[str, int]:
        """How many records of each source were found in this request and not linked."""
        return {} if self._identity is None else self._identity.known.conflict_counts()

    async def own_person(self) -> Person:
        """The person whose compartment the caller is limited to. Raises AccessForbidden, UpstreamError."""
        if self._own is None:
            self._own = asyncio.ensure_future(self._launch_person())
        person = await asyncio.shield(self._own)
        if person is None:
            raise AccessForbidden("the token's patient is not known here")
        return person

    async def own_if_known(self) -> Person | None:
        """The same, where the caller's other scopes may do without: None for a patient not known here."""
        try:
            return await self.own_person()
        except AccessForbidden:
            if self.permissions.is_own_only:
                raise
            return None

    def deny(self, path: tuple[str | int, ...], coordinate: str, action: str = "r") -> None:
        """Tells once for each selection that the scopes do not permit a field (`Type.field`), or a type: to
        read it by id (`r`) or to search it (`s`)."""
        at = tuple("@" if isinstance(step, int) else step for step in path)
        if (at, coordinate) not in self._denials:
            self._denials.add((at, coordinate))
            required = self._required(coordinate, action)
            self.errors.append(LocatedError(FieldUnauthorized(coordinate, required), at))

    def refuse(self, denied: Iterable[tuple[tuple[str, ...], str]]) -> None:
        """Tells each denied selection (path and coordinate).

        Raises OperationUnauthorized where the deployment does not answer such operations in part.
        """
        for path, coordinate in denied:
            self.deny(path, coordinate)
        if self.rejects:
            told = [(one.error, one.path) for one in self.errors if isinstance(one.error, FieldUnauthorized)]
            raise OperationUnauthorized(told, self.permissions.levels)

    def _required(self, coordinate: str, action: str) -> Iterable[Sequence[str]]:
        if "." not in coordinate:
            return [one.told() for one in type_needs(action, coordinate)]
        return self.permissions.required(coordinate)

    @property
    def own_found(self) -> Person | None:
        """The person whom the caller is limited to, where that has been found out."""
        own = self._own
        if own is None or not own.done() or own.cancelled() or own.exception() is not None:
            return None
        return own.result()

    @property
    def own_id(self) -> str | None:
        """The id of that person."""
        person = None if self._own is None else self.own_found
        return None if person is None else person.id

    def note(self, outcome: SourceOutcome) -> None:
        """Remembers the worst that each source did in this request."""
        known = self._outcomes.get(outcome.source)
        if known is None:
            self._outcomes[outcome.source], self._statuses = outcome, None
        elif known is outcome or outcome.status is _BEST:
            return
        elif _WORST_LAST.index(outcome.status) > _WORST_LAST.index(known.status):
            self._outcomes[outcome.source], self._statuses = outcome, None

    def warn_of_conflicts(self, conflicts: Iterable[IdentityConflict]) -> None:
        """Warns of records that state an identifier of somebody who is told of, and are not linked."""
        for one in conflicts:
            if one.record.key not in self._warned:
                self._warned.add(one.record.key)
                self.warnings.add(ResponseWarning(IDENTITY_CONFLICT, one.message, one.source))

    def statuses(self) -> dict[str, str]:
        """How each source that was asked fared, in order of precedence."""
        known, found = self._outcomes, {}
        if known:
            for name in self.upstreams:
                if name in known:
                    found[name] = known[name].status.word
        return found

    def recorded(self) -> tuple[Mapping[str, str], Mapping[str, int]]:
        """What the audit says of the sources: `statuses` and `conflict_counts`."""
        statuses, identity = self._statuses, self._identity
        if statuses is None:
            statuses = self.statuses() if self._outcomes else {}
        return statuses, {} if identity is None else identity.known.conflict_counts()

    def told(self) -> dict[str, Any]:
        """What `extensions` says: how each source that was asked fared, in order of precedence, and what the
        answer should be read with."""
        told: dict[str, Any] = {}
        known = self._outcomes
        if known:
            told["sources"] = sources = []
            self._statuses = statuses = {}
            for name in self.upstreams:
                if name in known:
                    one = known[name]
                    statuses[name] = word = one.status.word
                    sources.append({"source": name, "status": word} if not one.message else one.told())
        if self.warnings.known or self.cautions.counts:
            told["warnings"] = [*self.warnings.told(), *self.cautions.told()]
        return told

    def close(self) -> None:
        """Ends the work that nobody waits for any more."""
        self.loaders.close()
        if self._identity is not None:
            self._identity.close()
        if self._own is not None:
            self._own.cancel()

    async def _launch_person(self) -> Person | None:
        """The token's patient, by id, by identifier, or by both where the token names both."""
        principal, found = self.principal, None
        if principal.patient_identifier is not None:
            found = await self.identity.of_identifier(parse_token(principal.patient_identifier))
            if found is None or principal.patient is None:
                return found
        named = await self.identity.of_id(self._launch_id())
        return named if found is None or (named is not None and named.id == found.id) else None

    def _launch_id(self) -> str:
        patient = self.principal.patient or ""
        if "/" not in patient and self.principal.patient_source:
            return f"{self.principal.patient_source}/Patient/{patient}"
        if patient.startswith("Patient/") and self.principal.patient_source:
            return f"{self.principal.patient_source}/{patient}"
        return patient
