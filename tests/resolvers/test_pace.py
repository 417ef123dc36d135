"""A level of an operation costs few calls, also where its branches end at different times."""

import asyncio
from collections.abc import Sequence

from resolvers.resource import Resource
from resolvers.upstreams.errors import UpstreamError
from resolvers.upstreams.upstream import Call, Page, Read, Search
from tests.resolvers.asking import Asker, observation, patient
from tests.resolvers.memory import MemoryUpstream


class SlowUpstream(MemoryUpstream):
    """Answers each search on its own, later and later, as a source that cannot batch does."""

    async def search(self, searches: Sequence[Search], call: Call) -> Sequence[Page | UpstreamError]:
        async def one(index: int, search: Search) -> Page | UpstreamError:
            await asyncio.sleep(0.002 * index)
            return self._page(search)

        return await asyncio.gather(*(one(index, search) for index, search in enumerate(searches)))

    async def read(self, reads: Sequence[Read], call: Call) -> Sequence[Resource | UpstreamError | None]:
        await asyncio.sleep(0)
        return await super().read(reads, call)


async def test_what_trickles_in_from_a_slow_source_is_read_from_a_fast_one_in_few_batches() -> None:
    numbers = [f"999{i:06}" for i in range(20)]
    people = [patient(str(i), number) for i, number in enumerate(numbers)]
    rows = [observation(f"o{i}", str(i), encounter={"reference": f"Encounter/{i}"}) for i in range(20)]
    visits = [{"resourceType": "Encounter", "id": str(i), "status": "finished"} for i in range(20)]
    fast = MemoryUpstream("a", {"Patient": people, "Observation": rows, "Encounter": visits})
    slow = SlowUpstream("b", {"Patient": people, "Observation": [observation("x", "1")]})
    text = "{ patients { nodes { observations { nodes { encounter { resource { id } } } } } } }"
    data = await Asker(fast, slow).data(text)
    found = [row["encounter"] for node in data["patients"]["nodes"] for row in node["observations"]["nodes"]]
    assert sum(one is not None for one in found) == 20
    batches = [batch for kind, batch in fast.calls if kind == "read" and batch[0].type == "Encounter"]
    assert len(batches) <= 3
    assert sum(len(batch) for batch in batches) == 20
