"""No more at once than there are places, first come first served, and no place is ever lost."""

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolvers.upstreams.places import Places


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_free_place_is_taken_at_once() -> None:
    places = Places(2)
    assert [places.taken() for _ in range(3)] == [True, True, False]
    places.release()
    assert places.taken()


async def test_who_waits_longest_is_next() -> None:
    places, order = Places(1), []

    async def use(name: int) -> None:
        await places.wait()
        order.append(name)
        await asyncio.sleep(0)
        places.release()

    await asyncio.gather(*map(use, range(5)))
    assert order == [0, 1, 2, 3, 4]


async def test_nobody_gets_in_before_those_who_wait() -> None:
    places = Places(1)
    assert places.taken()
    waiting = asyncio.create_task(places.wait())
    await settled()
    places.release()
    assert not places.taken()
    await waiting
    places.release()
    assert places.taken()


@pytest.mark.parametrize("is_given_first", [True, False])
async def test_a_waiter_that_goes_away_keeps_no_place(is_given_first: bool) -> None:
    places = Places(1)
    assert places.taken()
    gone = asyncio.create_task(places.wait())
    left = asyncio.create_task(places.wait())
    await settled()
    for step in (places.release, gone.cancel) if is_given_first else (gone.cancel, places.release):
        step()
    with pytest.raises(asyncio.CancelledError):
        await gone
    await asyncio.wait_for(left, 5)
    places.release()
    assert places.taken()
    assert not places.taken()


@given(st.integers(1, 4), st.integers(0, 2**32))
def test_whatever_happens_every_place_comes_back(count: int, seed: int) -> None:
    asyncio.run(_all_come_back(count, random.Random(seed)))


async def _all_come_back(count: int, chance: random.Random) -> None:
    places = Places(count)
    inside = most = 0

    async def use() -> None:
        nonlocal inside, most
        await places.wait()
        inside += 1
        most = max(most, inside)
        try:
            for _ in range(chance.randrange(3)):
                await asyncio.sleep(0)
        finally:
            inside -= 1
            places.release()

    tasks = [asyncio.create_task(use()) for _ in range(20)]
    while any(not task.done() for task in tasks):
        if chance.random() < 0.3:
            chance.choice(tasks).cancel()
        await asyncio.sleep(0)
    await asyncio.gather(*tasks, return_exceptions=True)
    assert most <= count
    assert [places.taken() for _ in range(count + 1)] == [True] * count + [False]
