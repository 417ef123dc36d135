"""Finding the Patient records that carry business identifiers (R4 search.html 3.1.1.4.10)."""

from collections.abc import Iterator, Sequence

from clinical.identifiers import Token
from resolvers.outcome import STALE_ANSWER
from resolvers.resource import Location, Resource
from resolvers.together import together
from resolvers.upstreams.errors import UpstreamError, UpstreamInvalidResponse, UpstreamUnavailable
from resolvers.upstreams.fhir_capabilities import Capabilities
from resolvers.upstreams.fhir_query import chunks, identifier_query, token_text
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
) -> dict[Token, Found]:
    """Every token with the records that carry it at these places.

    A place that did not answer in full makes the answer an error, as a record it holds would be missed
    silently; unless a person has but one record in the source, and it was found.
    """
    unique = list(dict.fromkeys(tokens))
    groups = [(place, group) for place in locations for group in _groups(server, capabilities, unique)]
    asks = [
        Ask("identify", place, "Patient", identifier_query(list(group), server.settings.page_size_max))
        for place, group in groups
    ]
    answers = await server.fetch_all(asks, call, capabilities.has_batch)
    settled = await together(
        *(_records(server, ask, answer, call, max_pages) for ask, answer in zip(asks, answers, strict=True))
    )
    is_stale = any(isinstance(one, RawAnswer) and one.is_stale for one in answers)
    if len(groups) == 1 and not is_stale and not isinstance(only := settled[0], UpstreamError):
        return {token: tuple(found) for token, found in stating(unique, only).items()}
    records: dict[Token, list[Resource]] = {token: [] for token in unique}
    failures: dict[Token, UpstreamError] = {}
    for (_, group), result in zip(groups, settled, strict=True):
        if isinstance(result, UpstreamError):
            for token in group.values():
                failures.setdefault(token, result)
            continue
        for token, found in stating(group.values(), result).items():
            records[token] += found
            if is_stale and not found:  # who is not in an old answer may be there now
                failures.setdefault(token, UpstreamUnavailable(server.source, STALE_ANSWER))
    return {
        token: failures[token]
        if token in failures and not (is_registered_once and records[token])
        else tuple(records[token])
        for token in unique
    }


def _groups(
    server: FhirServer, capabilities: Capabilities, tokens: Sequence[Token]
) -> Iterator[dict[str, Token]]:
    settings = server.settings
    by_text = {token_text(token): token for token in tokens}
    takes_long = capabilities.has_batch or settings.post_search == "form"
    length_max = 1_000_000 if takes_long else settings.url_length_max - _QUERY_ROOM
    for texts in chunks(by_text, settings.identifier_count_max, length_max):
        yield {text: by_text[text] for text in texts}


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
