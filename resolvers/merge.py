"""The k-way merge: rows of many streams in one order, reading no more than the page needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from resolvers.loaders import Loaders
from resolvers.ordering import Place
from resolvers.resource import Resource
from resolvers.stream import Row, Stream
from resolvers.together import settled
from resolvers.upstreams.errors import UpstreamError

_NONE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Taken:
    """A row, and the page mark of each stream at the moment after it.

    `lost`: the sources of which rows that belong before it may be missing. `duplicates`: rows that are the
    same clinical fact; `is_single`: it was not compared with others (`resolvers.collapse`).
    """

    row: Row
    marks: Mapping[str, str]
    lost: frozenset[str] = _NONE
    duplicates: tuple[Row, ...] = ()
    is_single: bool = False


class Merge:
    """Takes rows off many streams. A stream that fails is left out and told; the others go on.

    `marks`: what is known of the streams' pages from the cursor. `is_by_source`: all rows of one source come
    before those of the next, so that a source whose turn has not come is only asked whether it answers.
    """

    def __init__(
        self,
        streams: Sequence[Stream],
        loaders: Loaders,
        marks: Mapping[str, str] | None = None,
        *,
        is_by_source: bool = False,
    ) -> None:
        self.failures: dict[str, UpstreamError] = {}
        self.lost = _NONE
        self._alive = list(streams)
        self._loaders = loaders
        self.marks: Mapping[str, str] = marks or {}
        self._is_by_source = is_by_source
        self._last: Place | None = None
        self._given: Resource | None = None

    async def take(self, count: int) -> list[Taken]:
        """The next rows, fewer only where there are no more."""
        taken: list[Taken] = []
        while len(taken) < count:
            while empty := self._empty():
                await self._fill(empty)
            stream = self._first()
            if stream is None:
                break
            lost = self.lost
            row = self._pop(stream)
            if row is not None:
                taken.append(Taken(row, self.marks, lost))
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
            empty = self._empty()
            if not empty:
                return False
            await self._fill(empty)
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
        self._note_end(stream)
        if row.place == self._last:
            if self._given is not None and row.resource.key != self._given.key:
                stream.note_problem("two places of the source use the same id; one of them is left out")
            return None
        self._last, self._given = row.place, row.resource
        if row.mark is not None and self.marks.get(row.stream) != row.mark:
            self.marks = {**self.marks, row.stream: row.mark}
        return row

    def _empty(self) -> list[Stream]:
        """The streams that may have a next row and have none at hand, as far as it counts yet."""
        empty = [one for one in self._alive if one.head is None and not one.is_over]
        if not empty or not self._is_by_source:
            return empty
        turn = self._turn()
        return [one for one in empty if one.rank == turn or not one.has_answered]

    def _turn(self) -> int:
        """The rank of the source whose rows come now."""
        return next(one.rank for one in self._alive if not one.is_over)

    async def _fill(self, empty: Sequence[Stream]) -> None:
        """Gives these streams a head where they can have one, all in one tick."""
        turn = self._turn() if self._is_by_source else None
        answers = await settled(
            *(
                one.fill(self._loaders) if turn is None or one.rank == turn else one.touch(self._loaders)
                for one in empty
            )
        )
        for stream, answer in zip(empty, answers, strict=True):
            if isinstance(answer, UpstreamError):
                self.failures[stream.id] = answer
                self.lost |= {stream.source}
                self._alive.remove(stream)
            elif isinstance(answer, BaseException):
                raise answer
            else:
                self._note_end(stream)

    def _note_end(self, stream: Stream) -> None:
        if stream.is_cut and stream.is_over:
            self.lost |= {stream.source}


def _place(stream: Stream) -> Place:
    assert stream.head is not None
    return stream.head.place
