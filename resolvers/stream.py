"""One search of one source as a stream of rows in order, fetched page by page.

A source that sorts as asked is read lazily. One that does not is walked to its end and sorted
here. A source that says it sorts but does not is found out by its rows, then walked too.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace

from resolvers.loaders import Loaders
from resolvers.ordering import MISSING, Key, Ordering, Place
from resolvers.resource import Resource
from resolvers.upstreams.errors import PageExpired, SearchNotSupported
from resolvers.upstreams.upstream import Page, Search

Keep = Callable[[Resource], bool]
"""Whether a resource belongs in the answer."""

Admit = Callable[[Resource, "Stream"], bool]
"""Whether a resource of a stream belongs in the answer. It may note a problem of the stream."""


@dataclass(slots=True, eq=False)
class Row:
    """A resource in its place; `mark` names the page where a walk may resume. `rank`: its source's, in order
    of precedence."""

    place: Place
    rank: int
    resource: Resource
    mark: str | None
    stream: str

    @property
    def key(self) -> Key:
        """What orders the row."""
        return self.place[0]


class Stream:
    """The rows of one search. `head` is the next row once `fill` has been awaited, None at the end.

    `ordering` may be that of a list read from its end (`is_backward`). `is_cut`: rows are missing at its end.
    """

    def __init__(
        self,
        source: str,
        rank: int,
        search: Search,
        ordering: Ordering,
        *,
        is_sorted: bool,
        is_sorted_by_id: bool = False,
        is_batched: bool = False,
        is_backward: bool = False,
        pages_max: int,
    ) -> None:
        self.source = source
        self.rank = rank
        self.id = _stream_id(search)
        self.head: Row | None = None
        self.admit: Admit = _any
        self.problems: list[str] = []
        self.has_answered = False
        self.has_strays = False
        self.searches = 0
        """How many pages the source was asked for."""
        self.forgets = False
        """Whether pages are let go once they have been read: for walks that keep no rows."""
        self.is_short = False
        """Whether a source that sorts is asked for its first page alone; `has_left`: it has more."""
        self.has_left = False
        self.is_cut = False
        self.counts_changed = [0, 0]
        """How many records tell when they changed, and how many do not, where the gateway has to know."""
        self.retrieved_at: datetime | None = None
        self._search = search
        self._ordering = ordering
        self._walks = not is_sorted
        self._has_runs = not is_sorted_by_id
        self._is_batched = is_batched
        self._is_backward = is_backward
        self._pages_left = pages_max
        self._after: Place | None = None
        self._resumed = False
        self._next: str | None = search.page
        self._ended = False
        self._newest: Row | None = None
        self._given: Place | None = None
        self._pending: list[Row] = []
        self._ready: list[Row] = []
        self._seen: set[str] = set()

    def note_problem(self, problem: str) -> None:
        """Remembers, once, what makes this source's part less than whole."""
        if problem not in self.problems:
            self.problems.append(problem)

    def resume(self, after: Place, mark: str | None) -> None:
        """Goes on after a place; `mark` is the page to begin with, or None to begin at the start."""
        self._after = after
        if mark is not None and not self._walks:
            self._next, self._resumed = mark, True

    async def touch(self, loaders: Loaders) -> None:
        """Asks for the first page, and learns whether the source answers. Raises UpstreamError."""
        if not self.has_answered:
            await self._fetch(loaders)
            self._settle()
            self.head = self._ready[-1] if self._ready else None

    async def fill(self, loaders: Loaders) -> None:
        """Makes `head` the next row. Raises UpstreamError where its page cannot be had."""
        while not self._ready and not self._ended:
            await self._fetch(loaders)
            self._settle()
        self.head = self._ready[-1] if self._ready else None

    @property
    def is_over(self) -> bool:
        """True when no row is left and no page may bring one."""
        return self._ended and not self._ready

    def advance(self) -> None:
        """Takes the head away; the next row is the head at once where it has been read."""
        self._given = self._ready.pop().place
        self.head = self._ready[-1] if self._ready else None

    def holds_after(self, place: Place | None) -> bool:
        """Whether a row beyond the place has already been read."""
        rows = (*self._ready, *self._pending)
        return any(place is None or row.place > place for row in rows)

    async def _fetch(self, loaders: Loaders) -> None:
        mark = self._next
        asked = replace(self._search, page=mark)
        self.searches += 1
        try:
            page = await loaders.search(self.source, asked, is_batched=self._is_batched)
        except PageExpired:
            if mark is None:
                raise
            self._start_again(loaders, asked)
            return
        if self.forgets:
            loaders.forget(self.source, asked)
        if loaders.turns.is_over:
            await loaders.turns.take()
        self.has_answered = True
        self._pages_left -= 1
        self._note(page)
        self._take(page, mark)
        self._next = page.next
        if page.next is None:
            self._ended = True
        elif page.next == mark:
            self._cut("the source repeats its pages")
        elif self.is_short and not self._walks:
            self._ended = self.has_left = True
        elif self._pages_left <= 0:
            self._cut("more pages than the gateway reads")

    def _cut(self, problem: str) -> None:
        """Ends the walk before the end of the list."""
        if self._is_backward and self._walks:
            # What was read is the list's beginning, and says nothing of its end.
            raise SearchNotSupported(self.source, f"the list cannot be read from its end: {problem}")
        self._ended = self.is_cut = True
        self.note_problem(problem)

    def _start_again(self, loaders: Loaders, expired: Search) -> None:
        """The source has forgotten the page: walk from the start, past what has been given out."""
        for search in (expired, replace(self._search, page=None)):
            loaders.forget(self.source, search)
        self._pages_left -= 1
        if self._pages_left <= 0:
            self._cut("the source forgets its pages faster than they are read")
        self._after = self._given or self._after
        self._next, self._pending, self._newest = None, [], None
        self._seen.clear()

    def _note(self, page: Page) -> None:
        self.problems.extend(page.problems)
        for resource in page.resources[-1:]:
            self.retrieved_at = resource.retrieved_at

    def _take(self, page: Page, mark: str | None) -> None:
        fresh = [one for one in page.resources if one.id not in self._seen]
        if page.resources and not fresh:
            self._cut("the source repeats its pages")
        self._seen.update(one.id for one in fresh)
        place, rank = self._ordering.place, self.rank
        for resource in fresh:
            row = Row(place(resource, rank), rank, resource, mark, self.id)
            if self._is_backward and not self._walks and self._ordering.is_undated(row.key):
                continue  # they come after all that is read here, wherever the source puts them
            self._check_order(row)
            if self._is_wanted(row):
                self._pending.append(row)

    def _is_wanted(self, row: Row) -> bool:
        return (self._after is None or row.place > self._after) and self.admit(row.resource, self)

    def _check_order(self, row: Row) -> None:
        """A source that does not sort as it says is read to its end, or run by run, and sorted here."""
        before, self._newest = self._newest, row
        if before is None:
            # Undated rows go last: a source that begins with one has no others, or another order.
            is_odd = not self._resumed and MISSING in row.key
            self._walks = self._walks or is_odd
            return
        if row.place > before.place or self._walks:
            return
        if self._has_runs and row.key == before.key:
            return  # nobody said that equal keys come by id
        self._walks = row.key < before.key
        self._has_runs = True
        if self._resumed or self._given is not None:
            self.note_problem("the source does not keep its order; rows may be missing")

    def _settle(self) -> None:
        """Rows whose place can no longer change become ready.

        All, where the source sorts equal keys by id; else all but the last run of equal keys.
        """
        if self._ended or not (self._walks or self._has_runs):
            count = len(self._pending)
        elif self._walks or not self._pending:
            return
        else:
            last = self._pending[-1].key
            count = next(i for i, row in enumerate(self._pending) if row.key == last)
        settled, self._pending = self._pending[:count], self._pending[count:]
        if settled:
            mark = None if self._walks else settled[0].mark
            for row in settled:
                row.mark = mark
            settled.sort(key=_place, reverse=True)
            self._ready = settled


def _any(resource: Resource, stream: Stream) -> bool:
    return True


def _place(row: Row) -> Place:
    return row.place


def _stream_id(search: Search) -> str:
    """Short, and the same for the same search: a cursor finds its stream again by it."""
    text = repr((search.type, search.location, search.filters, search.patient, search.sort))
    return hashlib.blake2s(text.encode(), digest_size=5).hexdigest()
