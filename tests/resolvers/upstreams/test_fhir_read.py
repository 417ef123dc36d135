"""Reading by id: few calls, and never another record than the one asked for."""

from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinical.codec import decode_json
from resolvers.resource import Location, Resource
from resolvers.upstreams.errors import (
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamThrottled,
    UpstreamUnavailable,
)
from resolvers.upstreams.upstream import Read
from tests.resolvers.upstreams.sources import (
    BASE,
    PLACE,
    Json,
    Reply,
    Server,
    asked,
    bundle,
    call,
    fhir_json,
    observation,
    outcome,
    read,
    statement,
)

HELD = {str(n) for n in range(1, 301)}
PAGE = 30


def holder(request: httpx.Request) -> Reply:
    """A server that holds Observations 1 to 300, with `_id` lists in pages of 30, and batches."""
    if request.method == "POST" and request.url.path == "/fhir":
        entries = decode_json(request.content)["entry"]
        answers = [holder(httpx.Request("GET", f"{BASE}/{one['request']['url']}")) for one in entries]
        return {"resourceType": "Bundle", "type": "batch-response", "entry": [_entry(one) for one in answers]}
    if request.url.path.startswith("/fhir/Observation/") and not request.url.path.endswith("_search"):
        own_id = request.url.path.rpartition("/")[2]
        return observation(own_id) if own_id in HELD else fhir_json(outcome(code="not-found"), 404)
    query = asked(request)
    found = [one for one in query["_id"].split(",") if one in HELD]
    start = int(query.get("from", "0"))
    rest = found[start + PAGE :]
    more = f"{BASE}/Observation?_id={query['_id']}&from={start + PAGE}" if rest else None
    return bundle(*(observation(one) for one in found[start : start + PAGE]), next=more)


def _entry(answer: Reply) -> Json:
    if isinstance(answer, httpx.Response):
        return {"response": {"status": f"{answer.status_code} x"}}
    return {"resource": answer, "response": {"status": "200"}}


def ids(found: Sequence[Resource | UpstreamError | None]) -> list[Any]:
    return [one.id if isinstance(one, Resource) else one for one in found]


async def test_one_id_is_read_by_its_address() -> None:
    server = Server(holder)
    assert ids(await server.source().read([read("5")], call())) == ["5"]
    assert server.paths == ["/fhir/Observation/5"]


async def test_several_ids_of_a_type_are_one_search() -> None:
    server = Server(holder)
    found = await server.source().read([read("5"), read("999"), read("7"), read("5")], call())
    assert ids(found) == ["5", None, "7", "5"]
    assert [asked(request)["_id"] for request in server.seen] == ["5,999,7"]


async def test_types_and_chunks_go_in_one_bundle_where_the_source_takes_it() -> None:
    server = Server(holder, statement("Observation", "Patient", interactions=("batch",)))
    source = server.source(capabilities={"id_count_max": 20})
    found = await source.read([read(str(n)) for n in range(1, 51)], call())
    assert ids(found) == [str(n) for n in range(1, 51)]
    assert len(server.seen) == 1


async def test_a_list_of_ids_is_followed_to_its_last_page() -> None:
    server = Server(holder)
    found = await server.source().read([read(str(n)) for n in range(1, 81)], call())
    assert ids(found) == [str(n) for n in range(1, 81)]
    assert len(server.seen) == 3


async def test_ids_too_long_for_one_address_are_split_where_no_form_may_be_sent() -> None:
    server = Server(holder)
    source = server.source(capabilities={"post_search": "never", "url_length_max": 500})
    found = await source.read([read(str(n)) for n in range(200, 280)], call())
    assert ids(found) == [str(n) for n in range(200, 280)]
    assert len(server.seen) > 1
    assert max(len(str(request.url)) for request in server.seen) <= 500


