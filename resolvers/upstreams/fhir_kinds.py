"""What searches have in common that differ in their patient: worked out once for all of them."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any, Final

from resolvers.cache import Kept
from resolvers.upstreams.fhir_capabilities import Capabilities
from resolvers.upstreams.fhir_entries import Asked
from resolvers.upstreams.fhir_plain import Kind, kind_of
from resolvers.upstreams.fhir_query import about_text, id_text, query_rest
from resolvers.upstreams.fhir_server import Ask, FhirServer
from resolvers.upstreams.upstream import Search

_SHARED: Final = attrgetter(
    "type", "location", "sort", "count", "shape", "patient_parameter", "filters", "page"
)
"""What searches of one list have in common, whoever it is of."""


class Kinds:
    """The kinds of searches of one server. Those without a filter tell nothing of anybody, and are kept."""

    def __init__(self, server: FhirServer) -> None:
        self._server = server
        self._kept: Kept[tuple[Capabilities, Kind]] = Kept()
        self._together: Kept[tuple[Capabilities, list[Kind]]] = Kept()
        self._lone: Kept[tuple[Capabilities, Kind, Ask]] = Kept()

    def lone(
        self, search: Search, capabilities: Capabilities, patient_record: Any = dict
    ) -> tuple[Kind, Ask]:
        """The same as `asks` of a single search. One that is about nobody is asked as it was before."""
        is_kept = search.patient is None and not search.filters and search.page is None
        key = (search, patient_record)
        known = self._lone.get(key) if is_kept else None
        if known is not None and known[0] is capabilities:
            return known[1], known[2]
        (kind,), (ask,) = self.asks((search,), capabilities, patient_record)
        if is_kept:
            self._lone.keep(key, (capabilities, kind, ask))
        return kind, ask

    def asks(
        self, searches: Sequence[Search], capabilities: Capabilities, patient_record: Any = dict
    ) -> tuple[list[Kind], list[Ask]]:
        """The kind of each search, and how it is asked. `patient_record`: that of the call
        (`resolvers.upstreams.upstream.Call`)."""
        if not searches:
            return [], []
        shared = list(map(_SHARED, searches))
        if shared.count(shared[0]) == len(shared):
            kinds = [self._kind(searches[0], shared[0], capabilities, patient_record)] * len(shared)
        else:
            kinds = self._kinds(searches, shared, capabilities, patient_record)
        asks: list[Ask] = []
        last, text = None, ""
        for search, kind in zip(searches, kinds, strict=True):
            patient, query = search.patient, kind.query
            if patient is not None:
                if patient is not last:
                    last, text = patient, id_text(patient)
                query = f"{kind.about}{text}&{query}"
            asks.append(Ask("search", search.location, search.type, query, search.page, kind.row))
        return kinds, asks

    def _kinds(
        self, searches: Sequence[Search], shared: list[Any], capabilities: Capabilities, patient_record: Any
    ) -> list[Kind]:
        """Those of searches of several kinds, which are often asked for together."""
        key = (patient_record, *shared)
        known = self._together.get(key)
        if known is not None and known[0] is capabilities:
            return known[1]
        pairs = zip(searches, shared, strict=True)
        kinds = [self._kind(search, what, capabilities, patient_record) for search, what in pairs]
        if not any(one.filters or one.page is not None for one in searches):
            self._together.keep(key, (capabilities, kinds))
        return kinds

    def _kind(self, search: Search, shared: Any, capabilities: Capabilities, patient_record: Any) -> Kind:
        record = patient_record if search.type == "Patient" else dict
        if search.filters or search.page is not None:
            return self._made(search, record, capabilities)
        key = (shared, record)
        known = self._kept.get(key)
        if known is None or known[0] is not capabilities:
            known = self._kept.keep(key, (capabilities, self._made(search, record, capabilities)))
        return known[1]

    def _made(self, search: Search, record: Any, capabilities: Capabilities) -> Kind:
        server, is_counted = self._server, capabilities.abilities(search.type).counts
        query = "" if search.page is not None else query_rest(search, server.settings.page_size_max)
        about = about_text(search)
        return kind_of(
            asked_by(server, search, record), search.shape, query, about=about, is_counted=is_counted
        )


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
