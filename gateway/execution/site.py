"""Where generated code stands: the object it reads, the place in the answer, and who writes objects."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from graphql import FieldNode, GraphQLNonNull, GraphQLObjectType, GraphQLOutputType

from gateway.execution.emit import Source
from gateway.execution.odd import Odd, Steps
from schema.field import ElementField


@dataclass(frozen=True, slots=True)
class Parent:
    """How the code holds the object that a field stands on: as a value, or as an element and its holder;
    `is_node`: as both."""

    value: str
    element: str | None = None
    holder: str | None = None
    is_node: bool = False

    @property
    def whole(self) -> str:
        """An expression for the parent as resolvers know it."""
        return f"Node({self.element}, {self.holder})" if self.element and not self.is_node else self.value


class Site:
    """A place in the answer: the field nodes that lead there, and its steps from where the function began."""

    __slots__ = ("_indices", "_steps", "nodes", "source")

    def __init__(
        self, source: Source, nodes: Sequence[FieldNode], steps: Steps = (), indices: Sequence[str] = ()
    ) -> None:
        self.source = source
        self.nodes = tuple(nodes)
        self._steps = steps
        self._indices = indices

    @property
    def path(self) -> str:
        """An expression for its linked path; a third member marks a place that may not be null."""
        made, indices = "path", iter(self._indices)
        for key, is_required in self._steps:
            step = next(indices) if key is None else self.source.text(key)
            made = f"({made}, {step}, 1)" if is_required else f"({made}, {step})"
        return made

    @property
    def is_required(self) -> bool:
        """Whether null may not stand here."""
        return bool(self._steps) and self._steps[-1][1]

    @property
    def at(self) -> str:
        """What tells an `Odd` where this is, as last arguments."""
        return ", ".join(("path", *self._indices))

    def odd(self, kind: Any = None, field: ElementField | None = None) -> str:
        """The `Odd` of the place, as the code names it."""
        return self.source.constant(Odd(self.nodes, self._steps, kind, field))

    def field(self, key: str, nodes: Sequence[FieldNode], kind: GraphQLOutputType) -> "Site":
        """The place of a field of the object that is here."""
        steps = (*self._steps, (key, isinstance(kind, GraphQLNonNull)))
        return Site(self.source, nodes, steps, self._indices)

    def item(self, index: str, kind: GraphQLOutputType) -> "Site":
        """The place of a list's item."""
        steps = (*self._steps, (None, isinstance(kind, GraphQLNonNull)))
        return Site(self.source, self.nodes, steps, (*self._indices, index))


class ObjectWriter(Protocol):
    """Writes the code of objects; values and elements call it for what stands below them."""

    def object(self, site: Site, kind: GraphQLObjectType, parent: Parent) -> str:
        """Code that makes the answer object; the name of the result."""

    def object_apart(self, kind: GraphQLObjectType, nodes: Sequence[FieldNode]) -> Any:
        """The same as a function of its own."""

    def value_apart(self, kind: GraphQLOutputType, nodes: Sequence[FieldNode]) -> Any:
        """A function that completes a value of any type."""

    def dispatch(self, kind: Any, nodes: Sequence[FieldNode]) -> Any:
        """A function that completes a value of an abstract type by its own type."""
