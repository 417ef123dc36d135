"""Sibling lists are fetched in one tick, whether or not their sources take many searches at once."""

import asyncio
from collections.abc import Sequence

from msgspec import structs

from clinical.codec import decode_json, encode_json
from resolvers.upstreams.errors import UpstreamError
from resolvers.upstreams.upstream import Abilities, Call, Page, Search
from tests.resolvers.asking import Asker, observation, patient
from tests.resolvers.memory import MemoryUpstream

NUMBER = "9990000018"
TEXT = '{ patient(id: "a/Patient/1") { conditions { nodes { id } } observations { nodes { id } } } }'


class OneByOne(MemoryUpstream):
    """Takes one search at a time, and says when the first has come."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.was_asked = asyncio.Event()

    async def abilities(self, resource_type: str, call: Call) -> Abilities | UpstreamError:
        found = await super().abilities(resource_type, call)
        assert isinstance(found, Abilities)
        return structs.replace(found, batches=False)

    async def search(self, searches: Sequence[Search], call: Call) -> Sequence[Page | UpstreamError]:
        self.was_asked.set()
        return await super().search(searches, call)


class After(MemoryUpstream):
    """Answers a search for conditions only once the other source has been asked."""

    other: OneByOne

    async def search(self, searches: Sequence[Search], call: Call) -> Sequence[Page | UpstreamError]:
        if any(one.type == "Condition" for one in searches):
            async with asyncio.timeout(10):
                await self.other.was_asked.wait()
        return await super().search(searches, call)


async def test_a_list_of_a_source_that_cannot_batch_does_not_wait_for_its_siblings() -> None:
    condition = {"resourceType": "Condition", "id": "c", "subject": {"reference": "Patient/1"}}
    condition["recordedDate"] = "2020-01-01"
    a = After(
        "a",
        {"Patient": [patient("1", NUMBER)], "Condition": [condition], "Observation": []},
        sorts=frozenset({"recorded-date", "date", "_id"}),
    )
    b = OneByOne("b", {"Patient": [patient("9", NUMBER)], "Observation": [observation("o", "9", "2020")]})
    a.other = b
    data = decode_json(encode_json(await Asker(a, b).data(TEXT)))
    assert data["patient"]["conditions"]["nodes"] == [{"id": "a/Condition/c"}]
    assert data["patient"]["observations"]["nodes"] == [{"id": "b/Observation/o"}]
