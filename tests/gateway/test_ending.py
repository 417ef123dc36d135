"""A request's work ends at its deadline and when its client leaves, and at nothing else."""

import asyncio
from typing import Any

import pytest

from gateway.body import ClientGone
from gateway.ending import Alarm, Ending
from gateway.errors import DeadlinePassed

NOW, NEVER = 0.0, 3600.0


class Connection:
    """A client's connection, as ASGI tells of it."""

    def __init__(self) -> None:
        self._messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.watched = asyncio.Event()

    def tell(self, kind: str) -> None:
        self._messages.put_nowait({"type": kind})

    async def receive(self) -> dict[str, Any]:
        self.watched.set()
        return await self._messages.get()


@pytest.fixture
def connection() -> Connection:
    return Connection()


def deadline(alarm: Alarm) -> Ending:
    """A block of somebody who stays, with the time until the alarm rings."""
    return Ending(alarm, Connection().receive, alarm.after_s)


def leaving(alarm: Alarm, connection: Connection) -> Ending:
    """A block without a deadline."""
    return Ending(alarm, connection.receive, NEVER)


async def waiting(ending: Ending) -> None:
    with ending:
        try:
            await asyncio.sleep(NEVER)
        except asyncio.CancelledError:
            ending.check()
            raise


async def test_work_that_outlasts_its_deadline_raises_so() -> None:
    task = asyncio.current_task()
    assert task is not None
    with pytest.raises(DeadlinePassed):
        await waiting(deadline(Alarm(NOW)))
    assert task.cancelling() == 0


async def test_work_within_its_deadline_is_left_alone() -> None:
    alarm = Alarm(NOW)
    with deadline(alarm):
        pass
    await asyncio.sleep(0.01)
    with deadline(Alarm(NEVER)):
        await asyncio.sleep(0)


async def test_each_of_many_has_its_own_deadline() -> None:
    alarm = Alarm(0.05)
    first = asyncio.create_task(waiting(deadline(alarm)))
    await asyncio.sleep(0.03)
    second = asyncio.create_task(waiting(deadline(alarm)))
    with pytest.raises(DeadlinePassed):
        await first
    assert not second.done()
    with pytest.raises(DeadlinePassed):
        await second


async def test_alarm_rings_again_after_it_was_idle() -> None:
    alarm = Alarm(0.01)
    for _ in range(2):
        with pytest.raises(DeadlinePassed):
            await waiting(deadline(alarm))
        await asyncio.sleep(0.02)


async def test_work_that_somebody_else_ends_is_cancelled_and_not_late() -> None:
    task = asyncio.create_task(waiting(deadline(Alarm(NEVER))))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelling() == 1


async def test_work_that_is_late_and_ended_by_somebody_else_stays_cancelled() -> None:
    async def stubborn() -> None:
        with deadline(Alarm(NOW)):
            try:
                await asyncio.sleep(NEVER)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
                raise

    task = asyncio.create_task(stubborn())
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_failure_of_the_work_is_its_own() -> None:
    with pytest.raises(ZeroDivisionError), deadline(Alarm(NEVER)):
        raise ZeroDivisionError


async def test_client_that_leaves_ends_the_work(connection: Connection) -> None:
    task = asyncio.create_task(waiting(leaving(Alarm(NOW), connection)))
    await connection.watched.wait()
    connection.tell("http.request")
    connection.tell("http.disconnect")
    with pytest.raises(ClientGone):
        await task
    assert task.cancelling() == 0


async def test_client_that_left_before_anybody_looked_ends_the_work(connection: Connection) -> None:
    connection.tell("http.disconnect")
    with pytest.raises(ClientGone):
        await waiting(leaving(Alarm(0.01), connection))


async def test_quick_work_has_nobody_watch_for_its_client(connection: Connection) -> None:
    with leaving(Alarm(0.01), connection):
        await asyncio.sleep(0)
    await asyncio.sleep(0.03)
    assert not connection.watched.is_set()


async def test_client_that_leaves_after_the_work_does_no_harm(connection: Connection) -> None:
    with leaving(Alarm(NOW), connection):
        await connection.watched.wait()
        connection.tell("http.disconnect")
    await asyncio.sleep(0.01)


async def test_leaving_counts_until_the_deadline(connection: Connection) -> None:
    task = asyncio.create_task(waiting(Ending(Alarm(NOW), connection.receive, NEVER)))
    await connection.watched.wait()
    connection.tell("http.disconnect")
    with pytest.raises(ClientGone):
        await task


async def test_deadline_counts_while_the_client_is_watched(connection: Connection) -> None:
    task = asyncio.create_task(waiting(Ending(Alarm(NOW), connection.receive, 0.02)))
    await connection.watched.wait()
    with pytest.raises(DeadlinePassed):
        await task
    assert task.cancelling() == 0


async def test_client_may_leave_while_a_passed_deadline_is_answered(connection: Connection) -> None:
    async def work() -> None:
        with Ending(Alarm(NOW), connection.receive, NOW) as ending:
            try:
                await asyncio.sleep(NEVER)
            except asyncio.CancelledError:
                with pytest.raises(DeadlinePassed):
                    ending.check()
            connection.tell("http.disconnect")
            await asyncio.sleep(NEVER)

    with pytest.raises(ClientGone):
        await asyncio.create_task(work())
