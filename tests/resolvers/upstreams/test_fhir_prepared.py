"""Prepared searches are asked, and answered, as the same searches that are asked one time only."""

from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from clinical.codec import decode_json
from resolvers.parts import Part
from resolvers.shape import shape_of
from resolvers.turns import Turns
from resolvers.upstreams.errors import UpstreamError
from resolvers.upstreams.fhir import FhirUpstream
from resolvers.upstreams.upstream import Page, Preparing, Search
from tests.resolvers.upstreams.sources import (
    BASE,
    Json,
    Reply,
    Server,
    bundle,
    call,
    fhir_json,
    observation,
    outcome,
    search,
    statement,
)

BATCHES = statement(
    "Observation", "Condition", "Patient", interactions=("batch",), parameters=("patient", "_id")
)
SHAPES = {
    name: shape_of(name, (("status", Part("text")), ("code", Part(parts=(("text", Part("text")),)))))
    for name in ("Observation", "Condition")
}
ONES = (
    search(shape=SHAPES["Observation"], sort=("-date", "_id"), count=3),
    search("Condition", shape=SHAPES["Condition"], patient_parameter="subject"),
)
AGED = {"Warning": '111 - "Revalidation Failed"'}


def entry(kind: str, url: str) -> Json:
    """One entry of a batch answer, or a whole answer, of some kind."""
    type_ = url.partition("?")[0]
    rows = [{**observation(str(one), status="final"), "resourceType": type_} for one in range(3)]
    answers: dict[str, Json] = {
        "plain": bundle(*rows, total=3),
        "more": bundle(*rows, next=f"{BASE}/{type_}?page=2", link_self=f"{BASE}/{url}"),
        "twice": bundle(*rows, rows[0]),
        "other": bundle({"resourceType": "Basic", "id": "1"}),
        "elsewhere": bundle(*rows, next="http://elsewhere.test/fhir?page=2"),
        "said": bundle(*rows, outcome("warning", "processing")),
        "none": bundle(total=0),
        "refused": outcome(),
    }
    return answers[kind]


def answering(kinds: list[str], way: str) -> Any:
    """Answers each search by its kind, in its batch or alone."""

    def answer(request: httpx.Request) -> Reply:
        if way == "down":
            return httpx.Response(503, headers={"Retry-After": "1"})
        if way == "no JSON":
            return httpx.Response(200, content=b"<html>")
        headers = AGED if way == "stale" else {}
        if request.method == "GET" or request.url.path.endswith("_search"):
            url = str(request.url).removeprefix(f"{BASE}/")
            status = 400 if kinds[0] == "refused" else 200
            return fhir_json(entry(kinds[0], url), status, headers)
        if way == "no batches":
            return fhir_json(outcome("error", "not-supported"), 405)
        entries = []
        urls = [one["request"]["url"] for one in decode_json(request.content)["entry"]]
        for place, url in enumerate(urls):
            kind = kinds[place % len(kinds)]
            status = "400" if kind == "refused" else "200 OK"
            entries.append({"resource": entry(kind, url), "response": {"status": status}})
        if way == "short":
            entries = entries[1:]
        return fhir_json({"resourceType": "Bundle", "type": "batch-response", "entry": entries}, 200, headers)

    return answer


def told(answers: Any) -> list[Any]:
    """What can be told of pages, besides when they came."""
    said: list[Any] = []
    for one in answers:
        if isinstance(one, UpstreamError):
            said.append((type(one), str(one)))
            continue
        assert isinstance(one, Page)
        rows = [(row.type, row.id, row.json) for row in one.resources]
        plain = (
            None if one.plain is None else (one.plain.rows, one.plain.next, one.plain.total, one.plain.prefix)
        )
        said.append((rows, one.next, one.total, one.problems, plain))
    return said


def prepared_of(source: FhirUpstream, *searches: Search) -> Any:
    assert isinstance(source, Preparing)
    made = source.prepare(searches)
    assert made is not None
    return made


async def known(source: FhirUpstream) -> FhirUpstream:
    """The source once it has said what it can do."""
    await source.abilities("Observation", call())
    return source


