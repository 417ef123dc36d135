"""What an operation has cost follows from the sources that were searched, and what came."""

from typing import Any

from gateway.cost.actual import actual
from gateway.cost.estimate import estimate
from gateway.cost.weights import Weights
from gateway.document_limits import LimitSettings
from gateway.execution.compiled import CompiledExecutor
from gateway.prepare import Preparation
from permissions.decision import Decisions
from resolvers.tally import Tally
from resolvers.upstreams.errors import UpstreamError, UpstreamTimeout
from schema.build import BuiltSchema, build_schema
from schema.cost import counts_of
from tests.resolvers.asking import TYPES, Asker, observation, patient
from tests.resolvers.memory import MemoryUpstream

NUMBER, OTHER = "9990000018", "9990000026"


def sources() -> list[MemoryUpstream]:
    performers = [{"reference": "Patient/1"}, {"reference": "Patient/2"}, {"reference": "Patient/none"}]
    rows = [observation(f"o{n}", "1", f"20{n + 10}-01-01", performer=performers) for n in range(3)]
    a = MemoryUpstream(
        "a",
        {"Patient": [patient("1", NUMBER), patient("2", OTHER)], "Observation": rows, "Condition": []},
        sorts=frozenset({"date", "_id"}),
        page_size_max=2,
    )
    b = MemoryUpstream(
        "b", {"Patient": [patient("9", NUMBER)], "Observation": [observation("p", "9", "2001")]}
    )
    return [a, b, MemoryUpstream("c", {"Patient": [], "Observation": []})]


def built() -> BuiltSchema:
    return build_schema(TYPES, None, counts_of(sources()))


async def costs(
    text: str,
    *,
    down: UpstreamError | None = None,
    faults: dict[int, UpstreamError] | None = None,
    held: dict[str, list[dict[str, Any]]] | None = None,
    **variables: Any,
) -> tuple[int, int]:
    """The estimate and the actual cost, of three sources for observations and one for conditions. `held`:
    what the first source has besides."""
    upstreams = sources()
    upstreams[0].resources |= held or {}
    upstreams[0].types = frozenset(upstreams[0].resources)
    made = build_schema(TYPES, None, counts_of(upstreams))
    upstreams[1].down, upstreams[1].faults = down, faults or {}
    prepared = Preparation(made.graphql, LimitSettings(), True, Weights(made.graphql)).prepare(text, None, "")
    asker = Asker(*upstreams)
    permissions = Decisions(made.rules).of(asker.principal)
    context = asker.federation.open(asker.principal, permissions, deadline_s=30, request_id="r")
    assert prepared.cost is not None
    context.tally = Tally(counts_found=prepared.cost.counts_found)
    try:
        await CompiledExecutor(made.graphql, made.rules).run(prepared, variables, context)
    finally:
        context.close()
    return estimate(prepared.cost, variables), actual(prepared.cost, variables, context.tally)


async def test_rows_count_as_they_came_and_pages_do_not() -> None:
    text = "{ observations(first: 10) { nodes { id code { text } } } }"
    assert await costs(text) == (15 + 10 * 2, 15 + 4 * 2)


async def test_a_source_that_does_not_know_the_person_is_not_searched() -> None:
    text = '{ patient(id: "a/Patient/1") { observations(first: 2) { nodes { id } edges { cursor } } } }'
    assert await costs(text) == (1 + 15 + 2, 1 + 10 + 2)


async def test_a_source_that_cannot_be_asked_is_not_searched_and_one_that_fails_is() -> None:
    text = "{ observations(first: 10) { nodes { id } sources { status } } }"
    slow = UpstreamTimeout("b", "too slow")
    assert await costs(text, down=slow) == (15 + 10 + 1, 10 + 3 + 1)
    assert await costs(text, faults={1: slow}) == (15 + 10 + 1, 15 + 3 + 1)


async def test_a_list_that_is_refused_costs_nothing() -> None:
    text = '{ patient(id: "a/Patient/1") { id observations(first: 101) { nodes { id } } } }'
    assert await costs(text) == (1 + 15 + 101, 1)


async def test_what_is_not_found_costs_no_more_than_the_asking() -> None:
    text = '{ patient(id: "nowhere/Patient/1") { name { family } observations { nodes { id } } } }'
    assert await costs(text) == (1 + 1 + 15 + 20, 1)


async def test_resources_by_ids_cost_as_they_are_found_and_by_their_type() -> None:
    text = """
    query ($ids: [ID!]!) { nodes(ids: $ids) {
      ... on Patient { name { family } contact { name { family } } } ... on Observation { code { text } }
    } }
    """
    ids = ["a/Patient/1", "a/Observation/o1", "a/Observation/none", "nowhere/x/1"]
    assert await costs(text, ids=ids) == (4 * 4, 4 + 2)


