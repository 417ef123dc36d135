"""Sources that fail now and then: what is missing is always told, and what is there is always right."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from sandbox.population.model import Person, Population
from tests.pipeline.asking import Gateway
from tests.pipeline.holdings import Held, of_population
from tests.running import Sandbox

LIST = """query Observations($id: ID!, $first: Int!, $after: String) {
  patient(id: $id) {
    id
    observations(first: $first, after: $after) {
      completeness sources { source status }
      pageInfo { hasNextPage endCursor }
      nodes { id effectiveDateTime origin { name fhirId } identifier { value } subject { resource { id } } }
    }
  }
}"""

FAULTS = [
    {"status": 500, "rate": 0.05},
    {"status": 500, "rate": 0.5},
    {"status": 429, "rate": 0.2},
    {"truncate": 200, "rate": 0.1},
    {"truncate": 0, "rate": 0.25},
]

Json = dict[str, Any]


def id_of(sandbox: Sandbox, person: Person) -> str:
    return str(sandbox.summary["patients"][person.index]["id"])


def walk(gateway: Gateway, id_: str, first: int) -> tuple[list[Json], bool]:
    """The rows of every page, and whether every page said that it is complete."""
    rows: list[Json] = []
    is_complete, after, has_next = True, None, True
    while has_next:
        answer = gateway.ask(LIST, id=id_, first=first, after=after)
        assert answer.status == 200
        assert answer.codes in (
            [],
            ["UPSTREAM_UNAVAILABLE"],
            ["UPSTREAM_THROTTLED"],
            ["UPSTREAM_INVALID_RESPONSE"],
        )
        if answer.data["patient"] is None:
            assert answer.errors, "a person who is not there is told from one who could not be looked for"
            return rows, False
        page = answer.data["patient"]["observations"]
        is_complete = is_complete and page["completeness"] == "COMPLETE"
        rows += page["nodes"]
        after, has_next = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
        if has_next and not page["nodes"]:
            assert not is_complete
            return rows, False
    return rows, is_complete


def held(row: Json, person: Person) -> Held:
    source = row["origin"]["name"]
    if source == "wearable":
        return source, "", " ".join(sorted(one["value"] for one in row["identifier"]))
    return source, (person.practice or "") if source == "gp" else "", row["origin"]["fhirId"]


@pytest.mark.parametrize("source", ["ehr", "gp", "wearable"])
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_list_that_says_it_is_complete_is_complete(
    gateway: Gateway, sandbox: Sandbox, population: Population, source: str, fault: Json
) -> None:
    people = [one for one in population.people if len(one.sources) == 3][:4]
    with sandbox.fault(source, **fault):
        walks = [(person, *walk(gateway, id_of(sandbox, person), 25)) for person in people]
    for person, rows, is_complete in walks:
        found = [held(row, person) for row in rows]
        expected = of_population(population, person).shown
        assert len(set(found)) == len(found), "no row is given twice"
        assert set(found) <= expected, "no row is somebody else's"
        assert not is_complete or set(found) == expected


def test_many_callers_at_once_each_get_their_own(
    gateway: Gateway, sandbox: Sandbox, population: Population
) -> None:
    people = [*population.people, *population.people]

    def ask(person: Person) -> tuple[Person, Json]:
        answer = gateway.ask(LIST, id=id_of(sandbox, person), first=20, after=None)
        return person, answer.whole()["patient"]

    with ThreadPoolExecutor(8) as callers:
        answers = list(callers.map(ask, people))
    for person, patient in answers:
        assert patient["id"] == id_of(sandbox, person)
        rows = patient["observations"]["nodes"]
        assert {held(row, person) for row in rows} <= of_population(population, person).shown
        subjects = {(row["subject"]["resource"] or {}).get("id") for row in rows}
        assert subjects == {id_of(sandbox, person)}
