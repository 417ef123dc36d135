"""Indexes must find what plain evaluation finds, and pages must add up to the whole."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from clinical.codec import decode_json
from clinical.parameters import parameters
from clinical.search import matches
from sandbox.fhir.evaluation import evaluate
from sandbox.fhir.outcome import RequestRefused
from sandbox.fhir.paging import Page, Pager
from sandbox.fhir.profile import Profile
from sandbox.fhir.query import parse_query
from sandbox.fhir.searchset import Searcher
from sandbox.fhir.store import Store
from sandbox.population.build import build
from sandbox.population.model import EHR_BASE

BASE = "http://ehr.test/fhir"
HELD = build(10, 5).ehr
STORE = Store((one for held in HELD.values() for one in held), BASE, placeholder=EHR_BASE)
PROFILE = Profile("test", dict.fromkeys(HELD))
IDS = [row.id for row in STORE.rows("Observation")]
IDENTIFIERS = [one["identifier"][0] for one in HELD["Observation"] if "identifier" in one]

patients = st.sampled_from(
    ["Patient/1001", "1002", f"{BASE}/Patient/1003", "Patient/none", "https://x.example/Patient/1001"]
)
references = st.lists(patients, min_size=1, max_size=3).map(",".join)
identifiers = st.sampled_from(IDENTIFIERS).flatmap(
    lambda one: st.sampled_from(
        [one["value"], f"{one['system']}|{one['value']}", f"|{one['value']}", f"{one['system']}|"]
    )
)
pairs = st.one_of(
    st.tuples(st.sampled_from(["patient", "subject"]), references),
    st.tuples(st.just("_id"), st.lists(st.sampled_from(IDS), min_size=1, max_size=4).map(",".join)),
    st.tuples(st.just("identifier"), identifiers),
    st.tuples(st.just("category"), st.sampled_from(["laboratory", "vital-signs,survey"])),
    st.tuples(st.just("date"), st.sampled_from(["ge2020", "lt2021-06", "2019"])),
    st.tuples(st.just("status:not"), st.just("final")),
)
searches = st.lists(pairs, max_size=3).map(tuple)


@given(searches)
@settings(max_examples=150, deadline=None)
def test_indexes_find_what_plain_evaluation_finds(asked: tuple[tuple[str, str], ...]) -> None:
    query = parse_query("Observation", asked, PROFILE, is_strict=True)
    known = parameters("Observation")

    def holds(resource: dict[str, Any]) -> bool:
        return all(
            matches(resource, known[name.partition(":")[0]], [value], name.partition(":")[2] or None, BASE)
            for name, value in asked
        )

    plain = [row.id for row in STORE.rows("Observation") if holds(row.resource)]
    assert [row.id for row in evaluate(STORE, query)] == plain


@given(
    searches,
    st.integers(1, 60),
    st.sampled_from(["", "date", "-date", "-status,date"]),
    st.sampled_from(["sealed", "absolute"]),
)
@settings(max_examples=40, deadline=None)
def test_pages_add_up_to_the_whole(
    asked: tuple[tuple[str, str], ...], count: int, sort: str, next_link: str
) -> None:
    profile = Profile("test", dict.fromkeys(HELD), next_link=next_link)
    pager = Pager(BASE, profile)
    page: Page | None = Page("Observation", (*asked, ("_count", str(count)), ("_sort", sort)), 0, False)
    whole = evaluate(STORE, parse_query("Observation", page.pairs, profile, is_strict=False))
    found: list[str] = []
    searcher = Searcher(STORE, profile, pager)
    while page is not None:
        bundle = searcher.search(page)
        page, ids = following(pager, bundle)
        found += ids
    assert found == [row.id for row in whole]


def following(pager: Pager, bundle: bytes) -> tuple[Page | None, list[str]]:
    decoded = decode_json(bundle)
    link = next((one["url"] for one in decoded["link"] if one["relation"] == "next"), None)
    page = pager.open(link.partition("=")[2]) if link else None
    return page, [entry["resource"]["id"] for entry in decoded.get("entry", ())]


@given(st.dictionaries(st.text(max_size=12), st.text(max_size=12), max_size=4))
@settings(max_examples=200, deadline=None)
def test_any_query_is_answered_or_refused(asked: dict[str, str]) -> None:
    refused: RequestRefused | None = None
    try:
        evaluate(STORE, parse_query("Observation", tuple(asked.items()), PROFILE, is_strict=False))
    except RequestRefused as refusal:
        refused = refusal
    assert refused is None or refused.status == 400
