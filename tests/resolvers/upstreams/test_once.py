"""What a request needs twice is fetched once, and a fetch that nobody waits for any more is given up."""

import asyncio
import gc
import time

import pytest
from msgspec.structs import replace

from resolvers.upstreams.errors import UpstreamThrottled, UpstreamTimeout
from resolvers.upstreams.once import OncePerRequest
from tests.resolvers.upstreams.sources import call


class Fetch:
    """A fetch that counts how often it is made, and waits until it may end."""

    def __init__(self, *failures: Exception) -> None:
        self.made = 0
        self.cancelled = 0
        self.may_end = asyncio.Event()
        self._failures = list(failures)

    async def __call__(self) -> int:
        self.made += 1
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self._failures:
            raise self._failures.pop(0)
        return self.made


async def test_a_request_fetches_once_however_its_calls_were_made() -> None:
    once, fetch, first = OncePerRequest[int](), Fetch(), call()
    second = replace(first, deadline=time.monotonic() + 1, patient_record=list)
    asked = [asyncio.ensure_future(once.get(one, "key", fetch)) for one in (first, second, first)]
    await asyncio.sleep(0)
    fetch.may_end.set()
    assert await asyncio.gather(*asked) == [1, 1, 1]
    assert await once.get(first, "key", fetch) == 1


async def test_another_key_and_another_request_are_other_fetches() -> None:
    once, fetch, first = OncePerRequest[int](), Fetch(), call()
    fetch.may_end.set()
    other = replace(call(), request_id=first.request_id)
    assert [await once.get(first, "a", fetch), await once.get(first, "b", fetch)] == [1, 2]
    assert await once.get(other, "a", fetch) == 3


async def test_a_fetch_goes_on_while_one_waits_and_ends_with_the_last() -> None:
    once, fetch, one = OncePerRequest[int](), Fetch(), call()
    first, second = [asyncio.ensure_future(once.get(one, "key", fetch)) for _ in range(2)]
    await asyncio.sleep(0.01)
    first.cancel()
    await asyncio.sleep(0.01)
    assert fetch.cancelled == 0
    second.cancel()
    await asyncio.sleep(0.01)
    assert fetch.cancelled == 1
    fetch.may_end.set()
    assert await once.get(one, "key", fetch) == 2


async def test_a_failure_is_told_to_all_and_not_tried_again() -> None:
    once, fetch, one = OncePerRequest[int](), Fetch(UpstreamThrottled("x", "too often")), call()
    fetch.may_end.set()
    for _ in range(2):
        with pytest.raises(UpstreamThrottled):
            await once.get(one, "key", fetch)
    assert fetch.made == 1


async def test_a_fetch_that_had_less_time_is_made_again_by_who_has_more() -> None:
    once, fetch, one = OncePerRequest[int](), Fetch(UpstreamTimeout("x", "too slow")), call(30)
    fetch.may_end.set()
    hurried = replace(one, deadline=one.deadline - 20)
    with pytest.raises(UpstreamTimeout):
        await once.get(hurried, "key", fetch)
    assert await once.get(one, "key", fetch) == 2


async def test_what_was_fetched_goes_with_the_request() -> None:
    once, fetch = OncePerRequest[int](), Fetch()
    fetch.may_end.set()
    one = call()
    await once.get(one, "key", fetch)
    assert len(once._requests) == 1
    del one
    gc.collect()
    assert len(once._requests) == 0
