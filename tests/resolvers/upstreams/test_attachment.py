"""Which addresses of attachments are asked for: a Binary, or a file below the own place's base."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolvers.resource import Location
from resolvers.upstreams.attachment import attachment_address

BASE = "https://ehr.test/fhir"
PLACE = Location(BASE)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("Binary/1", f"{BASE}/Binary/1"),
        ("Binary/1/_history/2", f"{BASE}/Binary/1/_history/2"),
        (f"{BASE}/Binary/a-b.c", f"{BASE}/Binary/a-b.c"),
        ("/fhir/Binary/1", f"{BASE}/Binary/1"),
        ("HTTPS://EHR.test:443/fhir/Binary/1", f"{BASE}/Binary/1"),
        ("documents/letter.pdf?page=1", f"{BASE}/documents/letter.pdf?page=1"),
    ],
)
def test_what_lies_at_the_place_is_asked_for(url: str, address: str) -> None:
    assert attachment_address(url, PLACE) == address


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://elsewhere.test/fhir/Binary/1",
        "//elsewhere.test/fhir/Binary/1",
        "http://ehr.test/fhir/Binary/1",
        "https://ehr.test:8443/fhir/Binary/1",
        "https://ehr.test@elsewhere.test/fhir/Binary/1",
        "https://user:word@ehr.test/fhir/Binary/1",
        "https://ehr.test/other/Binary/1",
        "https://ehr.test/fhirs/Binary/1",
        "https://ehr.test.elsewhere.test/fhir/Binary/1",
        "https://ehr.test/fhir",
        "https://ehr.test/fhir/",
        "../admin",
        "Binary/../Patient/1",
        "documents/../Patient/1",
        "documents/%2e%2e/Patient/1",
        "documents/%2E%2E%2fPatient/1",
        "documents%252f..%252fPatient/1",
        "documents\\..\\Patient\\1",
        "Binary",
        "Binary/1?_format=json",
        "Binary/1/2",
        "Binary?_id=1",
        "Patient/1",
        "Patient?_id=1",
        "Observation/1/_history/1",
        "_search",
        "$everything",
        "metadata",
        "?_type=Patient",
        "#contained",
        "urn:uuid:8c2f8e1e-5d6c-4cf2-9b43-1d9b6c0d1a11",
        "data:text/plain;base64,AAAA",
        "file:///etc/passwd",
        "Binary/1\r\nX-Header: 1",
        "Binary/\u0661",
        "documents/" + "a" * 3000,
    ],
)
def test_anything_else_is_not_asked_for(url: str) -> None:
    assert attachment_address(url, PLACE) is None


def test_another_place_of_the_same_source_is_not_asked_for() -> None:
    practice, other = Location("https://gp.test/fhir/A"), Location("https://gp.test/fhir/B")
    assert attachment_address(f"{other.base_url}/Binary/1", practice) is None


@given(st.text(max_size=60) | st.from_regex(r"[a-zA-Z0-9:/.%?#@\\_$-]{0,60}", fullmatch=True))
def test_no_text_leads_out_of_the_place(url: str) -> None:
    address = attachment_address(url, PLACE)
    assert address is None or address.startswith(f"{BASE}/")
    assert address is None or "/../" not in f"{address}/"
