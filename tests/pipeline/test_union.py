"""A person's list is what the sources hold of that person: all of it, once, and nothing of anybody else's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.population.model import Person, Population
from tests.pipeline.asking import Gateway
from tests.pipeline.holdings import ERROR, Held, Holdings, Sources, of_population
from tests.running import Sandbox

PEOPLE = range(20)

LIST = """query Observations($id: ID!, $first: Int!, $after: String, $status: [String!]) {
  patient(id: $id) {
    observations(first: $first, after: $after, status: $status) {
      completeness
      pageInfo { hasNextPage endCursor }
      nodes {
        id status
        origin { name fhirId }
        identifier { value }
        subject { resource { id } }
      }
    }
  }
}"""

SHOWN = ["registered", "preliminary", "final", "amended", "corrected", "cancelled", "unknown"]

WHO = """query Who($id: ID!) {
  patient(id: $id) { id identifier { system value } birthDate name { family } records { id origin { name } } }
}"""

Json = dict[str, Any]


@pytest.fixture(scope="module")
def sources(sandbox: Sandbox, population: Population) -> Sources:
    return Sources(sandbox, population)


def id_of(sandbox: Sandbox, person: Person) -> str:
    return str(sandbox.summary["patients"][person.index]["id"])


def walked(gateway: Gateway, id_: str, first: int, status: list[str] | None = None) -> list[Json]:
    """Every row of every page."""
    rows: list[Json] = []
    for page in gateway.pages(LIST, ("patient", "observations"), id=id_, first=first, status=status):
        assert page["completeness"] == "COMPLETE"
        assert len(page["nodes"]) <= first
        rows += page["nodes"]
    return rows


def held(row: Json, person: Person) -> Held:
    """The row as `holdings` tells it."""
    source = row["origin"]["name"]
    if source == "wearable":
        return source, "", " ".join(sorted(one["value"] for one in row["identifier"]))
    place = person.practice if source == "gp" and person.practice else ""
    return source, place, row["origin"]["fhirId"]


def assert_is(rows: list[Json], person: Person, expected: frozenset[Held]) -> None:
    found = Counter(held(row, person) for row in rows)
    assert set(found) == expected
    assert max(found.values(), default=1) == 1


def holdings(population: Population, sources: Sources, person: Person) -> Holdings:
    """What both witnesses say, who must agree."""
    built = of_population(population, person)
    if person.nhs_number is not None:
        assert sources.of_number(person.nhs_number) == built
    return built


@pytest.mark.parametrize("index", PEOPLE)
def test_observations_are_the_union_of_the_sources_and_nobody_elses(
    gateway: Gateway, sandbox: Sandbox, population: Population, sources: Sources, index: int
) -> None:
    person = population.people[index]
    expected = holdings(population, sources, person).shown
    assert expected
    for first in (100, 13):
        rows = walked(gateway, id_of(sandbox, person), first)
        assert_is(rows, person, expected)
        assert {row["subject"]["resource"]["id"] for row in rows} == {id_of(sandbox, person)}


def test_pages_of_any_size_hold_the_same_rows_in_the_same_order(
    gateway: Gateway, sandbox: Sandbox, population: Population
) -> None:
    person = next(one for one in population.people if len(one.sources) == 3)
    by_size = [
        [row["id"] for row in walked(gateway, id_of(sandbox, person), first)] for first in (100, 41, 5)
    ]
    assert all(ids == by_size[0] for ids in by_size)


@pytest.mark.parametrize("index", PEOPLE)
def test_what_was_entered_in_error_is_given_when_asked_for_and_only_then(
    gateway: Gateway, sandbox: Sandbox, population: Population, index: int
) -> None:
    person = population.people[index]
    expected = of_population(population, person)
    asked = walked(gateway, id_of(sandbox, person), 50, [ERROR])
    assert_is(asked, person, expected.withdrawn)
    with_all_others = walked(gateway, id_of(sandbox, person), 100, [ERROR, *SHOWN])
    assert_is(with_all_others, person, expected.shown | expected.withdrawn)
    assert_is(walked(gateway, id_of(sandbox, person), 100, SHOWN), person, expected.shown)


def test_some_were_entered_in_error(population: Population) -> None:
    sources = {
        held[0] for person in population.people for held in of_population(population, person).withdrawn
    }
    assert sources == {"ehr", "gp"}


def test_the_people_of_the_population_are_told_apart(
    gateway: Gateway, sandbox: Sandbox, population: Population
) -> None:
    asked = [id_of(sandbox, person) for person in population.people]
    assert [gateway.ask(WHO, id=id_).whole()["patient"]["id"] for id_ in asked] == asked
    assert len(set(asked)) == len(population.people)


@pytest.mark.parametrize("first", [100, 6, 1])
def test_a_list_of_all_patients_has_each_person_once(gateway: Gateway, sandbox: Sandbox, first: int) -> None:
    query = """query All($first: Int!, $after: String) { patients(first: $first, after: $after) {
      completeness pageInfo { hasNextPage endCursor } nodes { id } } }"""
    pages = list(gateway.pages(query, ("patients",), first=first))
    ids = [row["id"] for page in pages for row in page["nodes"]]
    assert sorted(ids) == sorted(row["id"] for row in sandbox.summary["patients"])
    assert all(page["completeness"] == "COMPLETE" for page in pages)


def test_two_people_of_one_name_and_birth_date_stay_two(
    gateway: Gateway, sandbox: Sandbox, population: Population
) -> None:
    one, other = (person for person in population.people if "same-name" in person.traits)
    a, b = (gateway.ask(WHO, id=id_of(sandbox, person)).whole()["patient"] for person in (one, other))
    assert (a["name"][0]["family"], a["birthDate"]) == (b["name"][0]["family"], b["birthDate"])
    assert a["id"] != b["id"]
    assert {row["id"] for row in a["records"]}.isdisjoint(row["id"] for row in b["records"])
    rows = [walked(gateway, id_of(sandbox, person), 100) for person in (one, other)]
    assert {row["id"] for row in rows[0]}.isdisjoint(row["id"] for row in rows[1])


def ids_of(sandbox: Sandbox, person: Person) -> Iterator[str]:
    """Every id under which a person can be asked for."""
    yield id_of(sandbox, person)
    yield from (f"{source}/{reference}" for source, reference in person.sources.items())


def test_any_of_a_persons_ids_gives_the_same_patient(
    gateway: Gateway, sandbox: Sandbox, population: Population
) -> None:
    for person in population.people:
        answers = [gateway.ask(WHO, id=id_).whole()["patient"] for id_ in ids_of(sandbox, person)]
        assert all(answer == answers[0] for answer in answers)
        assert answers[0]["id"] == id_of(sandbox, person)
        records = {row["origin"]["name"]: row["id"] for row in answers[0]["records"]}
        assert records == {source: f"{source}/{ref}" for source, ref in person.sources.items()}


def test_the_nhs_number_gives_the_same_patient_as_an_id(
    gateway: Gateway, sandbox: Sandbox, population: Population
) -> None:
    query = "query Number($number: String!) { patient(identifier: $number) { id } }"
    for person in population.people:
        if person.nhs_number is not None:
            spaced = f"{person.nhs_number[:3]} {person.nhs_number[3:6]} {person.nhs_number[6:]}"
            for text in (person.nhs_number, spaced, f"https://fhir.nhs.uk/Id/nhs-number|{person.nhs_number}"):
                assert gateway.ask(query, number=text).whole()["patient"]["id"] == id_of(sandbox, person)


def test_a_wrong_check_digit_joins_nobody(gateway: Gateway, sandbox: Sandbox, population: Population) -> None:
    carriers = [person for person in population.people if "wrong-check-digit" in person.traits]
    answers = [gateway.ask(WHO, id=id_of(sandbox, person)).whole()["patient"] for person in carriers]
    numbers = {
        one["value"] for answer in answers for one in answer["identifier"] if "nhs-number" in one["system"]
    }
    assert len(carriers) == 2
    assert len(numbers) == 1, "both records carry the one wrong number"
    assert [len(answer["records"]) for answer in answers] == [1, 1]
    assert answers[0]["id"] != answers[1]["id"]


def test_the_number_is_not_readable_in_the_persons_id(sandbox: Sandbox, population: Population) -> None:
    for person in population.people:
        assert not person.nhs_number or person.nhs_number not in id_of(sandbox, person)
