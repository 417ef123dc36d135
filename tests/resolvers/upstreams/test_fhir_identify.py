"""Finding a person's records by identifier: verified, complete, and never a guess."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from msgspec.structs import replace

from clinical.codec import encode_json
from clinical.identifiers import NHS_NUMBER_SYSTEM, Token
from resolvers.partial import patient_record
from resolvers.resource import Location, Resource
from resolvers.upstreams.errors import SearchNotSupported, UpstreamError, UpstreamUnavailable
from resolvers.upstreams.fhir import FhirUpstream
from resolvers.upstreams.fhir_identify import _plainly_found, _whole, identify_all
from resolvers.upstreams.fhir_query import identifier_query, lone_identifier_query, token_text
from resolvers.upstreams.fhir_raw import RawAnswer
from resolvers.upstreams.fhir_server import Ask
from resolvers.upstreams.patients import stating
from tests.resolvers.upstreams.sources import (
    BASE,
    PLACE,
    PRINCIPAL,
    Json,
    Reply,
    Server,
    asked,
    bundle,
    call,
    fhir_json,
    patient,
    statement,
)

ONE, TWO, THREE = (Token(NHS_NUMBER_SYSTEM, f"999000000{n}") for n in (1, 2, 3))


def record(own_id: str, token: Token, **more: Any) -> Json:
    return patient(own_id, (token.system or "", token.code or ""), **more)


def ids(found: object) -> list[str]:
    assert isinstance(found, tuple), found
    return [one.id for one in found]


async def test_many_identifiers_are_one_search_and_records_go_to_the_identifiers_they_carry() -> None:
    server = Server(lambda request: bundle(record("b", TWO), record("a", ONE), record("c", ONE)))
    found = await server.source().identify([ONE, TWO, THREE, ONE], [PLACE], call())
    assert [ids(one) for one in found] == [["a", "c"], ["b"], [], ["a", "c"]]
    (request,) = server.seen
    assert asked(request)["identifier"] == ",".join(
        f"{NHS_NUMBER_SYSTEM}|{one.code}" for one in (ONE, TWO, THREE)
    )


@pytest.mark.parametrize(
    "stranger",
    [
        patient("x", (NHS_NUMBER_SYSTEM, "9990000009")),
        patient("x", ("urn:other", "9990000001")),
        {"resourceType": "Patient", "id": "x"},
        {"resourceType": "Patient", "id": "x", "identifier": [None, {"system": NHS_NUMBER_SYSTEM}, "y"]},
        {"resourceType": "Patient", "id": "x", "identifier": {"system": NHS_NUMBER_SYSTEM}},
    ],
)
async def test_a_record_that_does_not_carry_the_identifier_is_not_taken(stranger: Json) -> None:
    """A source that ignores the parameter answers with everybody."""
    source = Server(lambda request: bundle(record("a", ONE), stranger)).source()
    assert [ids(one) for one in await source.identify([ONE], [PLACE], call())] == [["a"]]


async def test_spaces_inside_a_number_do_not_count() -> None:
    spaced = patient("a", (NHS_NUMBER_SYSTEM, "999 000 0001"))
    (found,) = await Server(lambda request: bundle(spaced)).source().identify([ONE], [PLACE], call())
    assert ids(found) == ["a"]


async def test_every_page_is_read() -> None:
    def handler(request: httpx.Request) -> Reply:
        if "page" in asked(request):
            return bundle(record("b", ONE))
        return bundle(record("a", ONE), next=f"{BASE}/Patient?page=2")

    (found,) = await Server(handler).source().identify([ONE], [PLACE], call())
    assert ids(found) == ["a", "b"]


async def test_an_endless_list_is_an_error_and_ends() -> None:
    turns = iter(range(10_000))
    server = Server(
        lambda request: bundle(record(f"p{next(turns)}", ONE), next=f"{BASE}/Patient?p={next(turns)}")
    )
    (problem,) = await server.source(max_pages=7).identify([ONE], [PLACE], call())
    assert isinstance(problem, UpstreamError)
    assert problem.message == "ehr gave more than 7 pages."
    assert len(server.seen) == 7


async def test_a_walk_that_breaks_off_is_an_error() -> None:
    def handler(request: httpx.Request) -> Reply:
        if "page" in asked(request):
            return fhir_json(b"", 500)
        return bundle(record("a", ONE), next=f"{BASE}/Patient?page=2")

    (problem,) = await Server(handler).source().identify([ONE], [PLACE], call())
    assert isinstance(problem, UpstreamError)


async def test_many_identifiers_go_in_chunks() -> None:
    tokens = [Token("urn:x", f"{n:04}") for n in range(25)]

    def handler(request: httpx.Request) -> Reply:
        codes = [text.rpartition("|")[2] for text in asked(request)["identifier"].split(",")]
        return bundle(*(patient(f"p{code}", ("urn:x", code)) for code in codes))

    server = Server(handler)
    found = await server.source(capabilities={"identifier_count_max": 10}).identify(tokens, [PLACE], call())
    assert [ids(one) for one in found] == [[f"p{n:04}"] for n in range(25)]
    assert len(server.seen) == 3


async def test_a_source_without_the_parameter_says_so() -> None:
    source = Server(lambda request: bundle(), statement(parameters=("_id",))).source()
    (problem,) = await source.identify([ONE], [PLACE], call())
    assert isinstance(problem, SearchNotSupported)


# ------------------------------------------------------------ several places

A, B, C = (Location(f"http://gp.test/{code}/fhir", (), code) for code in ("A81001", "B82002", "C83003"))


def practices(handler: Any = lambda request: bundle(), *places: Location, **settings: Any) -> FhirUpstream:
    rows = [{"base_url": one.base_url, "organization": one.organization} for one in places or (A, B, C)]
    return Server(handler).source(locations=rows, **settings)


def only_b_fails(request: httpx.Request) -> Reply:
    if request.url.path.startswith("/B"):
        return fhir_json(b"", 500)
    return bundle(record("a", ONE)) if request.url.path.startswith("/A") else bundle()


async def test_every_place_is_asked_and_records_keep_their_place() -> None:
    source = practices(lambda request: bundle(record(request.url.path[1].lower(), ONE)))
    (found,) = await source.identify([ONE], [A, B], call())
    assert isinstance(found, tuple)
    assert [(one.id, one.location) for one in found] == [("a", A), ("b", B)]


async def test_a_place_that_fails_makes_the_answer_an_error() -> None:
    """It may hold a record of the person, which would be missed in silence."""
    found = await practices(only_b_fails).identify([ONE, TWO], [A, B], call())
    assert [type(one) for one in found] == [UpstreamUnavailable] * 2


async def test_a_place_that_fails_does_not_matter_to_whom_another_place_has() -> None:
    found = await practices(only_b_fails, is_registered_once=True).identify([ONE, TWO], [A, B], call())
    assert ids(found[0]) == ["a"]
    assert isinstance(found[1], UpstreamUnavailable)


# ------------------------------------------------------------ where a patient is registered


def elsewhere(json: Json) -> Resource:
    return Resource("ehr2", PLACE, "Patient", "1", {"resourceType": "Patient", "id": "1", **json}, None)  # type: ignore[arg-type]


ODS = "https://fhir.nhs.uk/Id/ods-organization-code"


@pytest.mark.parametrize(
    "stated",
    [
        {"generalPractitioner": [{"type": "Organization", "identifier": {"system": ODS, "value": "B82002"}}]},
        {"generalPractitioner": [{"reference": "Practitioner/1"}, {"identifier": {"value": "B82002"}}]},
        {"managingOrganization": {"identifier": {"value": "B82002"}}},
        {"managingOrganization": {"reference": "Organization/B82002"}},
        {"managingOrganization": {"reference": "https://ods.test/fhir/Organization/B82002/_history/3"}},
        {
            "generalPractitioner": [{"reference": "#gp"}],
            "contained": [
                {
                    "resourceType": "Organization",
                    "id": "gp",
                    "identifier": [{"system": ODS, "value": "B82002"}],
                }
            ],
        },
    ],
)
def test_the_place_of_registration_comes_first(stated: Json) -> None:
    assert practices().locate(elsewhere(stated), PRINCIPAL) == (B, A, C)


@pytest.mark.parametrize(
    "stated",
    [
        {},
        {"generalPractitioner": None, "managingOrganization": []},
        {"generalPractitioner": [{"reference": "#gone"}, None, {"identifier": {"value": "Z99999"}}]},
        {"generalPractitioner": [{"reference": 5}], "contained": "x"},
    ],
)
def test_without_a_known_registration_every_place_is_asked(stated: Json) -> None:
    assert practices().locate(elsewhere(stated), PRINCIPAL) == (A, B, C)


def test_a_sources_own_record_says_where_it_came_from() -> None:
    source = practices()
    own = Resource("ehr", C, "Patient", "1", {}, None)  # type: ignore[arg-type]
    assert source.locate(own, PRINCIPAL) == (C,)
    assert source.locate(None, PRINCIPAL) == (A, B, C)


def test_among_many_places_only_the_registered_and_the_general_ones_are_asked() -> None:
    places = [Location(f"http://gp.test/{n}/fhir", (), f"P{n}") for n in range(9)]
    general = Location("http://gp.test/general/fhir")
    source = practices(lambda request: bundle(), *places, general)
    stated = {"managingOrganization": {"identifier": {"value": "P4"}}}
    assert source.locate(elsewhere(stated), PRINCIPAL) == (places[4], general)
    assert source.locate(elsewhere({}), PRINCIPAL) == (general,)


async def test_a_next_link_does_not_lead_into_another_place() -> None:
    """Each practice has its own key; it must not be shown to the next one."""
    source = practices(
        lambda request: bundle(record("a", ONE), next="http://gp.test/B82002/fhir/Patient?p=2")
    )
    (problem,) = await source.identify([ONE], [A], call())
    assert isinstance(problem, UpstreamError)
    assert problem.message == "ehr gave a next link to another place, which is not followed."


LINKS = [
    {"relation": "self", "url": f"{BASE}/Patient?identifier=x"},
    {"relation": "self", "url": f"{BASE}/Patient?_count=1&identifier=x"},
    {"relation": "self", "url": f"{BASE}/Patient?name=x"},
    {"relation": "self", "url": ""},
    {"relation": "next", "url": f"{BASE}/Patient?page=2"},
    {"relation": "Next", "url": "https://elsewhere.example"},
    {"relation": "first", "url": f"{BASE}/Patient"},
]
STATED = [
    {"system": NHS_NUMBER_SYSTEM, "value": ONE.code},
    {"system": NHS_NUMBER_SYSTEM, "value": "999 000 0001", "use": "old"},
    {"system": NHS_NUMBER_SYSTEM, "value": TWO.code},
    {"system": "urn:other", "value": ONE.code},
    {"value": ONE.code},
    {"system": NHS_NUMBER_SYSTEM, "value": None},
    {},
]
found_records = st.fixed_dictionaries(
    {"resourceType": st.sampled_from(("Patient", "Patient", "Patient", "Group"))},
    optional={
        "id": st.sampled_from(("a", "a", "b", "", None, 3)),
        "identifier": st.lists(st.sampled_from(STATED), max_size=3) | st.sampled_from((None, "x", {})),
    },
)
found_bundles = st.fixed_dictionaries(
    {"resourceType": st.just("Bundle")},
    optional={
        "entry": st.lists(st.builds(lambda one: {"resource": one}, found_records), min_size=1, max_size=2),
        "link": st.lists(st.sampled_from(LINKS), max_size=2),
        "total": st.sampled_from((0, 1, 1, 2, -1, None)),
    },
)


@settings(max_examples=500, deadline=None)
@given(
    found_bundles,
    st.sampled_from((ONE, ONE, TWO, Token("urn:other", ONE.code))),
    st.sampled_from((200, 200, 200, 201, 500)),
    st.booleans(),
    st.sampled_from((dict, patient_record(frozenset({"name"}), False))),
)
def test_one_record_that_is_plainly_found_is_what_the_closer_look_finds(
    body: Json, token: Token, status: int, is_stale: bool, record_type: Any
) -> None:
    server = Server(lambda request: bundle()).source()._server
    ask = Ask("identify", PLACE, "Patient", lone_identifier_query(token, 50))
    assert ask.query == identifier_query((token_text(token),), 50)
    answer = RawAnswer("ehr", status, encode_json(body), datetime.now(UTC), None, is_stale)
    asking = replace(call(), patient_record=record_type)
    found = _plainly_found(answer, PLACE, token, record_type)
    if found is not None:
        whole = _whole(server, ask, answer, asking)
        assert whole is not None
        assert [structs.asdict(one) for one in found] == [
            structs.asdict(one) for one in stating((token,), whole)[0]
        ]


@pytest.mark.parametrize("total", [1, None])
@pytest.mark.parametrize("links", [[], LINKS[:1]])
def test_a_record_that_states_what_was_asked_for_is_plainly_found(
    total: int | None, links: list[Json]
) -> None:
    body = {**bundle(record("a", ONE)), "total": total, "link": links}
    answer = RawAnswer("ehr", 200, encode_json(body), datetime.now(UTC))
    found = _plainly_found(answer, PLACE, ONE, dict)
    assert ids(found) == ["a"]


ODD_TOKENS = (
    Token(None, ONE.code),
    Token(NHS_NUMBER_SYSTEM, None),
    Token("", ONE.code),
    Token(NHS_NUMBER_SYSTEM, "a,b|c&d"),
    Token(NHS_NUMBER_SYSTEM, "\u0661"),
    Token(NHS_NUMBER_SYSTEM, "9" * 65),
    Token("urn:a&b|c", "7"),
    Token("urn:" + "a" * 3000, "7"),
)


@settings(max_examples=200, deadline=None)
@given(
    found_bundles,
    st.sampled_from((ONE, ONE, *ODD_TOKENS)),
    st.sampled_from((200, 200, 404, 503)),
    st.booleans(),
)
async def test_one_identifier_is_asked_for_and_found_as_one_of_many_is(
    body: Json, token: Token, status: int, is_stale: bool
) -> None:
    headers = {"Warning": '110 - "Response is Stale"'} if is_stale else {}
    server = Server(lambda request: fhir_json(body, status, {**headers, "Retry-After": "1"}))
    source = server.source(max_pages=2)
    await source.identify([ONE], [PLACE], call())  # so that it has said what it can do
    del server.seen[:]
    (lone,) = await source.identify([token], [PLACE], call())
    sent = [(one.method, str(one.url), one.content) for one in server.seen]
    del server.seen[:]
    known = source.declared
    assert known is not None
    (one_of_many,) = await identify_all(source._server, known, [token], [PLACE], call(), 2)
    assert sent == [(one.method, str(one.url), one.content) for one in server.seen]
    if isinstance(one_of_many, UpstreamError):
        assert (type(lone), str(lone)) == (type(one_of_many), str(one_of_many))
    else:
        assert isinstance(lone, tuple)
        now = datetime.now(UTC)
        assert [structs.asdict(replace(one, retrieved_at=now)) for one in lone] == [
            structs.asdict(replace(one, retrieved_at=now)) for one in one_of_many
        ]


async def test_what_a_source_turns_out_not_to_do_is_not_asked_as_before() -> None:
    source = Server(lambda request: bundle(record("a", ONE))).source()
    assert [ids(one) for one in await source.identify([ONE], [PLACE], call())] == [["a"]]
    source._discovery.forget("Patient", frozenset({"identifier"}))
    (problem,) = await source.identify([ONE], [PLACE], call())
    assert isinstance(problem, SearchNotSupported)
