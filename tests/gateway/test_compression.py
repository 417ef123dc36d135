"""Responses get smaller, and nobody else waits for that."""

import asyncio
import gzip

import pytest

from gateway.compression import COMPRESSED_FROM_BYTES, IN_A_THREAD_FROM_BYTES, Gzip
from tests.gateway.front_door import FrontDoor


@pytest.mark.parametrize("length", [1, COMPRESSED_FROM_BYTES, IN_A_THREAD_FROM_BYTES])
async def test_what_is_packed_unpacks_to_the_same(length: int) -> None:
    body = (b'{"data": 5.10}' * length)[:length]
    packed = await Gzip().compressed(body)
    assert gzip.decompress(packed) == body
    assert packed == await Gzip().compressed(body), "no time stands in it"


@pytest.mark.parametrize(("length", "is_beside"), [(IN_A_THREAD_FROM_BYTES - 1, False), (5_000_000, True)])
async def test_event_loop_runs_on_while_a_long_body_is_packed(length: int, is_beside: bool) -> None:
    packing = asyncio.create_task(Gzip().compressed(b"x" * length))
    await asyncio.sleep(0)
    assert packing.done() is not is_beside
    await packing


async def test_short_responses_go_out_as_they_are(door: FrontDoor) -> None:
    around = len((await door.ask('{ echo(text: "") }')).content)
    for length, is_packed in ((COMPRESSED_FROM_BYTES - 1, False), (COMPRESSED_FROM_BYTES, True)):
        query = f'{{ echo(text: "{"x" * (length - around)}") }}'
        response = await door.post({"query": query}, headers={"Accept-Encoding": "gzip"})
        assert ("content-encoding" in response.headers) is is_packed
        assert len(response.content) == length
