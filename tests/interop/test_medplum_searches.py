"""Searches and references with Medplum's FHIR router in the hospital's place."""

from collections import defaultdict

import pytest

from clinical.codec import encode_json
from sandbox.population.model import Person
from tests.interop.conftest import Sandbox
from tests.interop.endpoint import Endpoint, Json
from tests.interop.medplum import Medplum

pytestmark = pytest.mark.interop

SEARCHES = (
    'observations(first: 100, code: ["http://loinc.org|8867-4", "14647-2"])',
    'observations(first: 100, category: ["laboratory"], date: {ge: "2019", lt: "2024-06"})',
    'observations(first: 100, date: {le: "2018-01-01"})',
    'observations(first: 100, status: ["entered-in-error"])',
    'observations(first: 100, category: ["vital-signs"], sort: "date")',
    "conditions(first: 100)",
    'conditions(first: 100, clinicalStatus: ["active"])',
    'conditions(first: 100, onsetDate: {lt: "2015"})',
    'encounters(first: 100, class: ["AMB"])',
    'medicationRequests(first: 100, status: ["active"])',
    "allergyIntolerances(first: 100)",
    "appointments(first: 100)",
    "documentReferences(first: 100)",
    "coverages(first: 100)",
)
ROOT_SEARCHES = (
    'patients(first: 100, birthdate: {lt: "1960"})',
    'patients(first: 100, gender: ["female"], sort: "family")',
    'patients(first: 100, identifier: ["https://fhir.nhs.uk/Id/nhs-number|9990281505"])',
    "practitioners(first: 100)",
    "organizations(first: 100)",
)
FOUND = "{ completeness sources { source status } pageInfo { hasNextPage } nodes { __typename id } }"
REFERENCES = """query References($id: ID!) {
  patient(id: $id) {
    observations(first: 40, category: ["laboratory"]) {
      completeness
      nodes {
        id
        subject { reference resource { __typename ... on Patient { id } } }
        encounter { reference resource { __typename ... on Encounter { id status period { start } } } }
        performer { reference resource { __typename ... on Practitioner { id name { family } } } }
      }
    }
    diagnosticReports(first: 10) {
      nodes {
        id
        specimen { reference resource { __typename ... on Specimen { id } } }
        result { reference resource { __typename ... on Observation { id } } }
      }
    }
  }
}"""


def test_searches_of_a_person_answer_as_with_the_sandbox_hospital(
    theirs: Endpoint, endpoint: Endpoint, people: list[tuple[str, Person]]
) -> None:
    searches = " ".join(f"s{place}: {search} {FOUND}" for place, search in enumerate(SEARCHES))
    query = f"query Searches($id: ID!) {{ patient(id: $id) {{ {searches} }} }}"
    rows: defaultdict[str, int] = defaultdict(int)
    for canonical, _ in people:
        expected = endpoint.data(query, id=canonical)["patient"]
        found = theirs.data(query, id=canonical)["patient"]
        for name, search in zip(expected, SEARCHES, strict=True):
            assert found[name] == expected[name], search
            rows[search] += len(found[name]["nodes"])
    assert [search for search in SEARCHES if not rows[search]] == []


@pytest.mark.parametrize("search", ROOT_SEARCHES)
def test_searches_from_the_root_answer_as_with_the_sandbox_hospital(
    theirs: Endpoint, endpoint: Endpoint, search: str
) -> None:
    query = f"{{ found: {search} {FOUND} }}"
    expected = endpoint.data(query)["found"]
    assert theirs.data(query)["found"] == expected
    assert expected["nodes"]


def test_no_row_is_of_another_patient(theirs: Endpoint, people: list[tuple[str, Person]]) -> None:
    lists = " ".join(
        f"{name}(first: 100) {{ nodes {{ origin {{ name }} subject {{ reference }} }} }}"
        for name in ("observations", "conditions", "encounters", "medicationRequests", "carePlans")
    )
    for canonical, person in people:
        answer = theirs.data(f"query Own($id: ID!) {{ patient(id: $id) {{ {lists} }} }}", id=canonical)
        shown = {
            (row["origin"]["name"], local(row["subject"]["reference"]))
            for listed in answer["patient"].values()
            for row in listed["nodes"]
        }
        assert shown <= set(person.sources.items())
        assert ("ehr", person.sources["ehr"]) in shown


def local(reference: str) -> str:
    """`Patient/1001` of a reference of any form."""
    return "/".join(reference.partition("/_history/")[0].split("/")[-2:])


def test_a_parameter_that_the_peer_cannot_evaluate_is_told_as_not_supported(
    theirs: Endpoint, people: list[tuple[str, Person]]
) -> None:
    query = f"query Q($id: ID!) {{ patient(id: $id) {{ observations(valueQuantity: {{gt: 5.1}}) {FOUND} }} }}"
    observations = theirs.data(query, id=people[0][0])["patient"]["observations"]
    assert observations["completeness"] == "PARTIAL"
    assert {"source": "ehr", "status": "NOT_SUPPORTED"} in observations["sources"]


def test_references_are_followed_as_with_the_sandbox_hospital_in_few_requests(
    theirs: Endpoint, endpoint: Endpoint, people: list[tuple[str, Person]], sandbox: Sandbox, peer: Medplum
) -> None:
    canonical, _ = people[0]
    peer.take_requests()
    found = theirs.result(REFERENCES, id=canonical)
    asked = peer.take_requests()
    expected = endpoint.result(REFERENCES, id=canonical)
    own, other = sandbox.summary["upstreams"]["ehr"].encode(), peer.base_url.encode()
    assert encode_json(found["data"]) == encode_json(expected["data"]).replace(own, other)
    assert places(found) == places(expected)
    followed = encode_json(found["data"]).decode()
    assert all(
        f'"id":"ehr/{kind}/' in followed for kind in ("Encounter", "Observation", "Practitioner", "Specimen")
    )
    assert f'"resource":{{"__typename":"Patient","id":"{canonical}"}}' in followed
    # One request for the person, one for the lists, one for all that they refer to.
    assert len(asked) <= 3, asked


def places(result: Json) -> set[tuple[str, str]]:
    return {
        (str(error["path"]), f"{error['extensions']['code']} {error['extensions'].get('source')}")
        for error in result.get("errors", ())
    }
