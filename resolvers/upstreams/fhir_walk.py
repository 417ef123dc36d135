"""Walking a search to its end, for questions that only a whole list answers."""

from dataclasses import dataclass, field

from resolvers.resource import Json
from resolvers.upstreams.errors import UpstreamError
from resolvers.upstreams.fhir_answers import Answer
from resolvers.upstreams.fhir_entries import Asked, read_entries
from resolvers.upstreams.fhir_server import Ask, FhirServer
from resolvers.upstreams.upstream import Call


@dataclass(slots=True)
class Walk:
    """What was found, with the answer that each came in; `problems` where it may not be all."""

    found: list[tuple[Json, Answer]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


async def walk(
    server: FhirServer,
    ask: Ask,
    answer: Answer,
    call: Call,
    max_pages: int,
    codes: frozenset[str] = frozenset(),
) -> Walk:
    """Everything behind a search's first answer. Raises UpstreamError where that first page cannot be read;
    a later page that cannot is a problem of the walk."""
    found = Walk()
    asked = Asked(server.source, ask.path, ask.location, server.is_only_place, codes)
    for _ in range(max_pages):
        entries = read_entries(asked, answer)
        found.found += [(resource, answer) for resource in entries.matches]
        found.problems += entries.problems
        if entries.next is None:
            return found
        asked = Asked(server.source, ask.path, ask.location, server.is_only_place, page=entries.next)
        try:
            answer = await server.ask(Ask(ask.operation, ask.location, page=entries.next), call)
            if not answer.is_success:
                found.problems.append(f"{server.source} did not give every page.")
                return found
        except UpstreamError as problem:
            found.problems.append(problem.message)
            return found
    found.problems.append(f"{server.source} gave more than {max_pages} pages.")
    return found