async def test_ids_too_long_for_one_address_go_as_a_form() -> None:
    server = Server(holder)
    source = server.source(capabilities={"url_length_max": 200})
    assert ids(await source.read([read(str(n)) for n in range(100, 126)], call())) == [
        str(n) for n in range(100, 126)
    ]
    assert {request.method for request in server.seen} == {"GET"}
    await source.read([read(str(n)) for n in range(100, 175)], call())
    assert server.seen[1].method == "POST"
    assert server.paths[1] == "/fhir/Observation/_search"


async def test_without_id_lists_ids_are_read_one_by_one() -> None:
    server = Server(holder, statement(parameters=("patient",)))
    assert ids(await server.source().read([read("5"), read("999"), read("7")], call())) == ["5", None, "7"]
    assert sorted(server.paths) == [f"/fhir/Observation/{n}" for n in (5, 7, 999)]


@pytest.mark.parametrize("status", [400, 404, 405])
async def test_a_source_that_refuses_id_lists_is_read_one_by_one_from_then_on(status: int) -> None:
    def handler(request: httpx.Request) -> Reply:
        return fhir_json(outcome(code="invalid"), status) if request.url.query else holder(request)

    server = Server(handler)
    source = server.source()
    for _ in range(2):
        assert ids(await source.read([read("5"), read("7")], call())) == ["5", "7"]
    assert len(server.seen) == 5


async def test_a_source_that_ignores_id_lists_is_found_out() -> None:
    def handler(request: httpx.Request) -> Reply:
        if not request.url.query:
            return holder(request)
        return bundle(*(observation(str(n)) for n in range(100, 120)))

    server = Server(handler)
    source = server.source()
    assert ids(await source.read([read("5"), read("107")], call())) == ["5", "107"]
    assert server.paths[1:] == ["/fhir/Observation/5"]
    await source.read([read("5"), read("7")], call())
    assert server.paths[2:] == ["/fhir/Observation/5", "/fhir/Observation/7"]


async def test_a_source_that_says_it_left_the_ids_out_is_read_one_by_one() -> None:
    def handler(request: httpx.Request) -> Reply:
        if not request.url.query:
            return holder(request)
        return bundle(link_self=f"{BASE}/Observation?_count=2")

    assert ids(await Server(handler).source().read([read("5"), read("7")], call())) == ["5", "7"]


async def test_a_source_that_is_asked_too_often_is_not_asked_more() -> None:
    server = Server(lambda request: fhir_json(outcome(code="processing", vendor_code="4135"), 400))
    found = await server.source().read([read("5"), read("7")], call())
    assert [type(one) for one in found] == [UpstreamThrottled] * 2
    assert len(server.seen) == 1


async def test_what_a_troubled_list_leaves_open_is_asked_for_by_itself() -> None:
    """Absent from a list that is not whole is not absent."""

    def handler(request: httpx.Request) -> Reply:
        if not request.url.query:
            return holder(request)
        return {"resourceType": "Bundle", "entry": [{"resource": observation("5")}, {"resource": None}]}

    server = Server(handler)
    assert ids(await server.source().read([read("5"), read("7"), read("999")], call())) == ["5", "7", None]
    assert sorted(server.paths[1:]) == ["/fhir/Observation/7", "/fhir/Observation/999"]


async def test_a_failing_source_is_an_error_for_every_id() -> None:
    found = await Server(lambda request: fhir_json(b"", 500)).source().read([read("5"), read("7")], call())
    assert [type(one) for one in found] == [UpstreamUnavailable] * 2


@pytest.mark.parametrize("status", [404, 410])
async def test_what_is_not_there_is_none(status: int) -> None:
    source = Server(lambda request: fhir_json(outcome(code="not-found"), status)).source()
    assert list(await source.read([read("5")], call())) == [None]


async def test_a_proxys_page_is_no_word_about_absence() -> None:
    source = Server(lambda request: fhir_json(b"<html>404</html>", 404)).source()
    (problem,) = await source.read([read("5")], call())
    assert isinstance(problem, UpstreamError)


