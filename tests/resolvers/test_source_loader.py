"""Questions to one source: asked at once where nobody else can ask, together where others can."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from permissions.principal import Principal
from resolvers.pace import Pace
from resolvers.source_loader import SourceLoader
from resolvers.turns import Turns
from resolvers.upstreams.errors import UpstreamError, UpstreamUnavailable
from resolvers.upstreams.upstream import Call

CALL = Call(0.0, "r", Principal(issuer="i", client="c", subject="s", scopes=()))


class Source:
    """Answers each question with its double, when it is let."""

    def __init__(self, *, fails: bool = False) -> None:
        self.asked: list[Sequence[Any]] = []
        self.may_answer = asyncio.Event()
        self._fails = fails

    async def ask(self, questions: Sequence[Any], call: Call) -> Sequence[Any]:
        self.asked.append(questions)
        await self.may_answer.wait()
        if self._fails:
            raise UpstreamUnavailable("a", "down")
        return [2 * one for one in questions]

    def loader(self, own: "asyncio.Task[Any] | None") -> SourceLoader:
        return SourceLoader("a", self.ask, CALL, Pace(own), is_held=True)


async def test_the_requests_own_task_asks_at_once() -> None:
    source = Source()
    loader = source.loader(asyncio.current_task())
    asking = loader.all((1, 2, 1))
    asking.send(None)  # one step: no turn of the loop lies before the question
    assert source.asked == [(1, 2)]
    asking.close()


async def test_what_was_asked_at_once_is_not_asked_again() -> None:
    source = Source()
    source.may_answer.set()
    loader = source.loader(asyncio.current_task())
    assert await loader.all((1, 2)) == [2, 4]
    assert await loader.all((2, 3, 1)) == [4, 6, 2]
    assert source.asked == [(1, 2), (3,)]


async def test_branches_ask_together() -> None:
    source = Source()
    source.may_answer.set()
    loader = source.loader(asyncio.current_task())
    assert await asyncio.gather(loader.all((1,)), loader.all((2, 1))) == [[2], [4, 2]]
    assert [sorted(one) for one in source.asked] == [[1, 2]]


@pytest.mark.parametrize("is_alone", [True, False])
async def test_a_source_that_is_down_answers_each_question_so(is_alone: bool) -> None:
    source = Source(fails=True)
    source.may_answer.set()
    loader = source.loader(asyncio.current_task() if is_alone else None)
    found = await loader.all((1, 2))
    assert [type(one) for one in found] == [UpstreamUnavailable] * 2
    with pytest.raises(UpstreamError):
        await loader.one(1)
    assert len(source.asked) == 1


async def test_who_is_cancelled_while_asking_ends_the_call_and_keeps_nobody_waiting() -> None:
    source = Source()
    made: list[SourceLoader] = []

    async def own() -> None:
        made.append(source.loader(asyncio.current_task()))
        await made[0].all((1,))

    task = asyncio.ensure_future(own())
    await asyncio.sleep(0)
    other = asyncio.ensure_future(made[0].all((1,)))
    await asyncio.sleep(0)
    task.cancel()
    for one in (task, other):
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(one, 1)
    assert made[0]._pace.is_idle


async def test_who_waits_for_anothers_question_and_gives_up_takes_nothing_from_the_other() -> None:
    source = Source()
    made: list[SourceLoader] = []

    async def own() -> Sequence[Any]:
        made.append(source.loader(asyncio.current_task()))
        return await made[0].all((1, 2))

    task = asyncio.ensure_future(own())
    await asyncio.sleep(0)
    others = [asyncio.ensure_future(made[0].all((one,))) for one in (1, 2, 2)]
    await asyncio.sleep(0)
    assert made[0].unanswered == 2
    others[0].cancel()
    await asyncio.sleep(0)
    source.may_answer.set()
    assert await task == [2, 4]
    assert await asyncio.gather(*others[1:]) == [[4], [4]]
    assert made[0].unanswered == 0
    assert await made[0].all((2, 1)) == [4, 2]
    assert len(source.asked) == 1


async def test_answers_are_let_go_bit_by_bit() -> None:
    source = Source()
    source.may_answer.set()
    loader = source.loader(asyncio.current_task())
    await loader.all(tuple(range(20)))
    going = asyncio.ensure_future(loader.let_go(Turns(0.0)))
    rounds = 0
    while not going.done():
        await asyncio.sleep(0)
        rounds += 1
    assert rounds >= 20
    assert not any(loader._known.values())
