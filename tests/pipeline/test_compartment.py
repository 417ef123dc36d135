"""A patient's token reaches that patient's compartment, by whatever path, and nothing beside it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.population.model import Person, Population
from tests.pipeline.asking import Gateway
from tests.pipeline.holdings import of_population
from tests.running import Sandbox

Json = dict[str, Any]


@pytest.fixture(scope="module")
def mother(population: Population) -> Person:
    return next(one for one in population.people if "mother" in one.traits)


@pytest.fixture(scope="module")
def child(population: Population) -> Person:
    return next(one for one in population.people if "child" in one.traits)


def own(gateway: Gateway, sandbox: Sandbox, person: Person) -> Gateway:
    """The gateway, asked by the person."""
    patient = f"ehr/{person.sources['ehr']}"
    return gateway.with_token(sandbox.minted(scope="patient/*.rs", client="patient-app", patient=patient))


def id_of(sandbox: Sandbox, person: Person) -> str:
    return str(sandbox.summary["patients"][person.index]["id"])


def test_any_id_of_the_patient_may_stand_in_the_token(
    gateway: Gateway, sandbox: Sandbox, mother: Person
) -> None:
    local = mother.sources["ehr"]
    ids = [id_of(sandbox, mother), *(f"{name}/{ref}" for name, ref in mother.sources.items())]
    for text in (*ids, local, local.removeprefix("Patient/")):
        token = sandbox.minted(scope="patient/*.rs", patient=text)
        assert gateway.with_token(token).ask("{ me { id } }").whole() == {
            "me": {"id": id_of(sandbox, mother)}
        }


@pytest.mark.parametrize("patient", ["nobody", "ehr/Patient/none", "person/none", "nowhere/Patient/1"])
def test_a_token_of_an_unknown_patient_reaches_nothing(
    gateway: Gateway, sandbox: Sandbox, patient: str
) -> None:
    asked = gateway.with_token(sandbox.minted(scope="patient/*.rs", patient=patient))
    answer = asked.ask(
        '{ me { id } one: node(id: "ehr/Observation/20083") { id } observations { nodes { id } } }'
    )
    assert answer.data == {"me": None, "one": None, "observations": None}
    assert set(answer.codes) == {"FORBIDDEN"}


def test_a_patient_sees_only_themself(
    gateway: Gateway, sandbox: Sandbox, population: Population, mother: Person
) -> None:
    asked = own(gateway, sandbox, mother)
    query = "query Q($id: ID!) { patient(id: $id) { id } node(id: $id) { id } }"
    for person in population.people:
        me = {"id": id_of(sandbox, person)} if person is mother else None
        for id_ in (id_of(sandbox, person), *(f"{name}/{ref}" for name, ref in person.sources.items())):
            assert asked.ask(query, id=id_).whole() == {"patient": me, "node": me}
        if person.nhs_number:
            by_number = asked.ask(f'{{ patient(identifier: "{person.nhs_number}") {{ id }} }}').whole()
            assert by_number == {"patient": me}
    listed = asked.ask("{ patients(first: 100) { nodes { id } pageInfo { hasNextPage } } }").whole()[
        "patients"
    ]
    assert listed == {"nodes": [{"id": id_of(sandbox, mother)}], "pageInfo": {"hasNextPage": False}}


def test_a_patient_lists_only_their_own_observations(
    gateway: Gateway, sandbox: Sandbox, population: Population, mother: Person
) -> None:
    query = """query Q($first: Int!, $after: String) { observations(first: $first, after: $after) {
      completeness pageInfo { hasNextPage endCursor } nodes { subject { resource { id } } } } }"""
    pages = own(gateway, sandbox, mother).pages(query, ("observations",), first=40)
    rows = [row for page in pages for row in page["nodes"]]
    assert len(rows) == len(of_population(population, mother).shown)
    assert {row["subject"]["resource"]["id"] for row in rows} == {id_of(sandbox, mother)}


def test_a_patient_cannot_read_what_is_about_another(
    gateway: Gateway, sandbox: Sandbox, population: Population, mother: Person
) -> None:
    asked, mine = own(gateway, sandbox, mother), mother.sources["ehr"]
    for name in ("Observation", "Condition", "AllergyIntolerance", "Encounter", "MedicationRequest"):
        about = {one["id"]: json.dumps(subject_of(one), default=str) for one in population.ehr[name]}
        ids = list(about)[:100]
        query = "query Q($ids: [ID!]!) { nodes(ids: $ids) { id } }"
        nodes = asked.ask(query, ids=[f"ehr/{name}/{one}" for one in ids]).whole()["nodes"]
        for id_, node in zip(ids, nodes, strict=True):
            is_mine = f'{mine}"' in about[id_] or f"{mine}/_history" in about[id_]
            assert (node is not None) == is_mine, (name, about[id_])


def subject_of(resource: Json) -> Json:
    found: Json = resource.get("subject") or resource["patient"]
    return found


def test_a_mother_does_not_see_what_she_told_of_her_child(
    gateway: Gateway, sandbox: Sandbox, population: Population, mother: Person, child: Person
) -> None:
    hers, its = mother.sources["ehr"], child.sources["ehr"]
    told = [
        one["id"]
        for one in population.ehr["AllergyIntolerance"]
        if one["patient"]["reference"] == its and one.get("asserter", {}).get("reference") == hers
    ]
    assert told, "the child has an allergy of which the mother told"
    query = """query Q($id: ID!) { patient(id: $id) {
      allergyIntolerances(first: 100) { nodes { origin { fhirId } } } } }"""
    for asked in (gateway, own(gateway, sandbox, mother)):
        rows = asked.ask(query, id=id_of(sandbox, mother)).whole()["patient"]["allergyIntolerances"]["nodes"]
        assert not {row["origin"]["fhirId"] for row in rows} & set(told)
    for id_ in told:
        answer = own(gateway, sandbox, mother).ask(
            "query Q($id: ID!) { allergyIntolerance(id: $id) { id } }", id=f"ehr/AllergyIntolerance/{id_}"
        )
        assert answer.whole() == {"allergyIntolerance": None}


def test_what_is_about_no_patient_is_seen_where_the_own_record_refers_to_it(
    gateway: Gateway, sandbox: Sandbox, mother: Person
) -> None:
    asked = own(gateway, sandbox, mother)
    query = (
        """{ me { encounters(first: 20) { nodes { participant { individual { resource { id } } } } } } }"""
    )
    encounters = asked.ask(query).whole()["me"]["encounters"]["nodes"]
    ids = {
        part["individual"]["resource"]["id"]
        for row in encounters
        for part in row["participant"] or ()
        if part["individual"]
    }
    assert any("/Practitioner/" in id_ for id_ in ids)
    for id_ in sorted(ids)[:3]:
        assert asked.ask("query Q($id: ID!) { node(id: $id) { id } }", id=id_).whole() == {"node": None}
    answer = asked.ask("{ practitioners { nodes { id } } }")
    assert (answer.data, answer.codes) == ({"practitioners": None}, ["FORBIDDEN"])
