"""Work ends with the request that wanted it, calls to sources included."""

import asyncio
from collections.abc import Sequence

import pytest

from resolvers.upstreams.errors import UpstreamError
from resolvers.upstreams.upstream import Call, Page, Search
from tests.resolvers.asking import Asker, observation, patient
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
