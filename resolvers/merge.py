"""The k-way merge: rows of many streams in one order, reading no more than the page needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from resolvers.loaders import Loaders
from resolvers.resource import Resource
from resolvers.stream import Place, Row, Stream
from resolvers.together import settled
from resolvers.upstreams.errors import UpstreamError


@dataclass(frozen=True, slots=True)
class Taken:
    """A row, and the page mark of each stream at the moment after it."""

    row: Row
    marks: Mapping[str, str]


class Merge:
    """Takes rows off many streams. A stream that fails is left out and told; the others go on."""

    def __init__(self, streams: Sequence[Stream], loaders: Loaders) -> None:
        self.failures: dict[str, UpstreamError] = {}
        self._alive = list(streams)
        self._loaders = loaders
        self._marks: dict[str, str] = {}
        self._last: Place | None = None
        self._given: Resource | None = None

    async def take(self, count: int) -> list[Taken]:
        """The next rows, fewer only where there are no more."""
        taken: list[Taken] = []
        while len(taken) < count:
            if any(one.head is None and not one.is_over for one in self._alive):
                await self._fill()
            stream = self._first()
            if stream is None:
                break
            row = self._pop(stream)
            if row is not None:
                taken.append(Taken(row, self._marks))
        return taken

    def _first(self) -> Stream | None:
        """The stream whose head comes next."""
        if len(self._alive) == 1:
            return self._alive[0] if self._alive[0].head else None
        return min((one for one in self._alive if one.head), key=_place, default=None)

    async def has_more(self) -> bool:
        """Whether a row follows; a page is read for it only where nothing read so far tells."""
        while not any(one.holds_after(self._last) for one in self._alive):
            self._drop_given()
            if all(one.head is not None or one.is_over for one in self._alive):
                return False
            await self._fill()
        return True

    def _drop_given(self) -> None:
        """Takes away what is at hand of other partitions and has been given."""
        for one in self._alive:
            while one.head is not None and one.head.place == self._last:
                self._pop(one)

    def _pop(self, stream: Stream) -> Row | None:
        """The head of a stream; None where another partition of its source has given the row already."""
        row = stream.head
        assert row is not None
        stream.advance()
        if row.place == self._last:
            if self._given is not None and row.resource.key != self._given.key:
                stream.note_problem("two places of the source use the same id; one of them is left out")
            return None
        self._last, self._given = row.place, row.resource
        if row.mark is not None and self._marks.get(row.stream) != row.mark:
            self._marks = {**self._marks, row.stream: row.mark}
        return row

    async def _fill(self) -> None:
        """Gives every stream a head that can have one, all in one tick."""
        empty = [one for one in self._alive if one.head is None and not one.is_over]
        if not empty:
            return
        answers = await settled(*(one.fill(self._loaders) for one in empty))
        for stream, answer in zip(empty, answers, strict=True):
            if isinstance(answer, UpstreamError):
                self.failures[stream.id] = answer
                self._alive.remove(stream)
            elif isinstance(answer, BaseException):
                raise answer


def _place(stream: Stream) -> Place:
    assert stream.head is not None
    return stream.head.place
