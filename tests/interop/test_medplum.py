"""Medplum's FHIR router in the hospital's place: one line of gateway.toml is another."""

import pytest

from clinical.dates import interval
from sandbox.population.model import Person, Population
from tests.interop.conftest import chosen
from tests.interop.endpoint import Endpoint, Json
from tests.interop.medplum import Medplum, loaded

pytestmark = pytest.mark.interop

PATIENT = """query Patient($id: ID, $nhs: String) {
  patient(id: $id, identifier: $nhs) {
    id name { family given } birthDate gender identifier { system value } records { id }
    completeness sources { source status }
  }
}"""


def test_a_person_is_found_by_every_id_and_by_nhs_number(
    theirs: Endpoint, endpoint: Endpoint, people: list[tuple[str, Person]]
) -> None:
    for canonical, person in people:
        expected = endpoint.data(PATIENT, id=canonical)["patient"]
        assert expected["id"] == canonical
        assert theirs.data(PATIENT, id=canonical)["patient"] == expected
        assert theirs.data(PATIENT, id=f"ehr/{person.sources['ehr']}")["patient"] == expected
        assert theirs.data(PATIENT, nhs=person.nhs_number)["patient"] == expected


def test_a_number_with_a_wrong_check_digit_links_nobody(theirs: Endpoint, population: Population) -> None:
    person = next(one for one in population.people if "wrong-check-digit" in one.traits and not one.practice)
    patient = theirs.data(PATIENT, id=f"ehr/{person.sources['ehr']}")["patient"]
    assert [record["id"] for record in patient["records"]] == [f"ehr/{person.sources['ehr']}"]


@pytest.mark.parametrize("size", [20, 100])
def test_observations_come_newest_first_and_are_what_was_loaded(
    theirs: Endpoint, people: list[tuple[str, Person]], population: Population, size: int
) -> None:
    for canonical, person in people[:1] if size == 20 else people:
        pages = theirs.observation_pages(canonical, first=size)
        assert {page["completeness"] for page in pages} == {"COMPLETE"}
        rows = [row for page in pages for row in page["nodes"]]
        assert len({row["id"] for row in rows}) == len(rows)
        found = {row["id"] for row in rows if row["origin"]["name"] == "ehr"}
        assert found == loaded("Observation", person, population)
        moments = [moment(row) for row in rows]
        assert moments == sorted(moments, reverse=True)


def moment(row: Json) -> str:
    """When it was observed, comparable; what has no date comes last."""
    text = row["effectiveDateTime"] or (row["effectivePeriod"] or {}).get("start")
    return interval(text).low.isoformat() if text else ""


def test_digits_are_those_that_the_peer_holds(
    theirs: Endpoint, endpoint: Endpoint, population: Population, peer: Medplum
) -> None:
    query = "query Digits($id: ID!) { observation(id: $id) { valueQuantity { value valueText } } }"
    recorded = next(
        one["id"]
        for one in population.ehr["Observation"]
        if str(one.get("valueQuantity", {}).get("value")) == "5.10"
        and one["subject"]["reference"] == chosen(population)[0].sources["ehr"]
    )
    own = endpoint.data(query, id=f"ehr/Observation/{recorded}")["observation"]["valueQuantity"]
    assert own["valueText"] == "5.10"
    # JavaScript has no decimals: the peer itself keeps 5.1.
    held = peer.resource(f"Observation/{recorded}")["valueQuantity"]["value"]
    shown = theirs.data(query, id=f"ehr/Observation/{recorded}")["observation"]["valueQuantity"]
    assert shown["valueText"] == str(held) == "5.1"


def test_what_the_peer_does_not_hold_is_null(theirs: Endpoint) -> None:
    query = '{ observation(id: "ehr/Observation/nowhere") { id } patient(id: "ehr/Patient/nowhere") { id } }'
    assert theirs.data(query) == {"observation": None, "patient": None}
