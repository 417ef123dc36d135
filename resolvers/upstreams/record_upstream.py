"""A source of whole records as an upstream: each part fetched once in a request, the rest done here."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from msgspec.structs import replace

from clinical.identifiers import Token
from permissions.principal import Principal
from resolvers.resource import Json, Location, Resource
from resolvers.upstreams.errors import SearchNotSupported, UpstreamError
from resolvers.upstreams.evaluation import exact_parameters, patients_asked
from resolvers.upstreams.once import OncePerRequest
from resolvers.upstreams.one_by_one import answers, counts, pages
from resolvers.upstreams.record import Record, RecordSource
from resolvers.upstreams.record_search import Answer, answer_of, is_asked_for, sorts
from resolvers.upstreams.upstream import Abilities, Call, Filter, Page, Partition, Read, Search

_WHOLE: Final = Partition()


class RecordUpstream:
    """`resolvers.upstreams.upstream.Upstream` over a `RecordSource`."""

    def __init__(self, source: RecordSource) -> None:
        self.name = source.name
        self.types = source.types
        self.links_by_table = source.links_by_table
        self._source = source
        self._fetched: OncePerRequest[tuple[Record, datetime]] = OncePerRequest()
        self._answers: OncePerRequest[Answer] = OncePerRequest()

    async def start(self) -> None:
        await self._source.start()

    async def close(self) -> None:
        await self._source.close()

    async def probe(self, call: Call) -> UpstreamError | None:
        return await self._source.probe(call)

    async def abilities(self, resource_type: str, call: Call) -> Abilities | UpstreamError:
        if resource_type not in self.types:
            return Abilities()
        is_listed = resource_type == "Patient" and self._source.patients() is not None
        return Abilities(
            exact_parameters(resource_type), sorts(resource_type), counts=True, needs_patient=not is_listed
        )

    def locations(self) -> tuple[Location, ...]:
        return (self._source.location,)

    def locate(self, patient: Resource | None, principal: Principal) -> tuple[Location, ...]:
        return (self._source.location,)

    def partition(self, resource_type: str, filters: Sequence[Filter]) -> Partition:
        return _WHOLE

    async def read(self, reads: Sequence[Read], call: Call) -> Sequence[Resource | UpstreamError | None]:
        return await answers(self._read(one, call) for one in reads)

    async def search(self, searches: Sequence[Search], call: Call) -> Sequence[Page | UpstreamError]:
        return await pages(searches, lambda one: self._search(one, call))

    async def count(self, searches: Sequence[Search], call: Call) -> Sequence[int | UpstreamError | None]:
        return await counts(searches, lambda one: self._search(one, call))

    async def identify(
        self, identifiers: Sequence[Token], locations: Sequence[Location], call: Call
    ) -> Sequence[tuple[Resource, ...] | UpstreamError]:
        return await answers(self._identified(one, call) for one in identifiers)

    async def _identified(self, identifier: Token, call: Call) -> tuple[Resource, ...]:
        patients = await self._source.patients_of(identifier, call)
        found = [await self._row("Patient", one, one, call) for one in patients]
        return tuple(one for one in found if one is not None)

    async def _read(self, read: Read, call: Call) -> Resource | None:
        if read.type not in self.types or read.location != self._source.location:
            return None
        owner = await self._source.owner(read.type, read.id)
        return None if owner is None else await self._row(read.type, read.id, owner, call)

    async def _row(self, resource_type: str, own_id: str, patient: str, call: Call) -> Resource | None:
        record, now = await self._record(patient, resource_type, call)
        row = record.rows.get((resource_type, own_id))
        if row is None:
            return None
        return Resource(self.name, self._source.location, resource_type, own_id, row, now)

    async def _search(self, search: Search, call: Call) -> Page:
        if search.type not in self.types:
            raise SearchNotSupported(self.name, f"{self.name} holds nothing of this type.")
        whole = replace(search, page=None, count=0)
        answer = await self._answers.get(call, whole, lambda: self._answer(whole, call))
        return answer.page(self.name, self._source.location, search)

    async def _answer(self, search: Search, call: Call) -> Answer:
        """Filtered and sorted once in a request, however many pages of it are asked for."""
        patients = await self._asked(search)
        passes = is_asked_for(self.name, search, self._source.location.base_url)
        records = await asyncio.gather(*(self._record(one, search.type, call) for one in patients))
        found: dict[str, Json] = {}
        for record, _ in records:
            await _turn(call)
            mine = (row for (kind, _), row in record.rows.items() if kind == search.type)
            found |= {row["id"]: row for row in mine if passes(row)}
        now = min((moment for _, moment in records), default=datetime.now(UTC))
        await _turn(call)
        problems = [text for record, _ in records for text in record.problems]
        return answer_of(self.name, search, found.values(), problems, now)

    async def _asked(self, search: Search) -> list[str]:
        """The patients whose records can answer. Raises SearchNotSupported where nobody is named."""
        named = patients_asked(search)
        if named is None and search.type == "Patient":
            named = self._source.patients()
        if named is None:
            raise SearchNotSupported(self.name, f"{self.name} can be searched for one patient only.")
        return [one for one in sorted(named) if await self._source.owner("Patient", one) == one]

    async def _record(self, patient: str, resource_type: str, call: Call) -> tuple[Record, datetime]:
        part = self._source.part(resource_type)
        return await self._fetched.get(call, (patient, part), lambda: self._fetch(patient, part, call))

    async def _fetch(self, patient: str, part: str, call: Call) -> tuple[Record, datetime]:
        record = await self._source.fetch(patient, part, call)
        return record, datetime.now(UTC)


async def _turn(call: Call) -> None:
    """Gives way before a piece of work that grows with a record."""
    if call.turns is not None and call.turns.is_over:
        await call.turns.take()
