"""Pieces of work follow each other for a while, then the loop looks after others first."""

import asyncio

from resolvers.turns import Turns


async def work(turns: Turns, pieces: int, done: list[str], name: str) -> None:
    for _ in range(pieces):
        if turns.is_over:
            await turns.take()
        done.append(name)


async def test_pieces_within_a_turn_follow_each_other_at_once() -> None:
    done: list[str] = []
    turns = Turns(longest_s=60.0)
    await asyncio.gather(work(turns, 3, done, "a"), work(turns, 3, done, "b"))
    assert done == ["a", "a", "a", "b", "b", "b"]


async def test_the_loop_comes_round_between_pieces_once_a_turn_is_over() -> None:
    done: list[str] = []
    turns = Turns(longest_s=0.0)
    working = asyncio.ensure_future(work(turns, 20, done, "piece"))
    rounds = 0
    while not working.done():
        await asyncio.sleep(0)
        rounds += 1
    assert rounds >= 20


async def test_all_who_want_a_turn_get_one() -> None:
    done: list[str] = []
    turns = Turns(longest_s=0.0)
    await asyncio.gather(*(work(turns, 5, done, name) for name in "abcdefgh"))
    assert sorted(done) == sorted("abcdefgh" * 5)


def test_turns_may_be_used_in_one_loop_after_another() -> None:
    turns = Turns(longest_s=0.0)
    for _ in range(3):
        done: list[str] = []
        asyncio.run(work(turns, 3, done, "piece"))
        assert done == ["piece"] * 3


async def test_what_came_in_during_a_turn_runs_before_the_next_one_that_was_waited_for() -> None:
    done: list[str] = []
    turns = Turns(longest_s=0.0)

    async def piece(name: str) -> None:
        await turns.take()
        if name == "first":
            asyncio.get_running_loop().call_soon(lambda: asyncio.ensure_future(newcomer()))
        done.append(name)

    async def newcomer() -> None:
        done.append("newcomer")

    await asyncio.gather(piece("first"), piece("second"))
    assert done == ["first", "newcomer", "second"]
