"""Walking a search to its end, for questions that only a whole list answers."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from resolvers.resource import Json
from resolvers.upstreams.errors import UpstreamError
from resolvers.upstreams.fhir_answers import Answer, refusal
from resolvers.upstreams.fhir_entries import Asked, read_entries
from resolvers.upstreams.fhir_plain import entries_of
from resolvers.upstreams.fhir_raw import RawAnswer
from resolvers.upstreams.fhir_server import Ask, FhirServer
from resolvers.upstreams.upstream import Call


@dataclass(slots=True)
class Walk:
    """What was found, with the answer that each came in; `problems` where it may not be all."""

    found: list[tuple[Json, Answer | RawAnswer]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


async def walk(
    server: FhirServer,
    ask: Ask,
    answer: Answer | RawAnswer,
    call: Call,
    max_pages: int,
    codes: frozenset[str] = frozenset(),
    wanted: Collection[str] | None = None,
    record: Any = dict,
) -> Walk:
    """Everything behind a search's first answer. Raises UpstreamError where that first page cannot be read;
    a later page that cannot is a problem of the walk. `wanted`: the ids that there can be; any other means
    that the source ignored them, and ends the walk. `record`: the type of what is read of each row."""
    found = Walk()
    asked = Asked(server.source, ask.path, ask.location, server.is_only_place, codes, record=record)
    for page in range(1, max_pages + 1):
        entries = entries_of(asked, answer) if isinstance(answer, RawAnswer) else read_entries(asked, answer)
        found.found += [(resource, answer) for resource in entries.matches]
        found.problems += entries.problems
        if wanted is not None and any(resource["id"] not in wanted for resource in entries.matches):
            found.problems.append(f"{server.source} gave records that were not asked for.")
            break
        if entries.next is None:
            break
        if page == max_pages:
            found.problems.append(f"{server.source} gave more than {max_pages} pages.")
            break
        asked = Asked(server.source, ask.path, ask.location, server.is_only_place, page=entries.next)
        try:
            answer = await server.ask(Ask(ask.operation, ask.location, page=entries.next), call)
            if not answer.is_success:
                raise refusal(server.source, answer, is_page=True, is_search=True)
        except UpstreamError as problem:
            found.problems.append(problem.message)
            break
    return found