@pytest.mark.parametrize(
    "body",
    [
        observation("6"),
        {"resourceType": "Patient", "id": "5"},
        {"resourceType": "Observation"},
        {"id": "5"},
        bundle(observation("5")),
        [observation("5")],
    ],
)
async def test_another_record_than_the_one_asked_for_is_refused(body: Any) -> None:
    """A merged record answers with another id: the caller's permissions were decided for the first one."""
    (problem,) = await Server(lambda request: fhir_json(body)).source().read([read("5")], call())
    assert isinstance(problem, UpstreamInvalidResponse)


def _patient(id_: str, **more: Any) -> Json:
    return {"resourceType": "Patient", "id": id_, **more}


def _link(kind: str, reference: str) -> Json:
    return {"link": [{"type": kind, "other": {"reference": reference}}]}


@pytest.mark.parametrize(
    ("asked_id", "body", "is_taken"),
    [
        ("5", _patient("6", **_link("replaces", "Patient/5")), True),
        ("5", _patient("6", **_link("replaces", f"{BASE}/Patient/5")), True),
        ("9990000018", _patient("6", identifier=[{"use": "old", "value": "9990000018"}]), True),
        ("5", _patient("6", **_link("replaces", "http://other.test/fhir/Patient/5")), False),
        ("5", _patient("6", **_link("replaces", "Patient/7")), False),
        ("5", _patient("6", **_link("seealso", "Patient/5")), False),
        ("5", _patient("6", **_link("replaced-by", "Patient/5")), False),
        ("5", _patient("6", identifier=[{"value": "5"}]), False),
        ("5", _patient("a/b", **_link("replaces", "Patient/5")), False),
        ("9990000018", _patient("6", identifier=[None, {"value": 9990000018}]), False),
    ],
)
async def test_a_merged_patient_is_taken_for_the_one_asked_for_only_where_it_says_so(
    asked_id: str, body: Json, is_taken: bool
) -> None:
    server = Server(lambda request: fhir_json(body))
    (found,) = await server.source().read([Read("Patient", asked_id, PLACE)], call())
    if is_taken:
        assert isinstance(found, Resource)
        assert found.id == "6"
    else:
        assert isinstance(found, UpstreamInvalidResponse)


@pytest.mark.parametrize(
    "own_id", ["..", ".", "", "a/b", "../Patient/1", "1?x=y", "1#", "a b", "é", "x" * 65]
)
async def test_an_id_that_is_none_is_not_asked_for(own_id: str) -> None:
    server = Server(holder)
    assert list(await server.source().read([read(own_id)], call())) == [None]
    assert server.seen == []


async def test_places_are_asked_each_for_their_own() -> None:
    a, b = (
        Location("http://gp.test/A/fhir", (("X-Key", "a"),), "A"),
        Location("http://gp.test/B/fhir", (), "B"),
    )
    server = Server(lambda request: observation(request.url.path.rpartition("/")[2]))
    source = server.source(
        locations=[
            {"base_url": a.base_url, "headers": {"X-Key": "a"}, "organization": "A"},
            {"base_url": b.base_url, "organization": "B"},
        ]
    )
    found = await source.read([read("1", place=a), read("1", place=b)], call())
    assert [one.location.organization for one in found if isinstance(one, Resource)] == ["A", "B"]
    assert {request.url.path: request.headers.get("x-key") for request in server.seen} == {
        "/A/fhir/Observation/1": "a",
        "/B/fhir/Observation/1": None,
    }


@settings(max_examples=40)
@given(
    asked_ids=st.lists(st.integers(1, 330).map(str), max_size=60),
    has_batch=st.booleans(),
    id_count_max=st.integers(1, 40),
    has_lists=st.booleans(),
)
async def test_however_it_is_asked_the_answer_is_the_same(
    asked_ids: list[str], has_batch: bool, id_count_max: int, has_lists: bool
) -> None:
    server = Server(holder, statement(interactions=("batch",)))
    source = server.source(
        capabilities={
            "batch": "bundle" if has_batch else "parallel",
            "id_count_max": id_count_max,
            "id_lists": has_lists,
        }
    )
    found = await source.read([Read("Observation", one, PLACE) for one in asked_ids], call())
    assert ids(found) == [one if one in HELD else None for one in asked_ids]
