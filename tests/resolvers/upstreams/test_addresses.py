"""Addresses: one spelling for one origin, and links that stay where they belong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolvers.resource import Location
from resolvers.upstreams.addresses import link_pattern, origin_of, resolved_link, web_address
from resolvers.upstreams.fhir_entries import Asked, next_address

PLACE = Location("http://gp.test/A81001/fhir")


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("http://EHR.test/fhir", "http://ehr.test"),
        ("http://ehr.test:80/", "http://ehr.test"),
        ("https://ehr.test:443", "https://ehr.test"),
        ("https://ehr.test:80", "https://ehr.test:80"),
        ("HTTP://ehr.test:8080/x?y#z", "http://ehr.test:8080"),
        ("http://[::1]:8000/fhir", "http://[::1]:8000"),
        ("http://user:pw@ehr.test/", "http://ehr.test"),
    ],
)
def test_one_origin_has_one_spelling(address: str, origin: str) -> None:
    assert origin_of(address) == origin


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ehr.test",
        "ftp://ehr.test",
        "http://",
        "http://u@ehr.test",
        "http://ehr.test/?a=1",
        "http://ehr.test/#a",
        "http://ehr.test:99999/",
    ],
)
def test_a_base_address_is_plain(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        web_address(text)


def test_a_base_address_loses_its_last_slash() -> None:
    assert web_address("HTTPS://Ehr.test:443/Fhir/R4//") == "https://ehr.test/Fhir/R4"


@pytest.mark.parametrize(
    "link",
    [
        "http://gp.test/A81001/fhir/Patient?p=2",
        "Patient?p=2",
        "/A81001/fhir/Patient?p=2",
        "  Patient?p=2  ",
        "http://GP.test:80/A81001/fhir/Patient?p=2#fragment",
    ],
)
def test_a_link_below_the_base_is_followed(link: str) -> None:
    assert resolved_link(link, PLACE, is_only_place=False) == "http://gp.test/A81001/fhir/Patient?p=2"


@pytest.mark.parametrize(
    "link",
    [
        "http://gp.test/B82002/fhir/Patient?p=2",
        "../../B82002/fhir/Patient",
        "/A81001/fhirx/Patient",
        "/A81001/fhir/../../B82002/fhir",
        "http://gp.test/A81001/fhir/%2e%2e/x/../../../B82002/fhir",
        "/",
        "",
    ],
)
def test_a_link_out_of_a_place_among_several_is_refused(link: str) -> None:
    found = resolved_link(link, PLACE, is_only_place=False)
    assert found is None or found.startswith("http://gp.test/A81001/fhir/")


def test_a_server_alone_at_its_origin_may_page_anywhere_on_it() -> None:
    assert resolved_link("/pages?id=1", PLACE, is_only_place=True) == "http://gp.test/pages?id=1"


@given(st.text(max_size=60) | st.text(alphabet="/.@:\\?#%htpgAB", max_size=40))
def test_no_link_leaves_the_origin(link: str) -> None:
    for is_only_place in (True, False):
        found = resolved_link(link, PLACE, is_only_place)
        assert (
            found is None
            or found == "http://gp.test"
            or found.startswith(("http://gp.test/", "http://gp.test?"))
        )


_BASES = st.sampled_from([PLACE.base_url, "http://gp.test", "http://gp.test/.x", "http://gp.test/_search"])
_STEPS = st.sampled_from(
    [
        "/",
        "?",
        "/.",
        "/..",
        "/_search",
        "_search",
        "Patient",
        "a=1",
        "&",
        "#",
        "\\",
        " ",
        "%2F",
        "é",
        ".",
        "\n",
        ":",
    ]
)


@given(_BASES, st.lists(_STEPS, max_size=6), st.booleans())
def test_a_link_that_is_followed_as_it_is_is_what_a_closer_look_makes_of_it(
    base: str, steps: list[str], is_only_place: bool
) -> None:
    link = base + "".join(steps)
    asked = Asked("gp", "Patient", Location(base), is_only_place)
    if link_pattern(base).fullmatch(link):
        assert next_address(asked, link) == link


def test_usual_next_links_are_followed_as_they_are() -> None:
    pattern = link_pattern(PLACE.base_url)
    for link in ("/Observation?page=2&_sort=-date", "?_getpages=a-b_c.d", "/Patient/a/b?x=y.z:1,2|3"):
        assert pattern.fullmatch(PLACE.base_url + link)
    assert not pattern.fullmatch(PLACE.base_url + "x?page=2")
    assert not pattern.fullmatch(PLACE.base_url + "/Observation/_search?page=2")
