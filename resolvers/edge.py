"""The rows of a page with their cursors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from resolvers.admission import listed_nodes
from resolvers.context import RequestContext
from resolvers.cursor import TAG_BYTES, Position, source_tag
from resolvers.errors import CursorInvalid
from resolvers.merge import Taken
from resolvers.persons import Person
from resolvers.question import Question
from resolvers.resource import Node, Resource
from resolvers.stream import Row

_NO_MARKS: Final[Mapping[str, str]] = {}


class Sealer:
    """Makes the cursors of one list, good for this list and this caller. `sources`: those that can hold the
    type, in order of precedence."""

    __slots__ = ("_bound_to", "_context", "_expires_at", "_person", "_question", "_sources")

    def __init__(
        self, question: Question, person: Person | None, context: RequestContext, sources: Sequence[str]
    ) -> None:
        self._question = question
        self._person = person
        self._context = context
        self._sources = sources
        self._bound_to: bytes | None = None
        self._expires_at: int | None = None

    @property
    def bound_to(self) -> bytes:
        """What a cursor of the list is good for."""
        if self._bound_to is None:
            principal, person = self._context.principal, self._person
            owner = (principal.issuer, principal.client, principal.subject, person.id if person else None)
            self._bound_to = self._question.fingerprint(repr(owner))
        return self._bound_to

    @property
    def expires_at(self) -> int:
        """When the list's cursors expire, in seconds of `time.time()`."""
        if self._expires_at is None:
            self._expires_at = self._context.cursors.expires_at()
        return self._expires_at

    def seal(
        self,
        row: tuple[list[Any], str, str],
        lost: frozenset[str],
        marks: Mapping[str, str] = _NO_MARKS,
        *,
        is_single: bool = False,
    ) -> str:
        """The cursor of a row: its key as a cursor holds it, source and id. `lost`: the sources of which rows
        that belong before it may be missing."""
        whole = b"".join([source_tag(name) for name in self._sources if name not in lost])
        position = Position(*row, marks, whole, is_single)
        return self._context.cursors.seal(position, self.bound_to, self.expires_at)

    def open(self, text: str) -> Position:
        """Where a cursor stands. Raises CursorInvalid."""
        return self._context.cursors.open(text, self.bound_to)

    def missed(self, position: Position) -> frozenset[str]:
        """The sources that were missing when the cursor was made, or have come since.

        Raises CursorInvalid where one that was there has gone, or sources have changed their order: rows of
        equal keys would be lost or come again.
        """
        names = {source_tag(name): name for name in self._context.upstreams}
        tags = [position.whole[at : at + TAG_BYTES] for at in range(0, len(position.whole), TAG_BYTES)]
        known = [names.get(tag) for tag in tags]
        here = [name for name in self._sources if name in known]
        if None in known or here != [name for name in known if name in here]:
            raise CursorInvalid("after: the configured sources have changed; start again without it")
        return frozenset(self._sources) - frozenset(here)


@dataclass(slots=True)
class Edge:
    """One row of a page, with what its cursor is made of: `key` as a cursor holds it.

    `duplicates`: other rows that are the same clinical fact.
    """

    node: Node
    row: Row
    marks: Mapping[str, str]
    key: list[Any]
    sealer: Sealer
    lost: frozenset[str] = frozenset()
    duplicates: Sequence[Node] = ()
    is_single: bool = False

    @property
    def cursor(self) -> str:
        """Where to go on after this row."""
        resource = self.row.resource
        place = (self.key, resource.source, resource.id)
        return self.sealer.seal(place, self.lost, self.marks, is_single=self.is_single)


def edge_of(resource: Resource, node: Node, question: Question, sealer: Sealer) -> Edge:
    """An edge that no merge made."""
    row = Row((question.ordering.key(resource), 0, resource.id), 0, resource, None, "")
    return Edge(node, row, {}, question.ordering.dump(row.key), sealer)


async def edges_of(
    taken: Sequence[Taken],
    question: Question,
    sealer: Sealer,
    context: RequestContext,
    missed: frozenset[str] = frozenset(),
) -> list[Edge]:
    """Rows as edges; page marks and keys that are too long for a cursor go to the cache. `missed`: the
    sources that have missed rows before the page."""
    cursors, ordering = context.cursors, question.direction
    packed: dict[int, Mapping[str, str]] = {}
    edges = []
    nodes = await listed_nodes(context, [one.row.resource for one in taken])
    same = iter(await listed_nodes(context, [row.resource for one in taken for row in one.duplicates]))
    for one, node in zip(taken, nodes, strict=True):
        if id(one.marks) not in packed:
            packed[id(one.marks)] = await cursors.pack(one.marks)
        key = ordering.dump(one.row.key)
        if ordering.has_text:
            key = await cursors.pack_key(key)
        duplicates = list(islice(same, len(one.duplicates)))
        marks, lost = packed[id(one.marks)], missed | one.lost
        edges.append(Edge(node, one.row, marks, key, sealer, lost, duplicates, one.is_single))
    return edges
