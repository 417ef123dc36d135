"""A deployment's policy: what it asks for beyond scopes, nobody gets by any path, argument or sort."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from sandbox.population.model import Population
from tests.pipeline import laboratory
from tests.pipeline.asking import Told
from tests.pipeline.laboratory import House
from tests.running import Sandbox

Json = dict[str, Any]

# What the policy that comes with the gateway says of fields that read no type of their own.
BASE = """
[[rules]]
coordinates = ["Query.node", "Query.nodes", "Reference.resource", "Query.sources", "Patient.records",
               "Patient.summary", "PatientSummary.sections", "Patient.sources", "Patient.completeness",
               "*Connection.totalCount", "Attachment.url"]
reason = "as by default"
"""
TIGHT = """
[[rules]]
coordinates = ["Patient.telecom", "Patient.address"]
reason = "contact"
scopes = [["contact.read"]]

[[rules]]
coordinates = ["Patient.identifier"]
reason = "by level"
scopes = [["user/Patient.r"]]

[[rules]]
coordinates = ["Patient.birthDate"]
reason = "by purpose"
purposes = ["TREAT"]

[[rules]]
coordinates = ["Observation.subject"]
reason = "by level"
scopes = [["user/Observation.r"], ["patient/Observation.r"]]

[[rules]]
coordinates = ["Observation.interpretation", "Observation.status"]
reason = "by level"
scopes = [["patient/Observation.r"]]
"""

Opened = Callable[..., House]


@pytest.fixture(scope="module")
def opened(sandbox: Sandbox, population: Population, tmp_path_factory: pytest.TempPathFactory) -> Opened:
    @contextmanager
    def open_(rows: str = TIGHT, **permissions: Any) -> Iterator[House]:
        file = tmp_path_factory.mktemp("policy") / "policy.toml"
        file.write_text(BASE + rows, "utf-8")

        def change(written: Json) -> None:
            written["permissions"] = {"policy": str(file), **permissions}

        with laboratory.house(sandbox, population, (), change) as house:
            yield house

    return open_  # type: ignore[return-value]


@pytest.fixture(scope="module")
def house(opened: Any) -> Iterator[House]:
    with opened() as built:
        yield built


def denied(told: Told) -> list[tuple[str, str]]:
    """Path and coordinate of each denied selection."""
    return sorted(
        (".".join(error["path"]), error["extensions"]["coordinate"])
        for error in told.errors
        if error["extensions"]["code"] == "UNAUTHORIZED_FIELD_OR_TYPE"
    )


PERSON = "query Q($id: ID!) { patient(id: $id) { id telecom { value } home: address { city } ...Who } }"
WHO = " fragment Who on Patient { identifier { value } birthDate }"


def test_words_levels_and_purposes_are_asked_for(house: House) -> None:
    me = house.id_of(house.me)
    told = house.ask(PERSON + WHO, "system/Patient.r", id=me)
    assert told.data == {
        "patient": dict.fromkeys(("telecom", "home", "identifier", "birthDate")) | {"id": me}
    }
    assert denied(told) == [
        ("patient.birthDate", "Patient.birthDate"),
        ("patient.home", "Patient.address"),
        ("patient.identifier", "Patient.identifier"),
        ("patient.telecom", "Patient.telecom"),
    ]
    required = {
        error["extensions"]["coordinate"]: error["extensions"]["requiredScopes"] for error in told.errors
    }
    assert ["user/Patient.r"] in required["Patient.identifier"]
    assert ["user/Patient.r", "contact.read"] in required["Patient.telecom"]
    told = house.ask(PERSON + WHO, "user/Patient.r contact.read", id=me, claims={"purpose": "TREAT"})
    assert all(told.whole()["patient"].values())


def test_a_rule_holds_by_every_path(house: House) -> None:
    me = house.id_of(house.me)
    query = """query Q($id: ID!) {
      node(id: $id) { ...P } nodes(ids: [$id]) { ...P } me { ...P }
      patients(first: 5, _id: ["me"]) { edges { node { ...P } } nodes { ...P } }
      observation(id: "lab/Observation/me-lab") { subject { resource { ...P } } }
      report: diagnosticReport(id: "lab/DiagnosticReport/me-report") { contained { __typename } ...S }
      __schema { queryType { name } }
    }
    fragment P on Patient { id telecom { value } address { city line } }
    fragment S on DiagnosticReport { subject { resource { ... on Patient { telecom { value } } } } }"""
    for document in (query, query.replace("__schema { queryType { name } }", "")):
        told = house.as_me(document, "user/*.rs patient/*.rs", id=me)
        found = repr(told.data)
        assert me in found
        assert "'value'" not in found
        assert "'city'" not in found
        assert len(denied(told)) == len(set(denied(told))) == 13
        assert ("nodes.@.telecom", "Patient.telecom") in denied(told)
        assert ("patients.edges.@.node.address", "Patient.address") in denied(told)


PROBES = {
    'patients(telecom: ["x"]) { nodes { id } }': "Patient.telecom",
    'patients(phone: ["x"]) { totalCount }': "Patient.telecom",
    'patients(email: ["x"]) { pageInfo { hasNextPage } }': "Patient.telecom",
    'patients(sort: "address-city") { nodes { id } }': "Patient.address",
    'patients(sort: "-address-postalcode") { nodes { id } }': "Patient.address",
    'patients(address: {contains: "x"}) { nodes { id } }': "Patient.address",
    'patients(addressCity: {startsWith: "x"}) { totalCount }': "Patient.address",
    'patients(identifier: ["x|y"]) { nodes { id } }': "Patient.identifier",
    'patients(birthdate: {eq: "1980"}) { nodes { id } }': "Patient.birthDate",
    'patients(sort: "birthdate") { nodes { id } }': "Patient.birthDate",
    'patient(identifier: "9997612531") { id }': "Patient.identifier",
    'observations(patient: ["lab/Patient/me"]) { nodes { id } }': "Observation.subject",
    'observations(subject: ["lab/Patient/me"]) { totalCount }': "Observation.subject",
    'observations(sort: "patient") { nodes { id } }': "Observation.subject",
    'observations(status: ["final"]) { totalCount }': "Observation.status",
}


@pytest.mark.parametrize("probe", PROBES)
def test_no_argument_and_no_sort_tells_what_a_rule_withholds(house: House, probe: str) -> None:
    house.forget_requests()
    told = house.ask(f"{{ found: {probe} }}", "system/*.rs")
    assert told.data == {"found": None}
    assert denied(told) == [("found", PROBES[probe])]
    assert house.requests() == []


def test_a_search_by_what_is_permitted_is_answered(house: House) -> None:
    claims = {"purpose": "TREAT"}
    for probe in (*PROBES, 'patients(addressCity: {startsWith: "x"}, sort: "-birthdate") { nodes { id } }'):
        if "status:" in probe:
            continue
        told = house.ask(f"{{ found: {probe} }}", "user/*.rs contact.read", claims=claims)
        assert denied(told) == [], probe
        assert told.data["found"] is not None, probe


def test_a_narrowed_scope_satisfies_a_rule_on_what_it_covers_alone(house: House) -> None:
    """`user/Patient.r?_id=me` does not open the identifiers of everybody whom `user/Patient.s` lists."""
    scope = "user/Patient.s user/Patient.r?_id=1007"
    query = '{ patients(first: 100, _id: ["1007", "1001"]) { nodes { id identifier { value } } } }'
    listed = house.ask(query, scope).whole()["patients"]["nodes"]
    shown = {one["id"]: one["identifier"] for one in listed}
    assert house.id_of(house.other) in shown
    assert [id_ for id_, identifiers in shown.items() if identifiers] == [house.id_of(house.me)]
    probe = f'{{ patient(identifier: "{house.other.nhs_number}") {{ id }} }}'
    assert house.ask(probe, scope).data == {"patient": None}
    probe = f'{{ patients(identifier: ["{house.other.nhs_number}"]) {{ nodes {{ id }} totalCount }} }}'
    assert house.ask(probe, scope).data in (
        {"patients": None},
        {"patients": {"nodes": [], "totalCount": None}},
    )


def test_a_narrowed_scope_does_satisfy_a_rule_on_what_it_covers(house: House) -> None:
    for scope in ("user/Patient.rs?_id=1007", "user/Patient.s user/Patient.r?_id=1007"):
        told = house.ask('{ patients(_id: ["1007"]) { nodes { id identifier { value } } } }', scope).whole()
        by_id = {one["id"]: one["identifier"] for one in told["patients"]["nodes"]}
        assert by_id[house.id_of(house.me)], scope


MASKED = """query Q($id: ID!) { patient(id: $id) { observations(first: 100) {
  nodes { id status } edges { node { interpretation { text } status } } } } }"""


def test_an_element_that_only_the_patients_scope_permits_is_shown_of_the_patient_alone(house: House) -> None:
    """By lists, by id and by reference, however plain the sources' pages are."""
    scope = "user/*.rs patient/*.rs"
    for person in (house.me, house.other):
        told = house.as_me(MASKED, scope, id=house.id_of(person)).whole()["patient"]["observations"]
        assert {one["status"] is not None for one in told["nodes"]} == {person is house.me}
        assert {one["node"]["status"] is not None for one in told["edges"]} == {person is house.me}
    query = """{ mine: observation(id: "lab/Observation/me-lab") { status }
      other: node(id: "lab/Observation/other-lab") { ... on Observation { status } }
      report: diagnosticReport(id: "lab/DiagnosticReport/other-report") {
        contained { ...S } result { resource { ...S } } } }
      fragment S on Observation { status }"""
    told = house.as_me(query, scope).whole()
    assert told["mine"] == {"status": "final"}
    assert told["other"] == {"status": None}
    assert "final" not in repr(told["report"])


def test_an_operation_is_refused_as_a_whole_where_the_deployment_says_so(opened: Any) -> None:
    with opened(on_denied="reject") as house:
        house.forget_requests()
        told = house.ask("{ patients { nodes { id telecom { value } } } sources { source } }", "user/*.rs")
        assert (told.status, told.codes) == (403, ["FORBIDDEN", "UNAUTHORIZED_FIELD_OR_TYPE"])
        assert "data" not in told.document
        challenge = told.headers["www-authenticate"]
        assert challenge.startswith('Bearer error="insufficient_scope"')
        assert "user/Patient.r contact.read" in challenge
        assert house.requests() == []
        assert house.ask("{ patients { nodes { id } } }", "user/*.rs").whole()["patients"]["nodes"]


def test_a_policy_that_is_only_measured_denies_nothing_and_scopes_still_hold(opened: Any) -> None:
    with opened(mode="measure") as house:
        me = house.id_of(house.me)
        told = house.ask(PERSON + WHO, "system/Patient.r", id=me)
        assert all(told.whole()["patient"].values())
        told = house.ask("{ patients { nodes { id } } }", "system/Patient.r")
        assert denied(told) == [("patients", "Query.patients")]
