"""A source in memory: the same Protocol as the real kinds, with abilities and faults as a test wants them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from clinical.codec import encode_json
from clinical.compartment import patient_parameter
from clinical.identifiers import Token
from clinical.order import in_order
from clinical.parameters import parameters
from clinical.search import matches
from permissions.principal import Principal
from resolvers.resource import Location, Resource
from resolvers.shape import PlainPage
from resolvers.upstreams.errors import UpstreamError
from resolvers.upstreams.fhir_entries import Asked
from resolvers.upstreams.fhir_plain import kind_of, plain_page
from resolvers.upstreams.fhir_raw import RawAnswer
from resolvers.upstreams.upstream import Abilities, Call, Filter, Page, Partition, Read, Search

NOW = datetime(2026, 11, 1, tzinfo=UTC)


@dataclass
class MemoryUpstream:
    """`resources` by type. `faults` maps a number of a search call to the error it gives."""

    name: str
    resources: dict[str, list[dict[str, Any]]]
    sorts: frozenset[str] = frozenset()
    page_size_max: int = 100
    unsupported: frozenset[str] = frozenset()
    fan_out: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    down: UpstreamError | None = None
    faults: dict[int, UpstreamError] = field(default_factory=dict)
    lies_about_order: bool = False
    links_by_table: bool = False
    calls: list[tuple[str, Any]] = field(default_factory=list)
    needs_patient: bool = False

    def __post_init__(self) -> None:
        self.location = Location(f"https://{self.name}.example/fhir")
        self.types = frozenset(self.resources)

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def probe(self, call: Call) -> UpstreamError | None:
        return self.down

    async def abilities(self, resource_type: str, call: Call) -> Abilities | UpstreamError:
        if self.down:
            return self.down
        codes = frozenset(parameters(resource_type)) - self.unsupported
        return Abilities(
            codes,
            self.sorts,
            self.page_size_max,
            counts=True,
            batches=True,
            needs_patient=self.needs_patient,
        )

    def locations(self) -> tuple[Location, ...]:
        return (self.location,)

    def locate(self, patient: Resource | None, principal: Principal) -> tuple[Location, ...]:
        return (self.location,)

    def partition(self, resource_type: str, filters: Sequence[Filter]) -> Partition:
        if resource_type not in self.fan_out:
            return Partition()
        code, values = self.fan_out[resource_type]
        return Partition(tuple(Filter(code, (value,)) for value in values))

    async def read(self, reads: Sequence[Read], call: Call) -> Sequence[Resource | UpstreamError | None]:
        self.calls.append(("read", tuple(reads)))
        return [self.down or self._find(one) for one in reads]

    async def search(self, searches: Sequence[Search], call: Call) -> Sequence[Page | UpstreamError]:
        self.calls.append(("search", tuple(searches)))
        fault = self.faults.get(sum(kind == "search" for kind, _ in self.calls))
        return [self.down or fault or self._page(one) for one in searches]

    async def count(self, searches: Sequence[Search], call: Call) -> Sequence[int | UpstreamError | None]:
        self.calls.append(("count", tuple(searches)))
        return [self.down or len(self._matching(one)) for one in searches]

    async def identify(
        self, identifiers: Sequence[Token], locations: Sequence[Location], call: Call
    ) -> Sequence[tuple[Resource, ...] | UpstreamError]:
        self.calls.append(("identify", tuple(identifiers)))
        known = parameters("Patient")["identifier"]
        return [
            self.down
            or tuple(
                self._resource(one)
                for one in self.resources.get("Patient", ())
                if matches(one, known, [f"{token.system}|{token.code}"])
            )
            for token in identifiers
        ]

    def _find(self, read: Read) -> Resource | None:
        for one in self.resources.get(read.type, ()):
            if one["id"] == read.id:
                return self._resource(one)
        return None

    def _resource(self, json: dict[str, Any]) -> Resource:
        return Resource(self.name, self.location, json["resourceType"], json["id"], json, NOW)

    def _matching(self, search: Search) -> list[dict[str, Any]]:
        known = parameters(search.type)
        found = list(self.resources.get(search.type, ()))
        for one in search.filters:
            found = [r for r in found if matches(r, known[one.code], one.values, one.modifier)]
        if search.patient is not None:
            code = search.patient_parameter or patient_parameter(search.type) or ""
            found = [r for r in found if matches(r, known[code], [f"Patient/{search.patient}"])]
        return found

    def _page(self, search: Search) -> Page:
        found = self._matching(search)
        if search.sort and not self.lies_about_order:
            found = [dict(one) for one in in_order(found, search.type, ",".join(search.sort))]
        start = int(search.page or 0)
        size = min(search.count, self.page_size_max)
        end = start + size
        rows, following = found[start:end], str(end) if end < len(found) else None
        return Page(tuple(map(self._resource, rows)), following, plain=self._plain(search, rows, following))

    def _plain(self, search: Search, rows: list[dict[str, Any]], following: str | None) -> PlainPage | None:
        """The rows as a FHIR server's bytes would give them."""
        if search.shape is None:
            return None
        bundle = {"resourceType": "Bundle", "entry": [{"resource": one} for one in rows]}
        asked = Asked(self.name, search.type, search.location, is_only_place=True)
        found = plain_page(kind_of(asked, search.shape), RawAnswer(self.name, 200, encode_json(bundle), NOW))
        return None if found is None or found.plain is None else replace(found.plain, next=following)
