"""What the gateway gave out is counted: by person, type and source; and nothing that it did not give out."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

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
