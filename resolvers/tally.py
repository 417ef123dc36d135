"""What a request has been given, as its cost is told by: searches, rows, and resources that were looked up.

It only takes notes; `gateway.cost.actual` makes a number of them once the answer is on its way.
"""

from typing import Any

import msgspec

Place = tuple[Any, ...] | None
"""Where in the answer: a linked path, as `resolvers.field` defines it."""


Note = tuple[Place, str] | tuple[Place, int, int]
"""A resource found by id or reference: where, and of which type. Or a list: where, how many sources were
searched for it, how many rows it gives."""


class Tally(msgspec.Struct):
    """Notes where in the answer something stands, without taking the places apart. `counts_found` false: no
    cost of the operation depends on which resources are found, so that these are not noted."""

    counts_found: bool = True
    notes: list[Note] = []
    """As they were taken: what is above something is usually noted before it."""

    def page(self, at: Place, searched: int, rows: int) -> None:
        """Notes a page of a list. Pages, parts, retries and lookups of persons are not counted."""
        self.notes.append((at, searched, rows))

    def find(self, at: Place, type_: str) -> None:
        """Notes a resource that was asked for by id, or followed to."""
        if self.counts_found:
            self.notes.append((at, type_))

    @property
    def pages(self) -> list[tuple[Place, int, int]]:
        """The lists."""
        return [note for note in self.notes if len(note) == 3]

    @property
    def found(self) -> list[tuple[Place, str]]:
        """The resources."""
        return [note for note in self.notes if len(note) == 2]
