"""Scopes by coordinates by paths: what is visible is what the oracle permits, all of it, and nothing more
is asked of any source."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.population.model import Population
from tests.pipeline import laboratory
from tests.pipeline.laboratory import CATEGORIES, LOINC, House
from tests.pipeline.scope_matrix import ABOUT_A_PATIENT, MINE, Case, Matrix
from tests.pipeline.scope_paths import check
from tests.running import Sandbox

LAB = f"category={CATEGORIES}|laboratory"
VITAL = f"category={CATEGORIES}|vital-signs"
HEART = f"code={LOINC}|8867-4"
SCOPES = (
    *(f"{level}/*.{letters}" for level in ("patient", "user", "system") for letters in ("rs", "r", "s")),
    *(f"{level}/*.read" for level in ("patient", "user", "system")),
    "patient/Patient.rs patient/Observation.rs",
    "user/Patient.r user/Observation.s",
    "system/Patient.s system/Observation.r",
    "patient/Patient.r patient/Observation.s patient/Condition.r",
    "user/Observation.rs user/Encounter.r user/Practitioner.r",
    "user/Patient.* user/DiagnosticReport.read user/Medication.write",
    "user/Patient.cruds user/Observation.cud user/MedicationRequest.rs",
    "patient/*.rs user/Practitioner.rs",
    "user/DiagnosticReport.rs patient/Observation.rs",
    "user/Observation.rs patient/Practitioner.r patient/Patient.r",
    # granular
    f"user/Patient.rs user/Observation.rs?{LAB}",
    f"patient/Patient.rs patient/Observation.rs?{LAB}",
    f"patient/Patient.rs patient/Observation.rs?{LAB} patient/Observation.rs?{VITAL}",
    f"user/Patient.rs user/Observation.r?{LAB} user/Observation.s?{VITAL}",
    f"user/Patient.r user/Observation.rs?{LAB}&{VITAL}",
    f"system/Patient.rs system/Observation.rs?{HEART} system/Condition.rs",
    "user/*.rs?_id=20083,1007,me-lab",
    "patient/*.rs?_id=me-lab,1007,1001",
    f"user/*.rs?{LAB}",
    f"patient/*.rs user/Observation.rs?{LAB}",
    f"patient/Observation.rs?{VITAL} user/Patient.rs user/Observation.s?{LAB}",
    f"patient/DiagnosticReport.rs user/Observation.rs?{LAB} patient/Patient.r",
    # what means nothing, beside what does
    "user/observation.rs user/Patient.rs",
    "user/Observation.sr user/Patient.rs",
    "user/Observation.rs?category:not=laboratory user/Patient.r",
    "user/Observation.rs?patient.name=x user/Patient.r",
    "user/Observation.read?category=laboratory user/Patient.r",
    "user/Observation.rs?category user/Patient.r",
    "user/Nothing.rs user/Patient.r",
    "user/Immunization.rs",
    "everything launch/patient openid patient/Encounter.rs",
)


@pytest.fixture(scope="module")
def house(sandbox: Sandbox, population: Population) -> Iterator[House]:
    with laboratory.house(sandbox, population) as built:
        yield built


@pytest.fixture(scope="module")
def matrix(house: House) -> Matrix:
    return Matrix(house)


@pytest.mark.parametrize("scope", SCOPES)
def test_what_is_visible_is_what_the_scopes_permit(matrix: Matrix, scope: str) -> None:
    check(Case(matrix, scope))


@pytest.mark.parametrize("scope", [one for one in SCOPES if "patient/" in one and " user/" in one])
def test_both_executors_see_the_same(matrix: Matrix, scope: str) -> None:
    check(Case(matrix, scope, asks_twice=True))


@pytest.mark.parametrize("patient", [None, "nowhere/Patient/1", "ehr/Patient/nobody"])
@pytest.mark.parametrize(
    "scope", ["patient/*.rs user/Observation.s user/Patient.r", f"patient/*.rs user/Observation.rs?{LAB}"]
)
def test_scopes_for_a_patient_whom_nobody_knows_permit_nothing(
    matrix: Matrix, scope: str, patient: str | None
) -> None:
    check(Case(matrix, scope, patient))


WORDS = st.builds(
    "{}/{}.{}{}".format,
    st.sampled_from(("patient", "patient", "user", "system")),
    st.sampled_from(
        (*ABOUT_A_PATIENT, "Patient", "Patient", "Practitioner", "Medication", "*", "Immunization")
    ),
    st.sampled_from(("r", "s", "rs", "rs", "cruds", "read", "*", "cud", "sr")),
    st.sampled_from(("", "", "", f"?{LAB}", f"?{VITAL}", f"?{HEART}", "?_id=20083,1007,me", "?_id:not=x")),
)


@settings(max_examples=60, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(words=st.lists(WORDS, min_size=1, max_size=4), patient=st.sampled_from((MINE, MINE, None)))
def test_any_scopes_permit_what_the_oracle_says(
    matrix: Matrix, words: list[str], patient: str | None
) -> None:
    case = Case(matrix, " ".join(words), patient)
    if not case.permits_nothing:
        check(case)
        return
    matrix.house.forget_requests()
    told = (
        matrix.house.as_me("{ patients { nodes { id } } }", case.scope)
        if patient
        else matrix.house.ask("{ me { id } }", case.scope)
    )
    assert (told.status, told.codes) == (403, ["FORBIDDEN"])
    assert matrix.house.requests() == []


@pytest.mark.parametrize("narrowing", ["patient=Patient/1007", "subject=Patient/1007", "patient=1007"])
def test_ids_in_a_scope_are_those_of_the_issuers_own_source(matrix: Matrix, narrowing: str) -> None:
    """The laboratory knows somebody else by the id that the caller's record has in the hospital."""
    scope = f"user/Observation.rs?{narrowing} user/Patient.r"
    query = """{
      node(id: "lab/Observation/namesake-1") { id }
      listed: observations(first: 100) { nodes { origin { name } subject { reference } } }
      found: observations(first: 100, patient: ["lab/Patient/1007"]) { nodes { id } }
      patient(id: "%s") { observations(first: 100) { nodes { origin { name } } } }
      namesake: patient(id: "lab/Patient/1007") { observations(first: 100) { nodes { id } } }
    }"""
    house = matrix.house
    data = house.ask(query % house.id_of(house.me), scope).data
    assert data["node"] is None
    assert {one["origin"]["name"] for one in data["listed"]["nodes"]} == {"ehr"}
    assert all("Patient/1007" in one["subject"]["reference"] for one in data["listed"]["nodes"])
    assert data["found"]["nodes"] == data["namesake"]["observations"]["nodes"] == []
    assert {one["origin"]["name"] for one in data["patient"]["observations"]["nodes"]} == {"ehr"}
