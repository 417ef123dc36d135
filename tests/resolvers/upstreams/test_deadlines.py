"""A call ends at its own time, whatever others are under way, and a cancellation from elsewhere stays one."""

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolvers.upstreams.deadlines import Deadlines

LATE = 60.0


async def lasting(deadlines: Deadlines, allowed: float, needed: float) -> str:
    try:
        with deadlines.until(time.monotonic() + allowed):
            await asyncio.sleep(needed)
    except TimeoutError:
        return "ended"
    return "done"


@given(st.lists(st.booleans(), min_size=1, max_size=8))
def test_each_call_has_its_own_end(are_late: list[bool]) -> None:
    async def run() -> None:
        deadlines = Deadlines(asyncio.get_running_loop())
        calls = [lasting(deadlines, *((0.002, LATE) if late else (LATE, 0.004))) for late in are_late]
        assert await asyncio.gather(*calls) == ["ended" if late else "done" for late in are_late]
        deadlines.close()

    asyncio.run(run())


async def test_a_later_call_may_end_first() -> None:
    deadlines = Deadlines(asyncio.get_running_loop())
    first = asyncio.create_task(lasting(deadlines, 0.05, LATE))
    await asyncio.sleep(0)
    assert await lasting(deadlines, 0.01, LATE) == "ended"
    assert not first.done()
    assert await first == "ended"
    deadlines.close()


async def test_who_came_while_the_timer_ran_is_ended_too() -> None:
    deadlines = Deadlines(asyncio.get_running_loop())
    assert await lasting(deadlines, 0.01, 0.0) == "done"
    assert await lasting(deadlines, 0.03, LATE) == "ended"
    deadlines.close()


async def test_a_time_that_has_passed_ends_a_call_where_it_first_waits() -> None:
    deadlines = Deadlines(asyncio.get_running_loop())
    assert await lasting(deadlines, -1.0, LATE) == "ended"
    deadlines.close()


async def test_a_cancellation_from_elsewhere_is_no_timeout() -> None:
    deadlines = Deadlines(asyncio.get_running_loop())
    task = asyncio.create_task(lasting(deadlines, LATE, LATE))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    deadlines.close()


async def test_a_cancellation_in_the_moment_of_the_end_stays_a_cancellation() -> None:
    deadlines = Deadlines(asyncio.get_running_loop())

    async def call() -> None:
        with deadlines.until(time.monotonic() + LATE):
            await asyncio.sleep(LATE)

    task = asyncio.create_task(call())
    await asyncio.sleep(0)
    (limit,) = deadlines.limits
    limit.expire()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    deadlines.close()


async def test_a_problem_of_the_call_itself_comes_through() -> None:
    deadlines = Deadlines(asyncio.get_running_loop())
    with pytest.raises(ZeroDivisionError), deadlines.until(time.monotonic() + LATE):
        raise ZeroDivisionError
    deadlines.close()


async def test_another_limit_around_it_is_the_one_that_ends() -> None:
    deadlines = Deadlines(asyncio.get_running_loop())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            assert await lasting(deadlines, LATE, LATE) == "unreachable"
    assert await lasting(deadlines, LATE, 0.0) == "done"
    deadlines.close()
