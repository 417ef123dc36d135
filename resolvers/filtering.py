"""What a source is told of a list's filters, in its own terms, and what is tested here instead."""

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from clinical.compartment import patient_parameter
from clinical.parameters import SearchParameter, parameters
from clinical.references import parse_reference
from clinical.search import compile_search, is_exact
from resolvers.context import RequestContext
from resolvers.ids import RecordId, parse_record_id
from resolvers.outcome import SourceOutcome
from resolvers.persons import Person
from resolvers.question import Question
from resolvers.resource import Location, Resource
from resolvers.stream import Keep
from resolvers.upstreams.errors import SearchNotSupported
from resolvers.upstreams.upstream import Abilities, Filter, Upstream


def divide(
    upstream: Upstream, question: Question, filters: Iterable[Filter], abilities: Abilities
) -> tuple[tuple[Filter, ...], tuple[Filter, ...]]:
    """(what the source filters, what the gateway filters exactly). Raises SearchNotSupported."""
    sent, kept = [], []
    for one in filters:
        if one.code in abilities.parameters:
            sent.append(one)
        elif is_exact(parameters(question.type)[one.code]):
            kept.append(one)
        else:
            raise SearchNotSupported(upstream.name, f"the source cannot search {question.type} by {one.code}")
    return tuple(sent), tuple(kept)


async def references_of(
    upstream: Upstream, question: Question, context: RequestContext
) -> tuple[tuple[Filter, ...] | None, list[SourceOutcome]]:
    """Filters by global ids in this source's own terms, None where none of the ids is of this source;
    and the lookups of persons that fell short in this source."""
    filters: list[Filter] | None = []
    gaps: list[SourceOutcome] = []
    for code, ids in question.references:
        values: list[str] = []
        for id_ in ids:
            person = await _person_named(id_, context)
            values += _local(upstream, parse_record_id(id_), person)
            outcome = person.outcomes.get(upstream.name) if person else None
            gaps += [outcome] if outcome is not None and outcome.is_gap else []
        if not values:
            filters = None
        elif filters is not None:
            filters.append(Filter(code, tuple(dict.fromkeys(values))))
    return None if filters is None else tuple(filters), gaps


async def _person_named(id_: str, context: RequestContext) -> Person | None:
    """The person that an id names. A caller limited to one has nobody else looked up: an answer that
    depended on it would tell of others."""
    if not context.permissions.is_own_only:
        return await context.identity.of_id(id_)
    own = await context.own_person()
    return own if id_ in (own.id, *(f"{one.source}/Patient/{one.id}" for one in own.subjects)) else None


def _local(upstream: Upstream, record_id: RecordId | None, person: Person | None) -> Sequence[str]:
    """References in this source to a person's records (with their place), or else to the record named."""
    if person is not None:
        mine = (one for one in person.subjects if one.source == upstream.name)
        return [f"{_base(one.location)}Patient/{one.id}" for one in mine]
    if record_id is None or record_id.contained or record_id.source != upstream.name:
        return ()
    return (f"{record_id.type}/{record_id.id}",)


def told_at(location: Location, references: Iterable[Filter]) -> tuple[Filter, ...] | None:
    """References in a place's own terms; None where one leads to other places only, which use the same
    ids for other people."""
    told, own = [], _base(location)
    for one in references:
        values = tuple(
            text.removeprefix(own)
            for text in one.values
            if text.startswith(own) or parse_reference(text).base is None
        )
        if not values:
            return None
        told.append(replace(one, values=values))
    return tuple(told)


def _base(location: Location) -> str:
    return location.base_url.rstrip("/") + "/"


def parameter_of_patient(upstream: Upstream, resource_type: str, abilities: Abilities) -> str:
    """The parameter that names the patient: the rule's, or `subject` where the source has only that.

    Raises SearchNotSupported.
    """
    ruled = patient_parameter(resource_type)
    candidates = [ruled, "subject"] if ruled == "patient" else [ruled]
    found = next((one for one in candidates if one and one in abilities.parameters), None)
    if found is None:
        raise SearchNotSupported(upstream.name, f"the source cannot search {resource_type} by patient")
    return found


def is_checked(resource_type: str, one: Filter) -> bool:
    """Amounts are the source's to compare: it may know units that the gateway does not."""
    return parameters(resource_type)[one.code].type not in ("quantity", "number")


def test_of(resource_type: str, one: Filter) -> Keep:
    """Whether a resource matches a filter, as the gateway tests it itself."""
    parameter: SearchParameter = parameters(resource_type)[one.code]

    def keep(resource: Resource) -> bool:
        return compile_search(parameter, one.values, one.modifier, resource.location.base_url)(resource.json)

    return keep
