"""The Protocol that every source speaks, whatever its API.

Every method takes many questions at once and gives as many answers, in order, so that an
adapter can batch as its API allows (a Bundle, an OR-ed search, parallel requests). An
answer is a value or an `UpstreamError`, never an exception: one failing question does not
cost the others theirs.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import msgspec

from clinical.identifiers import Token
from permissions.principal import Principal
from resolvers.resource import Location, Resource
from resolvers.shape import PlainPage, Shape
from resolvers.turns import Turns
from resolvers.upstreams.caller import CallerToken
from resolvers.upstreams.errors import UpstreamError


class Filter(msgspec.Struct, frozen=True):
    """One search parameter with its OR-ed values in FHIR search syntax (`ge2020`, `system|code`).

    `modifier` is the FHIR modifier without colon (`exact`, `contains`), or None.
    """

    code: str
    values: tuple[str, ...]
    modifier: str | None = None


class Search(msgspec.Struct, frozen=True, cache_hash=True):
    """One logical search at one place of a source; hashable, and holds all that affects its answer.

    `patient` is the source's own Patient id, `patient_parameter` the search parameter that
    names it. `sort` is FHIR `_sort` syntax (`-date`). `page` is the opaque mark that an
    earlier `Page.next` gave; a search with a page asks for what follows it. `shape`: the elements
    that are of interest, the same for every search of the type in one request.
    """

    type: str
    location: Location
    filters: tuple[Filter, ...] = ()
    patient: str | None = None
    patient_parameter: str | None = None
    sort: tuple[str, ...] = ()
    count: int = 20
    page: str | None = None
    shape: Shape | None = None


class Read(msgspec.Struct, frozen=True, cache_hash=True):
    """One resource by its id at one place of a source."""

    type: str
    id: str
    location: Location


class Page(msgspec.Struct, frozen=True):
    """One page of a search. `next` is None only where the source gave no next link.

    `problems`: what the source said, or the adapter saw, that makes the page less than whole
    (safe to show); the source is then PARTIAL. `plain`: the same page as structs of the search's
    shape, where there is nothing odd about it.
    """

    resources: Sequence[Resource]
    next: str | None = None
    total: int | None = None
    problems: tuple[str, ...] = ()
    plain: PlainPage | None = None


@dataclass(frozen=True, slots=True)
class Partition:
    """How a search must be asked: one search per entry of `filters`, each added to the search's own.

    `exhaustive` is False where the entries may not cover everything (the source is then PARTIAL).
    """

    filters: tuple[Filter | None, ...] = (None,)
    exhaustive: bool = True


class Abilities(msgspec.Struct, frozen=True, cache_hash=True):
    """What a source can do with one resource type, as declared or discovered.

    `parameters`: search parameter codes that the source applies. `sorts`: codes it sorts by; as in
    `_sort`, one with `-` in front only from the last to the first.
    `needs_patient`: it searches for one patient only. `pages_max` bounds one walk of it.
    """

    parameters: frozenset[str] = frozenset()
    sorts: frozenset[str] = frozenset()
    page_size_max: int = 100
    counts: bool = False
    batches: bool = False
    needs_patient: bool = False
    pages_max: int = 50

    def sorts_by(self, terms: Iterable[str]) -> bool:
        """Whether the source sorts by all of these terms of `_sort`, each in its direction."""
        return all(one in self.sorts or one.removeprefix("-") in self.sorts for one in terms)


class OneRequest:
    """What the calls of one request share and no others do; what is kept for it goes with it."""

    __slots__ = ("__weakref__",)


class Call(msgspec.Struct, frozen=True):
    """What a fetch inherits from its request: time left, correlation, and on whose behalf.

    `deadline` is in seconds of `time.monotonic()`. `patient_record`: the type of what is read of a Patient
    that is searched for (`resolvers.partial`); a source may always give more. `turns`: what comes before a
    long piece of work. `token`: the caller's own, for the credentials that are made of it and nothing else.
    `request`: the same for every call that was made from this one (`msgspec.structs.replace`).
    """

    deadline: float
    request_id: str
    principal: Principal
    headers: tuple[tuple[str, str], ...] = ()
    patient_record: Any = dict
    turns: Turns | None = None
    token: CallerToken | None = None
    request: OneRequest = msgspec.field(default_factory=OneRequest)


class Upstream(Protocol):
    """One configured source."""

    name: str
    types: frozenset[str]
    """Resource types that this source can hold."""
    links_by_table: bool
    """True where a reviewed link table, not the source, states whose a Patient record is."""

    async def start(self) -> None:
        """Opens the pool and reads what the source declares; a source that is down is asked again later."""

    async def close(self) -> None:
        """Ends what `start` opened."""

    async def probe(self, call: Call) -> UpstreamError | None:
        """Whether the source answers now: None, or what is wrong."""

    async def abilities(self, resource_type: str, call: Call) -> Abilities | UpstreamError:
        """What the source can do with a type; known after the first answer of the source."""

    def locations(self) -> tuple[Location, ...]:
        """Every place of the source, for questions that are about no single patient."""

    def locate(self, patient: Resource | None, principal: Principal) -> tuple[Location, ...]:
        """The places to ask about a patient, most likely first: the source's own record says
        where it came from; a record of another source says where the patient is registered."""

    def partition(self, resource_type: str, filters: Sequence[Filter]) -> Partition:
        """How a search with these filters must be asked of this source."""

    async def read(self, reads: Sequence[Read], call: Call) -> Sequence[Resource | UpstreamError | None]:
        """Resources by id; None where the source says that there is none."""

    async def search(self, searches: Sequence[Search], call: Call) -> Sequence[Page | UpstreamError]:
        """One page for each search."""

    async def count(self, searches: Sequence[Search], call: Call) -> Sequence[int | UpstreamError | None]:
        """How many resources each search has; None where the source cannot say exactly."""

    async def identify(
        self, identifiers: Sequence[Token], locations: Sequence[Location], call: Call
    ) -> Sequence[tuple[Resource, ...] | UpstreamError]:
        """For each business identifier, the Patient records that carry it at these places."""


class FirstPages(Protocol):
    """The first pages of lists that were asked for together. `types`: of what; `plain`: the rows of each
    list, None where its page is not plain, or there is none."""

    types: frozenset[str]
    plain: Sequence[PlainPage | None]

    def answers(self) -> Iterable[tuple[Search, Page | UpstreamError]]:
        """Each search with its page, or what went wrong."""

    async def let_go(self, turns: Turns) -> None:
        """Frees the rows bit by bit; nothing is asked of it after that."""


class PreparedSearches(Protocol):
    """Searches that are about a patient each, at one place of a source, before it is said about whom."""

    types: frozenset[str]
    location: Location

    async def fetch(self, patients: Sequence[str], call: Call) -> FirstPages | None:
        """The first page of each search about its patient, in order; or of the one search about each of many
        patients. None: the source cannot be asked for them together."""


@runtime_checkable
class Preparing(Protocol):
    """A source for which it may be worked out once how lists are asked for, whoever they are of."""

    def prepare(self, searches: Sequence[Search]) -> PreparedSearches | None:
        """How some searches, each without a patient, are asked about patients as long as the source can do
        what it can do now. None: not in one way."""


@runtime_checkable
class Declaring(Protocol):
    """A source that says at once what it is known to be able to do."""

    @property
    def declared(self) -> object | None:
        """What all `abilities` and `types` follow from, another object whenever they change; None: ask."""
