"""Rows that are one clinical fact, given as one row (`duplicates: COLLAPSE`).

Only rows with equal sort keys meet: they are read together, at most `RUN_MAX` of them, and compared in order
of precedence; the first stays, and holds the others. Further rows of the same key are given as they are. A
cursor in the middle of such rows goes back to the first of them, so that a row is not given again that was
held by one before.
"""

from collections.abc import Hashable, Sequence
from typing import Final

from clinical.same_fact import Fact, fact_of
from resolvers.cursor import Position
from resolvers.merge import Merge, Taken
from resolvers.ordering import Key, Ordering, Place
from resolvers.stream import Row

RUN_MAX: Final = 1000
"""Rows of one sort key that are compared: undated rows all have the same."""


def resumes_at(position: Position, place: Place, ordering: Ordering) -> Place:
    """From which place on rows have to be read again where a cursor stands at `place`."""
    return place if position.is_single else ordering.before_all(place[0])


class Collapsed:
    """The rows of a merge, those that are one fact as one. `after`: the place of the cursor."""

    def __init__(self, merge: Merge, after: Place | None, *, is_single: bool, is_backward: bool) -> None:
        self._merge = merge
        self._after = after
        self._single: Key | None = after[0] if after is not None and is_single and not is_backward else None
        self._is_backward = is_backward
        self._marks = merge.marks
        self._held: Taken | None = None
        self._ready: list[Taken] = []

    async def take(self, count: int) -> list[Taken]:
        """The next rows, fewer only where there are no more."""
        while len(self._ready) < count and await self._read():
            pass
        taken, self._ready = self._ready[:count], self._ready[count:]
        return taken

    async def has_more(self) -> bool:
        """Whether a row follows."""
        while not self._ready and await self._read():
            pass
        return bool(self._ready)

    async def _read(self) -> bool:
        """Reads the rows of the next sort key; False where there are none."""
        first = await self._next()
        if first is None:
            return False
        key = first.row.key
        if key == self._single:
            self._give([_single(first)])
            return True
        run = [first]
        while len(run) < RUN_MAX or self._is_backward:
            one = await self._next()
            if one is None or one.row.key != key:
                self._held = one
                break
            run.append(one)
        else:
            self._single = key
        self._give(self._collapsed(run))
        self._marks = run[-1].marks
        return True

    async def _next(self) -> Taken | None:
        if self._held is not None:
            held, self._held = self._held, None
            return held
        taken = await self._merge.take(1)
        return taken[0] if taken else None

    def _give(self, taken: Sequence[Taken]) -> None:
        after = self._after
        self._ready += [one for one in taken if after is None or one.row.place > after]

    def _collapsed(self, run: Sequence[Taken]) -> list[Taken]:
        """The rows of one key, each fact once; their cursors lead to before the first."""
        if len(run) == 1:
            return [Taken(run[0].row, self._marks, run[0].lost)]
        forwards = list(reversed(run)) if self._is_backward else run
        facts = _Facts()
        for one in forwards[:RUN_MAX]:
            facts.add(one.row)
        lost = run[-1].lost
        taken = [Taken(rows[0], self._marks, lost, tuple(rows[1:])) for rows in facts.rows]
        taken += [Taken(one.row, self._marks, lost) for one in forwards[RUN_MAX:]]
        return list(reversed(taken)) if self._is_backward else taken


class _Facts:
    """Rows by the fact that they state. A row belongs to the first with whose first row it is the same."""

    def __init__(self) -> None:
        self.rows: list[list[Row]] = []
        self._facts: list[Fact] = []
        self._by_mark: dict[Hashable, list[int]] = {}

    def add(self, row: Row) -> None:
        """Puts a row where it belongs."""
        resource = row.resource
        fact = fact_of(resource.json, resource.source)
        like = sorted({at for mark in fact.marks for at in self._by_mark.get(mark, ())})
        for at in like:
            if self._facts[at].is_same(fact):
                self.rows[at].append(row)
                return
        for mark in fact.marks:
            self._by_mark.setdefault(mark, []).append(len(self.rows))
        self.rows.append([row])
        self._facts.append(fact)


def _single(taken: Taken) -> Taken:
    return Taken(taken.row, taken.marks, taken.lost, (), True)
