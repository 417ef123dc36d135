"""Whose record a resource is."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical.compartment import (
    compartment_parameters,
    patient_parameter,
    patient_references,
    subject_element,
)
from clinical.parameters import parameters, resource_types
from tests.clinical.vectors import read

ABOUT_NO_PATIENT = {
    "author",
    "asserter",
    "recorder",
    "performer",
    "participant",
    "receiver",
    "sender",
    "recipient",
}


@pytest.mark.parametrize(
    ("resource_type", "code"),
    [
        ("Observation", "patient"),
        ("AllergyIntolerance", "patient"),
        ("Appointment", "patient"),
        ("Coverage", "patient"),
        ("AdverseEvent", "subject"),
        ("SupplyRequest", "subject"),
        ("Schedule", "actor"),
        ("Patient", None),
        ("Practitioner", None),
        ("Group", None),
        ("AuditEvent", None),
        ("MedicinalProductIndication", None),
        ("NoSuchType", None),
    ],
)
def test_the_parameter_that_says_who_it_is_about(resource_type: str, code: str | None) -> None:
    assert patient_parameter(resource_type) == code


def test_nobody_owns_what_they_only_wrote_or_performed() -> None:
    codes = {patient_parameter(name) for name in resource_types()}
    assert not codes & ABOUT_NO_PATIENT


def test_the_parameter_exists_and_may_be_a_patient() -> None:
    for name in resource_types():
        if (code := patient_parameter(name)) is not None:
            parameter = parameters(name)[code]
            assert parameter.type == "reference"
            assert parameter.targets & {"Patient", "Any"}


@pytest.mark.parametrize("vector", read("subjects"), ids=lambda vector: vector["rule"])
def test_whose_a_resource_is(vector: dict[str, Any]) -> None:
    assert patient_references(vector["resource"]) == vector["about"]


@given(
    st.sampled_from(["Observation", "AllergyIntolerance", "Appointment", "Patient", "Coverage"]),
    st.dictionaries(
        st.sampled_from(["id", "subject", "patient", "participant", "beneficiary", "contained"]),
        st.recursive(
            st.none() | st.integers() | st.sampled_from(["Patient/1", "#p", ""]),
            lambda inner: (
                st.lists(inner, max_size=2)
                | st.dictionaries(st.sampled_from(["reference", "type", "actor", "id"]), inner, max_size=3)
            ),
            max_leaves=8,
        ),
    ),
)
def test_no_shape_of_a_record_raises(resource_type: str, elements: dict[str, Any]) -> None:
    found = patient_references({**elements, "resourceType": resource_type})
    assert all(isinstance(text, str) and text for text in found)


def test_the_compartment_is_the_one_of_the_specification() -> None:
    assert compartment_parameters("AllergyIntolerance") == ("patient", "recorder", "asserter")
    assert compartment_parameters("Medication") == ()
    for name in resource_types():
        assert set(compartment_parameters(name)) <= set(parameters(name)), name


def test_a_subject_in_one_element_is_known_by_name() -> None:
    assert subject_element("Observation") == "subject"
    assert subject_element("AllergyIntolerance") == "patient"
    assert subject_element("Coverage") == "beneficiary"
    assert subject_element("Appointment") is None  # one participant of several
    assert subject_element("Medication") is None