async def both(
    handler: Any, searches: tuple[Search, ...], patients: list[str], **more: Any
) -> tuple[Any, Any, Server, Server]:
    """What prepared searches are answered, and what the same ones are; and who was asked."""
    one, other = Server(handler, BATCHES), Server(handler, BATCHES)
    found = await prepared_of(await known(one.source(**more)), *searches).fetch(patients, call())
    of = searches if len(searches) == len(patients) else searches * len(patients)
    asked = [replace(search, patient=patient) for search, patient in zip(of, patients, strict=True)]
    pages = await (await known(other.source(**more))).search(asked, call())
    if found is None:
        return None, pages, one, other
    pairs = list(found.answers())
    assert [question for question, _ in pairs] == asked
    for plain, (_, page) in zip(found.plain, pairs, strict=True):
        assert plain is (page.plain if plain is not None else None)
    return [page for _, page in pairs], pages, one, other


@settings(max_examples=120, deadline=None)
@given(
    st.lists(
        st.sampled_from(["plain", "more", "twice", "other", "elsewhere", "said", "none", "refused"]),
        min_size=1,
        max_size=3,
    ),
    st.sampled_from(["", "", "", "stale", "down", "no JSON", "short"]),
    st.lists(st.sampled_from(["1", "a-b.c", "é /&?"]), min_size=1, max_size=3, unique=True),
    st.booleans(),
)
async def test_prepared_searches_are_asked_and_answered_like_others(
    kinds: list[str], way: str, patients: list[str], are_many: bool
) -> None:
    searches, of = (ONES, (patients * 2)[:2]) if are_many else (ONES[:1], patients)
    found, pages, one, other = await both(answering(kinds, way), searches, of)
    assert told(found) == told(pages)
    assert [(r.method, r.url, r.content, r.headers["accept"]) for r in one.seen] == [
        (r.method, r.url, r.content, r.headers["accept"]) for r in other.seen
    ]


async def test_a_source_that_turns_out_to_take_no_batch_is_asked_in_the_usual_way() -> None:
    found, pages, one, other = await both(answering(["plain"], "no batches"), ONES, ["1", "1"])
    assert found is None
    assert all(isinstance(page, Page) for page in pages)
    assert (len(one.seen), len(other.seen)) == (1, 3)


async def test_more_than_a_batch_holds_is_asked_in_the_usual_way() -> None:
    limits = {"capabilities": {"bundle_entries_max": 2}}
    found, *_ = await both(answering(["plain"], ""), ONES[:1], ["1", "2", "3"], **limits)
    assert found is None


async def test_an_address_that_would_be_too_long_is_asked_in_the_usual_way() -> None:
    limits: Json = {"capabilities": {"url_length_max": 256}}
    found, *_ = await both(answering(["plain"], ""), ONES[:1], ["1" * 200], **limits)
    assert found is None
    found, *_ = await both(answering(["plain"], ""), ONES[:1], ["1" * 64], **limits)
    assert found is not None


@pytest.mark.parametrize(
    "searches",
    [
        (ONES[0], ONES[0]),
        (search("Patient", shape=SHAPES["Observation"]),),
        (replace(ONES[0], shape=None),),
        (replace(ONES[0], page="2"),),
    ],
)
async def test_what_is_not_asked_in_one_way_is_not_prepared(searches: tuple[Search, ...]) -> None:
    source = await known(Server(answering(["plain"], ""), BATCHES).source())
    assert source.prepare(searches) is None


async def test_nothing_is_prepared_for_a_source_that_has_not_said_what_it_can_do() -> None:
    server = Server(answering(["plain"], ""), BATCHES)
    assert server.source().prepare(ONES) is None
    assert (await known(Server(answering(["plain"], ""), statement()).source())).prepare(ONES) is None


async def test_rows_are_let_go_bit_by_bit() -> None:
    source = await known(Server(answering(["plain"], ""), BATCHES).source())
    found = await prepared_of(source, ONES[0]).fetch(["1", "2"], call())
    await found.let_go(Turns())
    assert found.plain == [None, None]
