"""A GET is answered so that its client may keep the answer, and has to ask before showing it again."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import response
from gateway.entity_tags import EntityTags, matches
from gateway.execution.executor import ExecutionResult
from resolvers.turns import Turns
from tests.gateway.front_door import ORIGIN, FrontDoor

HELLO = {"query": "{ hello }"}
TAGS = EntityTags(b"k" * 32)


async def test_an_answer_is_kept_by_its_client_alone_and_revalidated(door: FrontDoor) -> None:
    answer = await door.get(HELLO)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "private, no-cache"
    assert answer.headers["vary"].startswith("Accept, Accept-Encoding, Authorization")
    assert answer.headers["etag"].startswith('W/"')


@pytest.mark.parametrize("form", ["{}", '"other", {}', "*", "{},", ' W/"other" ,{} '])
async def test_who_has_the_answer_gets_304_without_a_body(door: FrontDoor, form: str) -> None:
    tag = (await door.get(HELLO)).headers["etag"]
    again = await door.get(HELLO, **{"If-None-Match": form.format(tag), "Origin": ORIGIN})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == tag
    assert again.headers["cache-control"] == "private, no-cache"
    assert "Authorization" in again.headers["vary"]
    assert {"content-type", "content-length", "content-encoding"}.isdisjoint(again.headers)
    assert again.headers["x-request-id"]
    assert again.headers["access-control-allow-origin"] == ORIGIN


async def test_strong_form_of_the_tag_matches_too(door: FrontDoor) -> None:
    tag = (await door.get(HELLO)).headers["etag"]
    assert (await door.get(HELLO, **{"If-None-Match": tag.removeprefix("W/")})).status_code == 304


async def test_the_tag_is_of_what_is_said(door: FrontDoor) -> None:
    tags = [
        (await door.get(HELLO)).headers["etag"],
        (await door.get(HELLO)).headers["etag"],
        (await door.get({"query": "query Named { hello }"})).headers["etag"],
        (await door.get({"query": "{ greeting: hello }"})).headers["etag"],
        (await door.get(HELLO, Accept="application/graphql-response+json")).headers["etag"],
    ]
    assert tags[0] == tags[1] == tags[2]
    assert len(set(tags)) == 3


async def test_a_compressed_answer_has_the_tag_of_the_plain_one(door: FrontDoor) -> None:
    long = {"query": "{ long }"}
    plain = await door.get(long, **{"Accept-Encoding": "identity"})
    packed = await door.get(long, **{"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert plain.headers["etag"] == packed.headers["etag"]
    known = {"If-None-Match": plain.headers["etag"], "Accept-Encoding": "gzip"}
    assert (await door.get(long, **known)).status_code == 304


@pytest.mark.parametrize(
    "query", ["{ broken }", "{ hello broken }", "{ nothing }", "{ required }", "mutation { hello }"]
)
async def test_an_answer_with_errors_is_kept_by_nobody(door: FrontDoor, query: str) -> None:
    answer = await door.get({"query": query}, **{"If-None-Match": "*"})
    assert answer.headers["cache-control"] == "no-store"
    assert "etag" not in answer.headers
    assert answer.json()["errors"]


async def test_a_post_is_kept_by_nobody(door: FrontDoor) -> None:
    answer = await door.post({"query": "{ hello }"}, headers={"If-None-Match": "*"})
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert "etag" not in answer.headers


async def test_who_may_not_ask_learns_nothing_from_a_tag(door: FrontDoor) -> None:
    tag = (await door.get(HELLO)).headers["etag"]
    headers = {"If-None-Match": tag}
    answer = await door.client.get("/graphql", params=HELLO, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["cache-control"] == "no-store"


async def test_a_304_is_recorded_as_an_answer(door: FrontDoor) -> None:
    tag = (await door.get(HELLO)).headers["etag"]
    await door.get(HELLO, **{"If-None-Match": tag})
    assert [(one["outcome"], one["status"]) for one in door.kept.records()] == [("OK", 200), ("OK", 304)]


def test_a_tag_is_made_with_a_key() -> None:
    assert TAGS.tag(b"{}", [], "x") != EntityTags(b"l" * 32).tag(b"{}", [], "x")
    assert TAGS.tag(b"{}", [], "x") == EntityTags(b"k" * 32).tag(b"{}", [], "x")


def test_a_source_that_fares_otherwise_makes_another_tag() -> None:
    well, ill = ([{"source": "ehr", "status": status}] for status in ("OK", "TIMEOUT"))
    assert TAGS.tag(b"{}", well, "x") != TAGS.tag(b"{}", ill, "x")


@given(st.binary(), st.binary())
def test_equal_data_have_equal_tags_and_different_ones_different(one: bytes, other: bytes) -> None:
    assert (TAGS.tag(one, [], "x") == TAGS.tag(other, [], "x")) is (one == other)


@given(st.text(max_size=60))
def test_no_header_but_one_with_the_tag_matches(header: str) -> None:
    tag = TAGS.tag(b"{}", [], "x")
    assert matches(header, tag) is (header.strip() == "*")
    assert matches(f"{tag}, {header}", tag)


async def test_the_answer_of_a_get_is_that_of_a_post(door: FrontDoor) -> None:
    query: dict[str, Any] = {"query": "{ hello thing { id name inner { id } } long }"}
    got = await door.get(query, Accept="application/graphql-response+json")
    assert got.json()["data"] == (await door.post(query)).json()["data"]


async def test_a_large_answer_has_the_tag_and_the_bytes_of_a_small_one() -> None:
    data = [
        {"nodes": [{"id": str(number), "value": msgspec.Raw(b"5.10")} for number in range(9)]} for _ in "abc"
    ]
    sources = {"sources": [{"source": "ehr", "status": "OK"}]}
    plain, build = response.build(ExecutionResult(data[2], []), sources, "id", "x"), response.build_in_turns
    small = await build(ExecutionResult(data[0], []), sources, "id", "x", tags=TAGS)
    large = await build(ExecutionResult(data[1], []), sources, "id", "x", (), Turns(0.0), TAGS)
    assert plain.body == small.body
    assert (large.body, large.etag) == (small.body, small.etag)
    assert small.etag is not None
    assert plain.etag is None
    assert b'"value":5.10' in large.body
