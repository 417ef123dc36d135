"""Work ends with the request that wanted it, calls to sources included."""

import asyncio
from collections.abc import Sequence

import pytest

from clinical.identifiers import Token
from resolvers.context import RequestContext
from resolvers.resource import Location, Resource
from resolvers.upstreams.errors import UpstreamError
from resolvers.upstreams.upstream import Call, Page, Search
from tests.resolvers.asking import KEY, NHS, Asker, observation, patient, permissions_of
from tests.resolvers.memory import MemoryUpstream


class HangingUpstream(MemoryUpstream):
    """Searches never answer; `ended` is set when one is cancelled."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.asked, self.ended = asyncio.Event(), asyncio.Event()

    async def search(self, searches: Sequence[Search], call: Call) -> Sequence[Page | UpstreamError]:
        self.asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.set()
        raise AssertionError


async def test_a_request_that_is_given_up_ends_its_calls() -> None:
    up = HangingUpstream("a", {"Patient": [patient("1")], "Observation": [observation("o", "1")]})
    running = asyncio.ensure_future(Asker(up).run("{ observations { nodes { id } } }"))
    await up.asked.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await asyncio.wait_for(up.ended.wait(), 5)
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


NUMBER = "9990000018"


class SlowUpstream(MemoryUpstream):
    """Finds nobody by identifier before `go` is set; `asked` says that it was asked."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.asked, self.go = asyncio.Event(), asyncio.Event()

    async def identify(
        self, identifiers: Sequence[Token], locations: Sequence[Location], call: Call
    ) -> Sequence[tuple[Resource, ...] | UpstreamError]:
        self.asked.set()
        await self.go.wait()
        return await super().identify(identifiers, locations, call)


def slow() -> tuple[SlowUpstream, RequestContext]:
    up = SlowUpstream("a", {"Patient": [patient("1", NUMBER)]})
    asker = Asker(up)
    permissions = permissions_of(asker.principal)
    return up, asker.federation.open(asker.principal, permissions, deadline_s=30, request_id="r")


async def test_who_asks_for_a_person_while_another_looks_waits_for_that_lookup() -> None:
    up, context = slow()
    id_ = KEY.seal(NHS, NUMBER)
    first = asyncio.ensure_future(context.identity.of_id(id_))
    await up.asked.wait()
    others = [asyncio.ensure_future(context.identity.of_id(id_)) for _ in range(2)]
    await asyncio.sleep(0)
    others[0].cancel()  # takes the answer from nobody
    up.go.set()
    person = await first
    assert person is not None
    assert person.id == id_
    assert await others[1] is person
    assert await context.identity.of_id(id_) is person
    assert others[0].cancelled()
    context.close()


@pytest.mark.parametrize("is_closed", [False, True])
async def test_who_waits_for_a_lookup_that_is_given_up_is_not_left_waiting(is_closed: bool) -> None:
    up, context = slow()
    id_ = KEY.seal(NHS, NUMBER)
    first = asyncio.ensure_future(context.identity.of_id(id_))
    await up.asked.wait()
    waiting = asyncio.ensure_future(context.identity.of_id(id_))
    await asyncio.sleep(0)
    if is_closed:
        context.close()
    else:
        first.cancel()
    async with asyncio.timeout(5):
        with pytest.raises(asyncio.CancelledError):
            await waiting
        with pytest.raises(asyncio.CancelledError):
            await context.identity.of_id(id_)  # nobody looks any more
    first.cancel()
    with pytest.raises((asyncio.CancelledError, UpstreamError)):
        await first
    context.close()
