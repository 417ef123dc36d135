"""Finding the Patient records that carry business identifiers (R4 search.html 3.1.1.4.10)."""

from collections.abc import Mapping, Sequence

from clinical.identifiers import Token
from resolvers.outcome import STALE_ANSWER
from resolvers.resource import Location, Resource
from resolvers.together import together
from resolvers.upstreams.errors import UpstreamError, UpstreamInvalidResponse, UpstreamUnavailable
from resolvers.upstreams.fhir_capabilities import Capabilities
from resolvers.upstreams.fhir_entries import Asked
from resolvers.upstreams.fhir_plain import entries_of, resources_of
from resolvers.upstreams.fhir_query import chunks, identifier_query, token_text, token_texts
from resolvers.upstreams.fhir_raw import RawAnswer
from resolvers.upstreams.fhir_server import Ask, FhirServer
from resolvers.upstreams.fhir_walk import walk
from resolvers.upstreams.patients import stating
from resolvers.upstreams.upstream import Call

Found = tuple[Resource, ...] | UpstreamError

_IDENTIFIER = frozenset(("identifier",))
_QUERY_ROOM = 300


async def identify_all(
    server: FhirServer,
    capabilities: Capabilities,
    tokens: Sequence[Token],
    locations: Sequence[Location],
    call: Call,
    max_pages: int,
    is_registered_once: bool = False,
) -> Sequence[Found]:
    """For every token the records that carry it at these places.

    A place that did not answer in full makes the answer an error, as a record it holds would be missed
    silently; unless a person has but one record in the source, and it was found.
    """
    page_size = server.settings.page_size_max
    groups: list[Mapping[str, Token]] = []
    if len(tokens) == len(locations) == 1:
        text = token_text(tokens[0])
        groups.append({text: tokens[0]})
        asks = [Ask("identify", locations[0], "Patient", identifier_query((text,), page_size))]
    else:
        groups += _groups(server, capabilities, tokens)
        asks = [
            Ask("identify", place, "Patient", identifier_query(list(group), page_size))
            for place in locations
            for group in groups
        ]
    answers = await server.fetch_all(asks, call, capabilities.has_batch)
    if len(asks) == 1 and (only := _whole(server, asks[0], answers[0], call)) is not None:
        return stating(tokens, only)
    settled = await together(
        *(_records(server, ask, answer, call, max_pages) for ask, answer in zip(asks, answers, strict=True))
    )
    records: dict[Token, list[Resource]] = {token: [] for token in tokens}
    failures: dict[Token, UpstreamError] = {}
    is_stale = any(isinstance(one, RawAnswer) and one.is_stale for one in answers)
    for group, result in zip(groups * len(locations), settled, strict=True):
        if isinstance(result, UpstreamError):
            for token in group.values():
                failures.setdefault(token, result)
            continue
        for token, stated in zip(group.values(), stating(list(group.values()), result), strict=True):
            records[token] += stated
            if is_stale and not stated:  # who is not in an old answer may be there now
                failures.setdefault(token, UpstreamUnavailable(server.source, STALE_ANSWER))
    return [
        failures[token]
        if token in failures and not (is_registered_once and records[token])
        else tuple(records[token])
        for token in tokens
    ]


def _groups(
    server: FhirServer, capabilities: Capabilities, tokens: Sequence[Token]
) -> list[dict[str, Token]]:
    """The identifiers that are asked for together, each by its text."""
    settings = server.settings
    by_text = dict(zip(token_texts(tokens), tokens, strict=True))
    takes_long = capabilities.has_batch or settings.post_search == "form"
    length_max = 1_000_000 if takes_long else settings.url_length_max - _QUERY_ROOM
    return [
        by_text if len(texts) == len(by_text) else {text: by_text[text] for text in texts}
        for texts in chunks(by_text, settings.identifier_count_max, length_max)
    ]


def _whole(
    server: FhirServer, ask: Ask, answer: RawAnswer | UpstreamError, call: Call
) -> tuple[Resource, ...] | None:
    """The records of a fresh answer that is the whole of a search; None where more must be asked or said."""
    if isinstance(answer, UpstreamError) or answer.is_stale or not answer.is_success:
        return None
    asked = Asked(
        server.source, ask.path, ask.location, server.is_only_place, _IDENTIFIER, record=call.patient_record
    )
    try:
        entries = entries_of(asked, answer)
    except UpstreamError:
        return None
    if entries.next or entries.problems:
        return None
    rows = entries.matches
    if len(rows) != 1:
        return resources_of(asked, entries, answer)
    return (Resource(server.source, ask.location, "Patient", rows[0]["id"], rows[0], answer.retrieved_at),)


async def _records(
    server: FhirServer, ask: Ask, answer: RawAnswer | UpstreamError, call: Call, max_pages: int
) -> list[Resource] | UpstreamError:
    if isinstance(answer, UpstreamError):
        return answer
    try:
        whole = await walk(server, ask, answer, call, max_pages, _IDENTIFIER, record=call.patient_record)
    except UpstreamError as problem:
        return problem
    if whole.problems:
        return UpstreamInvalidResponse(server.source, whole.problems[0])
    return [
        Resource(server.source, ask.location, "Patient", row["id"], row, source.retrieved_at, source.is_stale)
        for row, source in whole.found
    ]
