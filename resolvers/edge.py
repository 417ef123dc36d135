"""The rows of a page with their cursors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from resolvers.admission import listed_nodes
from resolvers.context import RequestContext
from resolvers.cursor import Position
from resolvers.merge import Taken
from resolvers.persons import Person
from resolvers.question import Question
from resolvers.resource import Node, Resource
from resolvers.stream import Row


class Sealer:
    """Makes the cursors of one list, good for this list and this caller."""

    __slots__ = ("_bound_to", "_context", "_person", "_question")

    def __init__(self, question: Question, person: Person | None, context: RequestContext) -> None:
        self._question = question
        self._person = person
        self._context = context
        self._bound_to: bytes | None = None

    @property
    def bound_to(self) -> bytes:
        """What a cursor of the list is good for."""
        if self._bound_to is None:
            principal, person = self._context.principal, self._person
            owner = (principal.issuer, principal.client, principal.subject, person.id if person else None)
            self._bound_to = self._question.fingerprint(repr(owner))
        return self._bound_to

    def seal(self, position: Position) -> str:
        """A cursor's text."""
        return self._context.cursors.seal(position, self.bound_to)

    def open(self, text: str) -> Position:
        """Where a cursor stands. Raises CursorInvalid."""
        return self._context.cursors.open(text, self.bound_to)


@dataclass(slots=True)
class Edge:
    """One row of a page, with what its cursor is made of: `key` as a cursor holds it."""

    node: Node
    row: Row
    marks: Mapping[str, str]
    key: list[Any]
    sealer: Sealer

    @property
    def cursor(self) -> str:
        """Where to go on after this row."""
        resource = self.row.resource
        return self.sealer.seal(Position(self.key, resource.source, resource.id, self.marks))


def edge_of(resource: Resource, node: Node, question: Question, sealer: Sealer) -> Edge:
    """An edge that no merge made."""
    row = Row((question.ordering.key(resource), 0, resource.id), resource, None, "")
    return Edge(node, row, {}, question.ordering.dump(row.key), sealer)


async def edges_of(
    taken: Sequence[Taken], question: Question, sealer: Sealer, context: RequestContext
) -> list[Edge]:
    """Rows as edges; page marks and keys that are too long for a cursor go to the cache."""
    cursors, ordering = context.cursors, question.ordering
    packed: dict[int, Mapping[str, str]] = {}
    edges = []
    nodes = await listed_nodes(context, [one.row.resource for one in taken])
    for one, node in zip(taken, nodes, strict=True):
        if id(one.marks) not in packed:
            packed[id(one.marks)] = await cursors.pack(one.marks)
        key = ordering.dump(one.row.key)
        if ordering.has_text:
            key = await cursors.pack_key(key)
        edges.append(Edge(node, one.row, packed[id(one.marks)], key, sealer))
    return edges
