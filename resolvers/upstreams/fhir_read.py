"""Reading resources by id in as few calls as the source allows.

One id is read by `GET Type/id`. Several of a type are searched by `_id=a,b,c` where the source has that;
what the search leaves open (it failed, ignored `_id`, or did not give everything) is then read one by one.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec.structs import replace

from clinical.identifiers import is_nhs_number
from clinical.references import is_resource_id, parse_reference
from resolvers.resource import Json, Location, Resource
from resolvers.upstreams.errors import (
    SearchNotSupported,
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamThrottled,
)
from resolvers.upstreams.fhir_answers import Answer, refusal, resource_of
from resolvers.upstreams.fhir_capabilities import Capabilities
from resolvers.upstreams.fhir_query import chunks, id_query
from resolvers.upstreams.fhir_raw import RawAnswer
from resolvers.upstreams.fhir_server import Ask, FhirServer
from resolvers.upstreams.fhir_walk import walk
from resolvers.upstreams.upstream import Call, Read

Found = Resource | UpstreamError | None

_ID: Final = frozenset(("_id",))
_QUERY_ROOM: Final = 300
_NO_LIST_STATUSES: Final = frozenset((400, 404, 405, 422, 501))


async def read_all(
    server: FhirServer, capabilities: Capabilities, reads: Iterable[Read], call: Call, max_pages: int
) -> dict[Read, Found]:
    """Every read with its resource, None where the source says that there is none, or what went wrong."""
    lists, singles = _plan(server, capabilities, dict.fromkeys(reads))
    asks = [_list_ask(group) for group in lists] + [_single_ask(read) for read in singles]
    answers = await server.ask_all(asks, call, capabilities.has_batch)
    found: dict[Read, Found] = {}
    for read, answer in zip(singles, answers[len(lists) :], strict=True):
        found[read] = _single(server.source, read, answer)
    unsettled: list[Read] = []
    for group, ask, answer in zip(lists, asks, answers, strict=False):
        unsettled += await _settle(server, group, ask, answer, call, max_pages, found)
    if unsettled:
        again = await server.ask_all([_single_ask(one) for one in unsettled], call, capabilities.has_batch)
        for read, answer in zip(unsettled, again, strict=True):
            found[read] = _single(server.source, read, answer)
    return found


def _plan(
    server: FhirServer, capabilities: Capabilities, reads: Iterable[Read]
) -> tuple[list[list[Read]], list[Read]]:
    """Which reads go as lists of ids, and which one by one."""
    groups: dict[tuple[Location, str], dict[str, Read]] = {}
    for read in reads:
        groups.setdefault((read.location, read.type), {})[read.id] = read
    settings = server.settings
    takes_long = capabilities.has_batch or settings.post_search == "form"
    lists: list[list[Read]] = []
    singles: list[Read] = []
    for (location, kind), by_id in groups.items():
        if len(by_id) == 1 or not capabilities.finds_id_lists(kind) or kind in server.without_id_lists:
            singles += by_id.values()
            continue
        room = settings.url_length_max - len(location.base_url) - _QUERY_ROOM
        length_max = 1_000_000 if takes_long else max(room, 1)
        groups_of_ids = chunks(by_id, min(settings.id_count_max, settings.page_size_max), length_max)
        lists += [[by_id[one] for one in ids] for ids in groups_of_ids]
    return lists, singles


def _list_ask(group: Sequence[Read]) -> Ask:
    return Ask("read", group[0].location, group[0].type, id_query([read.id for read in group]))


def _single_ask(read: Read) -> Ask:
    return Ask("read", read.location, f"{read.type}/{read.id}")


async def _settle(
    server: FhirServer,
    group: Sequence[Read],
    ask: Ask,
    answer: Answer | UpstreamError,
    call: Call,
    max_pages: int,
    found: dict[Read, Found],
) -> Sequence[Read]:
    """Enters what a list search answers into `found`; gives the reads that are still open after it."""
    if isinstance(answer, UpstreamError):
        found.update(dict.fromkeys(group, answer))
        return ()
    if answer.status in _NO_LIST_STATUSES and not isinstance(
        refusal(server.source, answer), UpstreamThrottled
    ):
        server.without_id_lists.add(ask.path)
        return group
    ids = frozenset(read.id for read in group)
    try:
        whole = await walk(server, ask, answer, call, max_pages, _ID, ids)
    except UpstreamInvalidResponse:
        return group
    except SearchNotSupported:
        server.without_id_lists.add(ask.path)
        return group
    except UpstreamError as problem:
        found.update(dict.fromkeys(group, problem))
        return ()
    by_id = {resource["id"]: (resource, source) for resource, source in whole.found}
    if not by_id.keys() <= ids:
        server.without_id_lists.add(ask.path)  # it ignores `_id`
    for read in group:
        if read.id in by_id:
            resource, source = by_id[read.id]
            found[read] = _resource(server.source, read, resource, source)
        elif not whole.problems:
            found[read] = None
    return [read for read in group if read not in found]


def _single(source: str, read: Read, answer: Answer | UpstreamError) -> Found:
    if isinstance(answer, UpstreamError):
        return answer
    if answer.is_absence:
        return None
    try:
        resource = resource_of(source, answer)
    except UpstreamError as problem:
        return problem
    if resource["resourceType"] != read.type or resource.get("id") != read.id:
        if has_replaced(resource, read):
            return _resource(source, replace(read, id=resource["id"]), resource, answer)
        # Without a word of the one that was asked for it is somebody else's, as far as we know.
        return UpstreamInvalidResponse(
            source, f"{source} answered with another record than the one asked for."
        )
    return _resource(source, read, resource, answer)


def has_replaced(resource: Json, read: Read) -> bool:
    """Whether a Patient that a source gives in the place of another says that it has taken the other's place:
    by `link`, or as the other's id is an NHS number, which it states (NHS PDS)."""
    id_ = resource.get("id")
    if (resource["resourceType"], read.type) != ("Patient", "Patient") or not (
        isinstance(id_, str) and is_resource_id(id_)
    ):
        return False
    if is_nhs_number(read.id) and any(
        one.get("value") == read.id for one in _objects(resource.get("identifier"))
    ):
        return True
    return any(_names(one, read) for one in _objects(resource.get("link")))


def _names(link: Json, read: Read) -> bool:
    other = link.get("other")
    text = other.get("reference") if isinstance(other, dict) else None
    if link.get("type") != "replaces" or not isinstance(text, str):
        return False
    named, own = parse_reference(text), read.location.base_url.rstrip("/")
    return named.local == f"Patient/{read.id}" and (named.base or own).rstrip("/") == own


def _objects(value: object) -> list[Json]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _resource(source: str, read: Read, resource: Json, answer: Answer | RawAnswer) -> Resource:
    at, is_cached = answer.retrieved_at, answer.is_stale
    return Resource(source, read.location, read.type, read.id, resource, at, is_cached)
