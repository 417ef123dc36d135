"""What a reference text points to."""

import functools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical.references import (
    ParsedReference,
    contained_resource,
    is_resource_id,
    parse_reference,
    reference_text,
    target_type,
)

absolute = functools.partial(ParsedReference, "absolute")


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("Patient/1", ParsedReference("relative", None, "Patient", "1")),
        ("Patient/1/_history/2", ParsedReference("relative", None, "Patient", "1", "2")),
        ("https://a.example/fhir/Patient/a-B.1", absolute("https://a.example/fhir", "Patient", "a-B.1")),
        ("http://a.example:80/Patient/1/_history/3", absolute("http://a.example:80", "Patient", "1", "3")),
        ("https://a.example/Patient/1/List/2", absolute("https://a.example/Patient/1", "List", "2")),
        ("https://a.example/fhir/patients?id=1", ParsedReference("absolute")),
        ("https://a.example/fhir?x=/Patient/1", ParsedReference("absolute")),
        ("https://a.example/fhir/Patient/1?_format=json", ParsedReference("absolute")),
        ("#p1", ParsedReference("contained", id="p1")),
        ("#", ParsedReference("contained")),
        ("urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7", ParsedReference("urn")),
        ("urn:oid:1.2.3", ParsedReference("urn")),
    ],
)  # fmt: skip
def test_the_parts_of_a_reference(text: str, parsed: ParsedReference) -> None:
    assert parse_reference(text) == parsed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "Patient",
        "Patient/",
        "/Patient/1",
        "patient/1",
        "Patient?identifier=1",
        "Patient/1/",
        "Patient/a b",
        "Patient/1\n",
        "Patient/" + "a" * 65,
        "../Patient/1",
        "file:///Patient/1",
        "ftp://a/Patient/1",
    ],
)
def test_a_text_that_addresses_nothing_is_logical(text: str) -> None:
    assert parse_reference(text) == ParsedReference("logical")


@pytest.mark.parametrize("id", ["..", "."])
def test_an_id_that_would_climb_in_a_path_is_no_id(id: str) -> None:
    assert not is_resource_id(id)
    for text in (f"Patient/{id}", f"Patient/1/_history/{id}", f"https://a.example/Patient/{id}"):
        assert parse_reference(text).id is None


def test_a_long_reference_is_read_like_a_short_one() -> None:
    base = "https://a.example/" + "a" * 500
    assert parse_reference(f"{base}/Patient/1") == absolute(base, "Patient", "1")


@given(st.text())
def test_no_text_raises(text: str) -> None:
    assert parse_reference(text).kind in ("relative", "absolute", "contained", "urn", "logical")


@given(st.from_regex(r"\A[A-Z][A-Za-z]{2,20}\Z"), st.from_regex(r"\A[A-Za-z0-9-]{1,64}\Z"))
def test_a_relative_reference_comes_back(resource_type: str, local_id: str) -> None:
    assert parse_reference(f"{resource_type}/{local_id}").local == f"{resource_type}/{local_id}"


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ({"reference": "Patient/1"}, "Patient"),
        ({"reference": "Group/1", "type": "Patient"}, "Group"),
        ({"reference": "https://a.example/Patient/1"}, "Patient"),
        ({"reference": "#p"}, "Patient"),
        ({"reference": "#missing", "type": "Patient"}, None),
        ({"reference": "#", "type": "Patient"}, None),
        ({"reference": "urn:uuid:1", "type": "Patient"}, "Patient"),
        ({"reference": "urn:uuid:1"}, None),
        ({"type": "Patient", "identifier": {"value": "1"}}, "Patient"),
        ({"type": "http://hl7.org/fhir/StructureDefinition/Patient"}, "Patient"),
        ({"display": "somebody"}, None),
        ({"reference": 5, "type": 6}, None),
        ("Patient/1", "Patient"),
        (None, None),
        (["Patient/1"], None),
    ],
)
def test_the_type_of_what_is_pointed_to(reference: Any, expected: str | None) -> None:
    resource = {"contained": [None, "x", {"resourceType": "Patient", "id": "p"}]}
    assert target_type(reference, resource) == expected


@pytest.mark.parametrize(
    "resource", [{}, {"contained": None}, {"contained": {"id": "p"}}, {"contained": ["p"]}, None]
)
def test_what_is_not_contained_is_none(resource: Any) -> None:
    assert contained_resource("p", resource) is None


@pytest.mark.parametrize(
    "reference", [None, {}, {"reference": ""}, {"reference": None}, {"reference": 1}, 5, ""]
)
def test_a_reference_without_text_has_none(reference: Any) -> None:
    assert reference_text(reference) is None
