"""A FHIR R4 server as a source: the kind `fhir`.

Each question has its own file (fhir_read, fhir_search, fhir_identify); this one holds what belongs to the
source as a whole: its places, what it can do, and how its searches must be asked.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Final

from msgspec import structs

from clinical.identifiers import Token
from clinical.references import is_resource_id
from permissions.principal import Principal
from resolvers.resource import Location, Resource
from resolvers.upstreams.attachment import Download
from resolvers.upstreams.errors import (
    SearchNotSupported,
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamRejected,
)
from resolvers.upstreams.exchange import Exchange
from resolvers.upstreams.fhir_answers import resource_of
from resolvers.upstreams.fhir_binary import open_binary
from resolvers.upstreams.fhir_capabilities import Capabilities, known_types
from resolvers.upstreams.fhir_discovery import Discovery
from resolvers.upstreams.fhir_identify import LoneLookup, identify_all, lone_lookup
from resolvers.upstreams.fhir_kinds import Kinds
from resolvers.upstreams.fhir_prepared import FhirPrepared, prepared
from resolvers.upstreams.fhir_read import read_all
from resolvers.upstreams.fhir_search import count_all, search_all
from resolvers.upstreams.fhir_server import Ask, FhirServer
from resolvers.upstreams.patients import organization_codes
from resolvers.upstreams.settings import UpstreamSettings
from resolvers.upstreams.upstream import Abilities, Call, Filter, Page, Partition, Read, Search
from resolvers.upstreams.wiring import Wiring

_PLACES_TRIED_MAX: Final = 8
_WHOLE: Final = Partition()


class FhirUpstream:
    """One FHIR source (`resolvers.upstreams.upstream.Upstream`)."""

    def __init__(
        self, settings: UpstreamSettings, exchange: Exchange, locations: tuple[Location, ...]
    ) -> None:
        self.name = settings.name
        self.types = known_types(settings.capabilities)
        self.links_by_table = False
        self._settings = settings
        self._exchange = exchange
        self._locations = locations
        self._lone: dict[Location, LoneLookup] = {}
        self._abilities: dict[str, tuple[Capabilities, Abilities]] = {}
        self._server = FhirServer(exchange, settings.capabilities, locations)
        self._kinds = Kinds(self._server)
        self._discovery = Discovery(self._server, locations, settings.timeout_s, self._learn)

    async def start(self) -> None:
        """Does not wait long for the source: one that is down must not hold up the start."""
        await self._exchange.start()
        await self._discovery.begin()

    async def close(self) -> None:
        await self._discovery.close()
        await self._exchange.close()

    async def probe(self, call: Call) -> UpstreamError | None:
        found = await asyncio.gather(*(self._probe(place, call) for place in self._locations))
        return next((problem for problem in found if problem is not None), None)

    async def abilities(self, resource_type: str, call: Call) -> Abilities | UpstreamError:
        found = self._discovery.known or await self._capabilities(call)
        if isinstance(found, UpstreamError):
            return found
        known = self._abilities.get(resource_type)
        if known is None or known[0] is not found:
            declared = found.abilities(resource_type)
            known = (found, structs.replace(declared, pages_max=self._settings.max_pages))
            self._abilities[resource_type] = known
        return known[1]

    @property
    def declared(self) -> Capabilities | None:
        """What the source can do with every type, where it has said so lately."""
        return self._discovery.known

    def locations(self) -> tuple[Location, ...]:
        return self._locations

    def locate(self, patient: Resource | None, principal: Principal) -> tuple[Location, ...]:
        if patient is None or len(self._locations) == 1:
            return self._locations
        if patient.source == self.name:
            return (patient.location,)
        codes = frozenset(organization_codes(patient.json))
        registered = tuple(place for place in self._locations if place.organization in codes)
        others = tuple(place for place in self._locations if place not in registered)
        if len(self._locations) > _PLACES_TRIED_MAX:
            others = tuple(place for place in others if place.organization is None)
        return registered + others

    def partition(self, resource_type: str, filters: Sequence[Filter]) -> Partition:
        codes = {one.code for one in filters}
        for fan in self._settings.fan_out:
            if fan.type == resource_type and codes.isdisjoint(fan.unless):
                groups = (fan.values,) if fan.is_joined else tuple((value,) for value in fan.values)
                return Partition(tuple(Filter(fan.parameter, group) for group in groups), fan.exhaustive)
        return _WHOLE

    async def read(self, reads: Sequence[Read], call: Call) -> Sequence[Resource | UpstreamError | None]:
        known = self._discovery.known or await self._capabilities(call)
        if isinstance(known, UpstreamError):
            return [known] * len(reads)
        possible = [one for one in reads if is_resource_id(one.id)]
        found = await read_all(self._server, known, possible, call, self._settings.max_pages)
        return [found.get(one) for one in reads]

    def search(
        self, searches: Sequence[Search], call: Call
    ) -> Coroutine[Any, Any, Sequence[Page | UpstreamError]]:
        known = self._discovery.known
        if known is None:
            return self._search_unknown(searches, call)
        return search_all(self._server, self._kinds, self._discovery, known, searches, call)

    def prepare(self, searches: Sequence[Search]) -> FhirPrepared | None:
        known = self._discovery.known
        if known is None:
            return None
        return prepared(self._server, self._discovery, self._kinds, known, searches)

    async def count(self, searches: Sequence[Search], call: Call) -> Sequence[int | UpstreamError | None]:
        known = self._discovery.known or await self._capabilities(call)
        if isinstance(known, UpstreamError):
            return [known] * len(searches)
        found = await count_all(self._server, known, searches, call)
        return [found.get(one) for one in searches]

    def identify(
        self, identifiers: Sequence[Token], locations: Sequence[Location], call: Call
    ) -> Coroutine[Any, Any, Sequence[tuple[Resource, ...] | UpstreamError]]:
        known = self._discovery.known
        is_lone = len(identifiers) == len(locations) == 1
        lone = self._lone.get(locations[0]) if is_lone else None
        if lone is not None and lone.capabilities is known:
            return lone.find(identifiers[0], call)
        if known is None or "identifier" not in known.abilities("Patient").parameters:
            return self._identify_unknown(identifiers, locations, call)
        settings = self._settings
        pages, is_once = settings.max_pages, settings.is_registered_once
        if is_lone and locations[0] in self._locations:
            lone = lone_lookup(self._server, known, locations[0], pages, is_once)
            self._lone[locations[0]] = lone
            return lone.find(identifiers[0], call)
        return identify_all(self._server, known, identifiers, locations, call, pages, is_once)

    async def open_attachment(
        self, address: str, location: Location, accept: str, max_bytes: int, call: Call
    ) -> Download | None:
        return await open_binary(self._exchange, address, location, accept, max_bytes, call)

    async def _search_unknown(self, searches: Sequence[Search], call: Call) -> Sequence[Page | UpstreamError]:
        """Searches a source that has not said lately what it can do."""
        known = await self._capabilities(call)
        if isinstance(known, UpstreamError):
            return [known] * len(searches)
        return await search_all(self._server, self._kinds, self._discovery, known, searches, call)

    async def _identify_unknown(
        self, identifiers: Sequence[Token], locations: Sequence[Location], call: Call
    ) -> Sequence[tuple[Resource, ...] | UpstreamError]:
        """Asks a source that has not said lately, or denies, that it finds patients by identifier."""
        known = await self._capabilities(call)
        if not isinstance(known, UpstreamError) and "identifier" not in known.abilities("Patient").parameters:
            known = SearchNotSupported(self.name, f"{self.name} cannot find patients by identifier.")
        if isinstance(known, UpstreamError):
            return [known] * len(identifiers)
        settings = self._settings
        pages, is_once = settings.max_pages, settings.is_registered_once
        return await identify_all(self._server, known, identifiers, locations, call, pages, is_once)

    async def _capabilities(self, call: Call) -> Capabilities | UpstreamError:
        try:
            return await self._discovery.capabilities(call)
        except UpstreamError as problem:
            return problem

    def _learn(self, found: Capabilities) -> None:
        self.types = found.types

    async def _probe(self, place: Location, call: Call) -> UpstreamError | None:
        is_discovered = self._settings.capabilities.is_discovered
        try:
            found = resource_of(self.name, await self._server.ask(Ask("probe", place, "metadata"), call))
        except (UpstreamRejected, UpstreamInvalidResponse) as problem:
            # A server whose statement nobody wants may answer without one, and is up.
            return problem if is_discovered else None
        except UpstreamError as problem:
            return problem
        if is_discovered and found["resourceType"] != "CapabilityStatement":
            return UpstreamInvalidResponse(self.name, f"{self.name} gave no CapabilityStatement.")
        return None


def open_fhir(settings: UpstreamSettings, wiring: Wiring) -> FhirUpstream:
    """A FHIR source from its settings. Raises SecretMissing, SecretInvalid."""
    return FhirUpstream(settings, wiring.exchange(settings), wiring.locations(settings))
