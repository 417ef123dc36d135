"""What the gateway gave out is counted: by person, type and source; and nothing that it did not give out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.population.model import Person, Population
from tests.pipeline.asking import Gateway, Told
from tests.pipeline.recorded import id_of, record_of
from tests.running import Sandbox

Json = dict[str, Any]
Row = tuple[str | None, str, str]

PAGE = """query Page($id: ID!, $first: Int!, $after: String) {
  patient(id: $id) {
    observations(first: $first, after: $after) {
      pageInfo { hasNextPage endCursor } nodes { id origin { name } }
    }
  }
}"""
GIVEN = "__typename id origin { name }"
EVERYTHING = f"""query Everything($id: ID!) {{
  patient(id: $id) {{
    {GIVEN}
    observations(first: 30) {{ nodes {{ {GIVEN} valueString }} }}
    conditions(first: 30) {{ edges {{ node {{ {GIVEN} }} }} }}
    allergyIntolerances(first: 10) {{ totalCount nodes {{ {GIVEN} asserter {{ resource {{ {GIVEN} }} }} }} }}
    medicationRequests(first: 10) {{ nodes {{ {GIVEN} medicationReference {{ resource {{ {GIVEN} }} }} }} }}
    encounters(first: 5) {{
      nodes {{ {GIVEN} participant {{ individual {{ resource {{ {GIVEN} }} }} }} }}
    }}
  }}
}}"""


class Cast(list[Person]):
    """The people; shown briefly where a test fails."""

    def __repr__(self) -> str:
        return f"<{len(self)} people>"


@pytest.fixture(scope="module")
def cast(population: Population) -> Cast:
    return Cast(population.people)


@pytest.fixture(scope="module")
def known_twice(population: Population) -> Person:
    """Somebody whom the hospital and a practice know."""
    return next(one for one in population.people if {"ehr", "gp"} <= one.sources.keys())


def disclosed(sandbox: Sandbox, answer: Told) -> Counter[Row]:
    rows: Counter[Row] = Counter()
    for row in record_of(sandbox, answer).get("disclosed", ()):
        place = (row["patient"], row["type"], row["source"])
        assert place not in rows, "a place has one row"
        rows[place] = row["count"]
    return rows


def of_type(rows: Counter[Row], type_: str) -> Counter[Row]:
    return Counter({row: count for row, count in rows.items() if row[1] == type_})


def ids_of(sandbox: Sandbox, person: Person) -> set[str]:
    """Every id that the gateway may call the person by."""
    return {id_of(sandbox, person), *(f"{source}/{local}" for source, local in person.sources.items())}


def given_out(value: Any) -> Iterator[Json]:
    """Every resource in an answer, however deep, as often as it is there."""
    if isinstance(value, list):
        for one in value:
            yield from given_out(one)
    elif isinstance(value, dict):
        if "origin" in value:
            yield value
        for one in value.values():
            yield from given_out(one)


def test_each_page_of_a_list_counts_its_own_rows_by_source(
    gateway: Gateway, sandbox: Sandbox, known_twice: Person
) -> None:
    who, after, has_next = id_of(sandbox, known_twice), None, True
    sources: set[str] = set()
    while has_next:
        answer = gateway.ask(PAGE, id=who, first=60, after=after)
        page = answer.whole()["patient"]["observations"]
        expected = Counter((who, "Observation", row["origin"]["name"]) for row in page["nodes"])
        assert of_type(disclosed(sandbox, answer), "Observation") == expected
        sources |= {source for _, _, source in expected}
        after, has_next = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
    assert {"ehr", "gp"} <= sources


@pytest.mark.parametrize("asked", ["totalCount", "completeness", "sources { source status }", "__typename"])
def test_a_question_that_gets_no_row_counts_none(
    gateway: Gateway, sandbox: Sandbox, known_twice: Person, asked: str
) -> None:
    query = f"query Q($id: ID!) {{ patient(id: $id) {{ observations {{ {asked} }} }} }}"
    assert not of_type(disclosed(sandbox, gateway.ask(query, id=id_of(sandbox, known_twice))), "Observation")
    assert not disclosed(sandbox, gateway.ask(f'{{ observations(code: ["x"]) {{ {asked} }} }}'))


def test_a_source_that_is_down_gives_nothing_out(
    gateway: Gateway, sandbox: Sandbox, known_twice: Person
) -> None:
    with sandbox.fault("gp", status=503):
        answer = gateway.ask(PAGE, id=id_of(sandbox, known_twice), first=50)
    rows = of_type(disclosed(sandbox, answer), "Observation")
    assert rows
    assert "gp" not in {source for _, _, source in rows}


def test_a_list_over_all_names_the_person_of_each_row(
    gateway: Gateway, sandbox: Sandbox, population: Population
) -> None:
    query = "{ conditions(first: 40) { nodes { id origin { name } subject { resource { id } } } } }"
    answer = gateway.ask(query)
    nodes = answer.whole()["conditions"]["nodes"]
    rows = of_type(disclosed(sandbox, answer), "Condition")
    assert rows.total() == len(nodes)
    expected: Counter[str] = Counter(node["subject"]["resource"]["id"] for node in nodes)
    found: Counter[str] = Counter()
    for person in population.people:
        names = ids_of(sandbox, person)
        mine = sum(count for (who, _, _), count in rows.items() if who in names)
        if mine:
            found[id_of(sandbox, person)] = mine
    assert found == expected


@pytest.mark.parametrize("query", ["{ patient(id: $id) { id } }", "{ node(id: $id) { id } }"])
def test_a_patient_is_given_out_as_the_person_from_the_source_that_is_shown(
    gateway: Gateway, sandbox: Sandbox, known_twice: Person, query: str
) -> None:
    for id_ in sorted(ids_of(sandbox, known_twice)):
        rows = disclosed(sandbox, gateway.ask(f"query Q($id: ID!) {query}", id=id_))
        assert rows == {(id_of(sandbox, known_twice), "Patient", "ehr"): 1}


def test_each_record_of_a_person_that_is_listed_is_given_out(
    gateway: Gateway, sandbox: Sandbox, known_twice: Person
) -> None:
    query = "query Q($id: ID!) { patient(id: $id) { records { origin { name } } } }"
    answer = gateway.ask(query, id=id_of(sandbox, known_twice))
    listed = {one["origin"]["name"] for one in answer.whole()["patient"]["records"]}
    rows = disclosed(sandbox, answer)
    assert {source for _, _, source in rows} == listed
    assert {who for who, _, _ in rows} == {id_of(sandbox, known_twice)}


def test_a_list_of_patients_counts_each_person(gateway: Gateway, sandbox: Sandbox) -> None:
    answer = gateway.ask("{ patients(first: 12) { nodes { id origin { name } } } }")
    nodes = answer.whole()["patients"]["nodes"]
    expected = Counter((one["id"], "Patient", one["origin"]["name"]) for one in nodes)
    assert disclosed(sandbox, answer) == expected


def test_records_by_id_are_given_out_one_by_one(
    gateway: Gateway, sandbox: Sandbox, known_twice: Person
) -> None:
    query = "query Q($id: ID!) { patient(id: $id) { conditions { nodes { id origin { name } } } } }"
    page = gateway.ask(query, id=id_of(sandbox, known_twice)).whole()["patient"]["conditions"]
    nodes = page["nodes"]
    ids = [node["id"] for node in nodes]
    answer = gateway.ask(
        "query Q($ids: [ID!]!, $one: ID!) { nodes(ids: $ids) { id } condition(id: $one) { id } }",
        ids=[*ids, "ehr/Observation/none", "nonsense"],
        one=ids[0],
    )
    rows = disclosed(sandbox, answer)
    assert len({node["origin"]["name"] for node in nodes}) == 2
    by_source = Counter(node["origin"]["name"] for node in (*nodes, nodes[0]))
    assert Counter({source: count for (_, _, source), count in rows.items()}) == by_source
    assert {who for who, _, _ in rows} <= ids_of(sandbox, known_twice)


def test_an_id_of_another_type_gives_nothing_out(
    gateway: Gateway, sandbox: Sandbox, population: Population
) -> None:
    id_ = population.ehr["Condition"][0]["id"]
    answer = gateway.ask(f'{{ observation(id: "ehr/Condition/{id_}") {{ id }} }}')
    assert answer.whole() == {"observation": None}
    assert not disclosed(sandbox, answer)


def test_what_nobody_owns_is_given_out_as_nobodys(gateway: Gateway, sandbox: Sandbox) -> None:
    answer = gateway.ask("{ practitioners(first: 3) { nodes { id origin { name } } } }")
    sources = Counter(one["origin"]["name"] for one in answer.whole()["practitioners"]["nodes"])
    assert disclosed(sandbox, answer) == Counter(
        {(None, "Practitioner", source): count for source, count in sources.items()}
    )


def test_nothing_of_anybody_else_is_given_out_to_a_patient(
    gateway: Gateway, sandbox: Sandbox, population: Population
) -> None:
    mother = next(one for one in population.people if "mother" in one.traits)
    mine = {None, *ids_of(sandbox, mother)}
    local = f"ehr/{mother.sources['ehr']}"
    asked = gateway.with_token(sandbox.minted(scope="patient/*.rs", client="patient-app", patient=local))
    for person in population.people:
        if person is mother:
            continue
        answer = asked.ask(EVERYTHING, id=id_of(sandbox, person))
        assert answer.whole() == {"patient": None}
        assert not disclosed(sandbox, answer)
    for name in ("Observation", "Condition", "AllergyIntolerance", "MedicationRequest"):
        ids = [f"ehr/{name}/{one['id']}" for one in population.ehr[name][:100]]
        answer = asked.ask("query Q($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=ids)
        rows = disclosed(sandbox, answer)
        assert rows.total() == len([one for one in answer.whole()["nodes"] if one])
        assert {who for who, _, _ in rows} <= mine


@settings(max_examples=40)
@given(index=st.integers(0, 19), is_own=st.booleans())
def test_the_line_counts_what_the_answer_holds(
    gateway: Gateway, sandbox: Sandbox, cast: Cast, index: int, is_own: bool
) -> None:
    person = cast[index]
    asked = gateway
    if is_own:
        local = next(f"{source}/{name}" for source, name in person.sources.items())
        asked = gateway.with_token(sandbox.minted(scope="patient/*.rs", patient=local, client="patient-app"))
    answer = asked.ask(EVERYTHING, id=id_of(sandbox, person))
    rows = disclosed(sandbox, answer)
    held = list(given_out(answer.data))
    counted: Counter[tuple[str, str]] = Counter()
    persons = {None, *ids_of(sandbox, person)}
    if not is_own:
        persons |= {one["id"] for one in held if one["__typename"] == "Patient"}
    for (who, type_, source), count in rows.items():
        assert who in persons
        counted[(type_, source)] += count
    everywhere = Counter((one["__typename"], one["origin"]["name"]) for one in held)
    once = Counter({(one["__typename"], one["id"]): 1 for one in held})
    assert counted.keys() == everywhere.keys()
    assert all(count <= everywhere[place] for place, count in counted.items())
    assert counted.total() >= once.total()
