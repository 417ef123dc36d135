"""The loaders of one request: the first identifier that is looked for goes out alone, and is remembered."""

import asyncio
import time
from collections.abc import Sequence

import pytest

from clinical.identifiers import Token
from permissions.principal import Principal
from resolvers.loaders import LOOKUP_PART, Loaders
from resolvers.resource import Location, Resource
from resolvers.turns import Turns
from resolvers.upstreams.errors import UpstreamError, UpstreamUnavailable
from resolvers.upstreams.upstream import Call
from tests.resolvers.asking import NHS, patient
from tests.resolvers.memory import MemoryUpstream

NUMBER, OTHER = Token(NHS, "9990000018"), Token(NHS, "9990000026")
CALLER = Principal(issuer="i", client="c", subject="s", scopes=())
LEFT_S = 100.0


class Counting(MemoryUpstream):
    """Notes what it is asked to identify, and how much time it has for that."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.wanted: list[tuple[Token, ...]] = []
        self.left_s: list[float] = []
        self.fails = False

    async def identify(
        self, identifiers: Sequence[Token], locations: Sequence[Location], call: Call
    ) -> Sequence[tuple[Resource, ...] | UpstreamError]:
        self.wanted.append(tuple(identifiers))
        self.left_s.append(call.deadline - time.monotonic())
        if self.fails:
            raise UpstreamUnavailable(self.name, "down")
        return await super().identify(identifiers, locations, call)


def opened() -> tuple[Counting, Loaders]:
    up = Counting("a", {"Patient": [patient("1", NUMBER.code)]})
    return up, Loaders({"a": up}, Call(time.monotonic() + LEFT_S, "r", CALLER), Turns())


async def test_an_identifier_is_looked_for_once_alone_and_with_others() -> None:
    up, loaders = opened()
    (first,) = await loaders.identify_all(up, {NUMBER: None}, CALLER)
    assert not isinstance(first, UpstreamError)
    assert [one.id for one in first] == ["1"]
    again = await loaders.identify_all(up, {OTHER: None, NUMBER: None}, CALLER)
    assert [*again] == [(), first]
    assert await loaders.identify(up, NUMBER) == first
    assert up.wanted == [(NUMBER,), (OTHER,)]


async def test_the_next_identifier_is_not_taken_for_the_first() -> None:
    up, loaders = opened()
    await loaders.identify_all(up, {NUMBER: None}, CALLER)
    assert [*await loaders.identify_all(up, {OTHER: None}, CALLER)] == [()]
    assert [*await loaders.identify_all(up, {OTHER: None}, CALLER)] == [()]
    assert up.wanted == [(NUMBER,), (OTHER,)]


async def test_what_was_looked_for_together_is_not_looked_for_alone() -> None:
    up, loaders = opened()
    both = await loaders.identify_all(up, {NUMBER: None, OTHER: None}, CALLER)
    assert [*await loaders.identify_all(up, {NUMBER: None}, CALLER)] == [both[0]]
    assert up.wanted == [(NUMBER, OTHER)]


async def test_a_source_that_is_down_is_asked_for_an_identifier_once() -> None:
    up, loaders = opened()
    up.fails = True
    for _ in range(2):
        (problem,) = await loaders.identify_all(up, {NUMBER: None}, CALLER)
        assert isinstance(problem, UpstreamUnavailable)
    assert up.wanted == [(NUMBER,)]


async def test_a_lookup_leaves_time_for_what_follows_it() -> None:
    up, loaders = opened()
    await loaders.identify_all(up, {NUMBER: None}, CALLER)
    assert 0 < up.left_s[0] <= LEFT_S * LOOKUP_PART


async def test_nothing_is_looked_for_after_the_end() -> None:
    up, loaders = opened()
    loaders.close()
    with pytest.raises(asyncio.CancelledError):
        await loaders.identify_all(up, {NUMBER: None}, CALLER)
    assert up.wanted == []
