"""What one source is asked in one way: many questions in one batch, each question once per request."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Hashable, Sequence
from typing import Any

import msgspec

from resolvers.pace import Pace, PacedLoader
from resolvers.turns import Turns
from resolvers.upstreams.errors import UpstreamError, UpstreamUnavailable
from resolvers.upstreams.upstream import Call

Ask = Callable[[Sequence[Any], Call], Awaitable[Sequence[Any]]]
"""A method of an upstream: many questions in, as many answers out."""


class _Group(msgspec.Struct, eq=False):
    """Questions that have gone out together, and the answers to come; None where nobody waits for them who
    has not asked them."""

    questions: Sequence[Any]
    answers: "asyncio.Future[Sequence[Any]] | None" = None

    def coming(self) -> "asyncio.Future[Sequence[Any]]":
        """The answers to come."""
        if self.answers is None:
            self.answers = asyncio.get_running_loop().create_future()
        return self.answers


class SourceLoader(msgspec.Struct, eq=False):
    """Loads groups of questions. A group is one key of the dataloader, so twenty questions that are
    asked together cost one future; a question that any group has asked before is not asked again.

    Where nobody else can ask in the meantime, nothing is waited for and the group goes out as it is.
    """

    _source: str
    _ask: Ask
    _call: Call
    _pace: Pace
    is_held: bool
    _loader: PacedLoader | None = None
    _known: dict[Hashable, Any] = {}
    """The answer to each question, or the group that it has gone out with, not answered yet."""

    async def all(self, questions: Sequence[Hashable]) -> Sequence[Any]:
        """An answer, or the UpstreamError in its place, for each question in order."""
        known, pace, fresh = self._known, self._pace, questions
        if known and not known.keys().isdisjoint(questions):
            fresh = [one for one in questions if one not in known]
        if fresh:
            group = tuple(dict.fromkeys(fresh)) if len(fresh) > 1 else (fresh[0],)
            if pace.own is None or asyncio.current_task() is not pace.own:
                known.update(dict.fromkeys(group, _Group(group, self._queued(group))))
            else:  # asks in the present task; what ends it ends the call
                mine = _Group(group)
                known.update(dict.fromkeys(group, mine))
                try:
                    if pace.is_closed:
                        raise asyncio.CancelledError
                    pace.under_way += 1
                    try:
                        answers = await self._ask(group, self._call)
                    finally:
                        pace.under_way -= 1
                        if pace.idle is not None and pace.under_way == 0:
                            pace.idle.set()
                except UpstreamError as error:
                    answers = [error] * len(group)
                except BaseException:
                    mine.coming().cancel()  # whoever else waits: there is no answer
                    raise
                if mine.answers is not None and not mine.answers.done():
                    mine.answers.set_result(answers)
                known.update(zip(group, answers, strict=True))
                if len(group) == len(questions):  # all of them, in their order
                    return answers
        found = []
        for one in questions:
            answer = known[one]
            found.append(await self._awaited(one, answer) if type(answer) is _Group else answer)
        return found

    def _queued(self, group: Sequence[Any]) -> "asyncio.Future[Sequence[Any]]":
        """The answers of a batch to come."""
        if self._loader is None:
            self._loader = PacedLoader(self._load, self._pace, is_held=self.is_held)
        return self._loader.load(group)

    async def _awaited(self, question: Hashable, group: "_Group") -> Any:
        """The answer to one question of a group that was under way when it was last looked at."""
        # Who gives up waiting takes the answers from nobody.
        answers = await asyncio.shield(group.coming())
        known, found = self._known, dict(zip(group.questions, answers, strict=True))
        for one, answer in found.items():
            if known.get(one) is group:
                known[one] = answer
        return found[question]

    @property
    def unanswered(self) -> int:
        """How many questions were asked that have no answer, yet or for ever."""
        waiting = [one.answers for one in self._known.values() if type(one) is _Group]
        return sum(one is None or one.cancelled() or not one.done() for one in waiting)

    async def one(self, question: Hashable) -> Any:
        """The answer to one question. Raises UpstreamError."""
        (answer,) = await self.all((question,))
        if isinstance(answer, BaseException):
            raise answer
        return answer

    @property
    def asked(self) -> Collection[Hashable]:
        """The questions that have gone out."""
        return self._known.keys()

    def forget(self, question: Hashable) -> None:
        """The question is asked again when it is wanted again."""
        self._known.pop(question, None)

    def prime(self, question: Hashable, answer: Any) -> None:
        """An answer that came by another way; the question need not be asked."""
        self._known.setdefault(question, answer)

    async def let_go(self, turns: Turns) -> None:
        """Frees the answers bit by bit: ten thousand rows at once take longer than others may wait."""
        for one, answer in self._known.items():
            if type(answer) is not _Group:
                self._known[one] = None
            if turns.is_over:
                await turns.take()

    def close(self) -> None:
        """Whoever still waits for a batch that has not gone out is told that the request was ended.

        The loader lets go of this object, so that what the request has loaded is freed with the request
        and not left to the garbage collector.
        """
        if self._loader is not None:
            self._loader.drop(self._ended)
            self._loader.batch_load_fn = _nothing

    async def _load(self, groups: list[Sequence[Any]]) -> list[Sequence[Any]]:
        questions = groups[0] if len(groups) == 1 else [one for group in groups for one in group]
        answers = await self._answers(questions)
        if len(groups) == 1:
            return [answers]
        given = iter(answers)
        return [[next(given) for _ in group] for group in groups]

    async def _answers(self, questions: Sequence[Any]) -> Sequence[Any]:
        try:
            return await self._asked(questions)
        except UpstreamError as error:
            return [error] * len(questions)
        except asyncio.CancelledError:
            # A waiter must not hang on a batch that was ended.
            return self._ended(questions)

    async def _asked(self, questions: Sequence[Any]) -> Sequence[Any]:
        """Asks in a task of the batch's own."""
        task = asyncio.current_task()
        self._pace.begin(task)
        try:
            return await self._ask(questions, self._call)
        finally:
            self._pace.end(task)

    def _ended(self, questions: Sequence[Any]) -> list[Any]:
        return [UpstreamUnavailable(self._source, "the request was ended")] * len(questions)


async def _nothing(groups: list[Sequence[Any]]) -> list[Sequence[Any]]:
    return []
