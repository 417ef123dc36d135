"""What searches have in common that differ in their patient: worked out once for all of them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from resolvers.cache import Kept
from resolvers.shape import Shape
from resolvers.upstreams.fhir_capabilities import Capabilities
from resolvers.upstreams.fhir_entries import Asked
from resolvers.upstreams.fhir_query import query_rest
from resolvers.upstreams.fhir_server import FhirServer
from resolvers.upstreams.upstream import Call, Search


class Kind(NamedTuple):
    """Searches that differ in their patient only. `row`: the struct of the shape; `query`: what they ask
    besides the patient; `is_counted`: their totals are exact."""

    asked: Asked
    shape: Shape | None
    row: Any
    query: str
    is_counted: bool


class Kinds:
    """The kinds of searches of one server. Those without a filter tell nothing of anybody, and are kept."""

    def __init__(self, server: FhirServer) -> None:
        self._server = server
        self._kept: Kept[Kind] = Kept()

    def of(self, searches: Sequence[Search], capabilities: Capabilities, call: Call) -> list[Kind]:
        """The kind of each search."""
        kinds: list[Kind] = []
        last: Search | None = None
        for search in searches:
            if last is None or not _are_alike(search, last):
                kind = self._kind(search, capabilities, call)
                last = search
            kinds.append(kind)
        return kinds

    def _kind(self, search: Search, capabilities: Capabilities, call: Call) -> Kind:
        record = call.patient_record if search.type == "Patient" else dict
        is_counted = capabilities.abilities(search.type).counts
        if search.filters or search.page is not None:
            return self._made(search, record, is_counted)
        key = (search.type, search.location, search.sort, search.count, search.shape, record, is_counted)
        known = self._kept.get(key)
        return known or self._kept.keep(key, self._made(search, record, is_counted))

    def _made(self, search: Search, record: Any, is_counted: bool) -> Kind:
        server = self._server
        query = "" if search.page is not None else query_rest(search, server.settings.page_size_max)
        row = search.shape.row if search.shape is not None else None
        return Kind(asked_by(server, search, record), search.shape, row, query, is_counted)


def asked_by(server: FhirServer, search: Search, record: Any = dict) -> Asked:
    """What a page of a search is held against. A sort counts as sent too: a source that leaves it out gives
    no page of the newest."""
    codes = frozenset(one.code for one in search.filters) | ({"_sort"} if search.sort else frozenset())
    return Asked(
        server.source,
        search.type,
        search.location,
        server.is_only_place,
        codes if search.page is None else frozenset(),
        search.page,
        record,
    )


def _are_alike(one: Search, other: Search) -> bool:
    """Whether two searches were made for one list of different patients: they share what they hold."""
    return (
        one.filters is other.filters
        and one.sort is other.sort
        and one.location is other.location
        and one.shape is other.shape
        and one.count == other.count
        and one.type == other.type
        and one.page is other.page is None
    )
