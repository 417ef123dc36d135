"""What is noted as given out names the right person, or none: never somebody else."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from resolvers.disclosure import Disclosures
from resolvers.given import note_resources, note_rows, patient_of
from resolvers.resource import Location, Resource
from resolvers.shape import PlainPage, shape_of
from resolvers.straight import Straight

BASE = "https://gp.test/A81001/fhir"
NOW = datetime(2026, 11, 22, tzinfo=UTC)

SUBJECTS = [
    ("Patient/7", "gp/Patient/7"),
    ("Patient/7/_history/2", "gp/Patient/7"),
    (f"{BASE}/Patient/7", "gp/Patient/7"),
    ("https://ehr.test/fhir/Patient/7", None),  # the hospital's 7 is somebody else
    ("https://gp.test/B82002/fhir/Patient/7", None),
    ("Group/7", None),
    ("Device/7", None),
    ("#7", None),
    ("urn:uuid:7", None),
    ("Patient?identifier=9990000000", None),
    ("", None),
    (None, None),
]


def resource(type_: str = "Observation", id_: str = "1", **elements: Any) -> Resource:
    json = {"resourceType": type_, "id": id_, **elements}
    return Resource("gp", Location(BASE), type_, id_, json, NOW)


def about(reference: str | None) -> dict[str, Any]:
    return {} if reference is None else {"subject": {"reference": reference}}


def rows_of(disclosures: Disclosures) -> list[tuple[str | None, str, str, int]]:
    return [(row.patient, row.type, row.source, row.count) for row in disclosures]


@pytest.mark.parametrize(("reference", "patient"), SUBJECTS)
def test_a_row_is_of_the_person_that_its_own_place_knows_by_that_id(
    reference: str | None, patient: str | None
) -> None:
    long, short = Disclosures(), Disclosures()
    note_resources(long, None, [resource(**about(reference))])
    row = msgspec.convert(resource(**about(reference)).json, shape_of("Observation", ()).row)
    page = PlainPage([row], "gp", BASE, "Observation", NOW, "gp/Observation/", None)
    note_rows(short, None, Straight([row], has_next=False, page=page))
    assert rows_of(long) == rows_of(short) == [(patient, "Observation", "gp", 1)]


def test_a_list_about_a_person_is_that_persons() -> None:
    noted = Disclosures()
    note_resources(noted, "person/a", [resource(**about("Patient/7")), resource(id_="2")])
    page = PlainPage([object()] * 3, "gp", BASE, "Observation", NOW, "gp/Observation/", None)
    note_rows(noted, "person/a", Straight(page.rows, has_next=False, page=page))
    assert rows_of(noted) == [("person/a", "Observation", "gp", 5)]


def test_rows_of_another_source_between_those_of_one_are_noted_as_the_others() -> None:
    noted = Disclosures()
    one, other = (
        PlainPage([object()] * 2, name, BASE, "Observation", NOW, name, None) for name in ("gp", "ehr")
    )
    note_rows(noted, "person/a", Straight([object()] * 3, False, None, [one, other, one]))
    assert rows_of(noted) == [("person/a", "Observation", "ehr", 1), ("person/a", "Observation", "gp", 2)]


def test_a_contained_resource_is_of_the_person_of_its_holder() -> None:
    holder = resource(**about("Patient/7"))
    held = holder.holding("Observation", "1", {"resourceType": "Observation", **about("Patient/8")})
    assert patient_of(held) == "gp/Patient/7"


def test_a_patient_is_the_person_once_that_is_known() -> None:
    patient = resource("Patient", "7")
    assert patient_of(patient) == "gp/Patient/7"
    patient.person_id = "person/a"
    assert patient_of(patient) == "person/a"