async def test_the_entries_of_an_element_count_as_the_dearest_of_them() -> None:
    text = """
    { observation(id: "a/Observation/o1") { performer { resource { id
        ... on Patient { name { family } observations(first: 5) { nodes { id } } } } } } }
    """
    # Two people are found; one of them has four observations in two sources, the other none in one.
    assert await costs(text) == (1 + 1 + 1 + 1 + 15 + 5, 1 + 1 + 1 + 1 + 10 + 4)


async def test_a_count_is_a_search_of_its_own_and_a_name_of_a_type_none() -> None:
    assert await costs("{ observations { totalCount } }") == (15 + 15, 15)
    assert await costs("{ observations(first: 1) { nodes { id } totalCount } }") == (15 + 1 + 15, 15 + 1 + 15)
    person = '{ patient(id: "a/Patient/1") { observations(first: 1) { nodes { id } totalCount } } }'
    assert await costs(person) == (1 + 15 + 1 + 15, 1 + 10 + 1 + 10)
    missing = "{ observations(first: 1) { nodes { id } totalCount completeness } }"
    slow = UpstreamTimeout("b", "too slow")
    assert await costs(missing, down=slow) == (15 + 1 + 15, 10 + 1)  # no sum without one of them
    assert await costs("{ observations { __typename } }") == (15, 0)


async def test_a_series_costs_the_searches_that_were_made_for_it() -> None:
    stats = """
    { patient(id: "a/Patient/1") { observationStats(code: ["29463-7"]) { texts groups { count } } } }
    """
    assert await costs(stats) == (1 + 15 * 20 + 1, 1 + (2 + 1) * 5 + 1)
    latest = """
    { patient(id: "a/Patient/1") { latestObservation(code: ["29463-7"]) { observation { code { text } } } } }
    """
    assert await costs(latest) == (1 + 15 + 1 + 1, 1 + 10 + 1 + 1)
    followed = latest.replace("code { text }", "performer { resource { ... on Patient { name { text } } } }")
    assert await costs(followed) == (1 + 15 + 1 + 1 + 1 + 1, 1 + 10 + 1 + 1 + 1 + 1)
    refused = '{ patient(id: "a/Patient/1") { observationStats(code: ["x"], timeZone: "none") { texts } } }'
    assert await costs(refused) == (1 + 15 * 20, 1)


async def test_a_section_of_a_summary_costs_its_searches_and_rows() -> None:
    person = '{ patient(id: "a/Patient/1") { summary { %s } } }'
    # The sources' rows have no category, so that none is a result; of conditions there is none.
    assert await costs(person % "problems(first: 7) { text }") == (1 + 1 + 5 + 7, 1 + 1 + 5)
    assert await costs(person % "results { name }") == (1 + 1 + 15 + 3, 1 + 1 + 10)
    served = 5 + 0 + 15 + 15  # problems, medications, results, vital signs
    told = await costs(person % "sections { state sources { status } }")
    assert told == (1 + 1 + served + 4 + 4, 1 + 1 + 5 + 10 + 10 + 4 + 4)
    assert await costs(person % "problems(first: 51) { text }") == (1 + 1 + 5 + 51, 1 + 1)


async def test_the_names_of_medicines_are_searches_of_their_own() -> None:
    request = {"resourceType": "MedicationRequest", "status": "active", "subject": {"reference": "Patient/1"}}
    rows = [
        {**request, "id": "named", "medicationCodeableConcept": {"text": "Aspirin"}},
        {**request, "id": "referring", "medicationReference": {"reference": "Medication/m"}},
    ]
    medicine = {"resourceType": "Medication", "id": "m", "code": {"text": "Warfarin"}}
    text = '{ patient(id: "a/Patient/1") { summary { medications { text } } } }'
    kinds = ({"MedicationRequest": some, "Medication": [medicine]} for some in (rows[1:], rows[:1]))
    told = [await costs(text, held=held) for held in kinds]
    whole = 1 + 1 + 5 + 5 + 10
    assert told == [(whole, 1 + 1 + 5 + 5 + 1), (whole, 1 + 1 + 5 + 1)]


async def test_references_are_noted_only_where_something_depends_on_them() -> None:
    made = built()
    preparation = Preparation(made.graphql, LimitSettings(), True, Weights(made.graphql))
    followed = '{ observation(id: "x") { subject { resource { id %s } } } }'
    for text, counts in (
        (followed % "", True),
        ("{ observations { nodes { subject { resource { id } } } } }", False),
    ):
        cost = preparation.prepare(text, None, "").cost
        assert cost is not None
        assert cost.counts_found is counts
