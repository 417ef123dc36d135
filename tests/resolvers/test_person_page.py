"""A page of persons that is asked for as it was before is the page that is planned anew."""

from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resolvers.level import Level
from resolvers.person_page import PersonSite
from tests.resolvers.asking import observation, patient
from tests.resolvers.test_level import (
    NUMBERS,
    RESTRICTED,
    SCOPES,
    SORTS,
    DeclaringUpstream,
    answer,
    change,
    copy,
    deployed,
)

PAGE: Final = "query Q($first: Int) { patients(first: $first) { nodes { id birthDate telecom { value } } } }"
WHOLE: Final = """query Q($first: Int) { patients(first: $first, sort: "_id") { completeness totalCount
  edges { node { id records { id } observations(first: 1) { nodes { id } } } }
  pageInfo { hasNextPage } sources { source status } } }"""
COUNTED: Final = "{ patients { totalCount sources { source status } } }"
TEXTS: Final = (PAGE, WHOLE, COUNTED)

LABEL: Final = {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "HIV"}]}
RIGHT: Final = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
ODD: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"meta": {"versionId": "1"}},
    {"meta": RESTRICTED},
    {"meta": LABEL},
    {"meta": {"security": [{"system": RIGHT, "code": "N"}]}},
    {"meta": {"security": "R"}},
    {"meta": 3},
    {"status": "entered-in-error"},
    {"active": False},
    {"identifier": []},
    {"identifier": None},
    {"link": [{"type": "replaced-by", "other": {"reference": "Patient/1"}}]},
    {"link": [{"type": "seealso", "other": {"reference": "Patient/1"}}]},
    {"birthDate": "1970"},
)
"""How a record may differ that is not as plain as the others."""

people = st.lists(
    st.tuples(st.sampled_from((*NUMBERS, *NUMBERS, "9990000019", None)), st.sampled_from(ODD + ({},) * 20)),
    max_size=4,
)


def held(rows: list[Any]) -> dict[str, list[dict[str, Any]]]:
    found = [
        {**patient(str(len(rows) - place), number, telecom=[{"value": "1"}]), **more}
        for place, (number, more) in enumerate(rows)
    ]
    seen = [observation(f"o{place}", str(place), "2020-05-01") for place in range(1, len(rows) + 1)]
    return {"Patient": found, "Observation": seen}


def source(name: str, rows: list[Any]) -> DeclaringUpstream:
    return DeclaringUpstream(name, held(rows), sorts=SORTS)


events = st.sampled_from(["", "", "", "", "sorts", "down", "page", "silent", "disordered"])


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from((*SCOPES[:2], *SCOPES)),
    st.sampled_from(TEXTS),
    st.integers(0, 4),
    st.lists(st.tuples(people, events), min_size=1, max_size=4),
    st.sampled_from(("a", "a", "ab")),
)
async def test_a_page_that_was_kept_is_that_which_is_planned(
    scopes: str, text: str, first: int, pages: list[Any], names: str
) -> None:
    warm = deployed(*(source(name, [(number, {}) for number in NUMBERS]) for name in names))
    await answer(warm, scopes, text, "1", first)
    for rows, event in pages:
        fresh = deployed(*(source(name, []) for name in names))
        for one, other in zip(warm.upstreams.values(), fresh.upstreams.values(), strict=True):
            change(one, "" if event == "disordered" else event)
            copy(one, other)
            found = held(rows)
            one.resources = other.resources = found  # type: ignore[attr-defined]
            one.lies_about_order = other.lies_about_order = event == "disordered"  # type: ignore[attr-defined]
        for _ in range(2):
            assert await answer(warm, scopes, text, "1", first) == await answer(
                fresh, scopes, text, "1", first
            )


@pytest.mark.parametrize("place", [0, 2])
@pytest.mark.parametrize("more", ODD)
async def test_one_odd_record_is_shown_as_in_a_page_that_is_planned(place: int, more: dict[str, Any]) -> None:
    rows: list[Any] = [(number, {}) for number in NUMBERS]
    warm, fresh = deployed(source("a", rows)), deployed(source("a", []))
    await answer(warm, SCOPES[0], WHOLE, "1", 3)
    rows[place] = (NUMBERS[place], more)
    for opened in (warm, fresh):
        opened.upstreams["a"].resources = held(rows)  # type: ignore[attr-defined]
    assert await answer(warm, SCOPES[0], WHOLE, "1", 3) == await answer(fresh, SCOPES[0], WHOLE, "1", 3)


async def test_a_page_is_kept_without_anybody_in_it() -> None:
    opened = deployed(source("a", [(number, {}) for number in NUMBERS]))
    first = await answer(opened, SCOPES[0], PAGE, "1", 2)
    (kept,) = opened._levels._kept.values()
    assert isinstance(kept, PersonSite)
    (plan,) = kept.plans
    assert [(one.patient, one.filters) for one in plan.searches] == [(None, ())]
    assert not any(plan.records)
    assert await answer(opened, SCOPES[0], PAGE, "1", 2) == first
    assert len(first[0]["patients"]["nodes"]) == 2
    assert list(opened._levels._kept.values()) == [kept]


@pytest.mark.parametrize(
    ("scopes", "text"),
    [
        (SCOPES[0], '{ patients(first: 2, birthdate: { ge: "1900" }) { nodes { id } } }'),
        (SCOPES[0], '{ patients(identifiers: ["9990000018"]) { nodes { id } } }'),
        (SCOPES[0], "{ patients(first: 2, require: COMPLETE) { nodes { id } } }"),
        (SCOPES[0], '{ patients(first: 2, sort: "birthdate") { nodes { id } } }'),
        (SCOPES[0], "{ patients(last: 2) { nodes { id } } }"),
        (SCOPES[2], "{ patients(first: 2) { nodes { id } } }"),
        ("system/Patient.rs?gender=female", "{ patients(first: 2) { nodes { id } } }"),
    ],
)
async def test_what_is_not_the_same_for_everybody_is_not_kept(scopes: str, text: str) -> None:
    opened = deployed(source("a", [(number, {}) for number in NUMBERS]))
    await answer(opened, scopes, text, "1", 2)
    assert not [one for one in opened._levels._kept.values() if not isinstance(one, Level)]
