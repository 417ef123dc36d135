"""Where generated code stands: the object it reads, the place in the answer, and who writes objects."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from graphql import FieldNode, GraphQLNonNull, GraphQLObjectType, GraphQLOutputType

from gateway.execution.emit import Source


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


@dataclass(frozen=True, slots=True)
class Site:
    """A place in the answer: its path, as an expression, and the field nodes that lead there."""

    source: Source
    nodes: tuple[FieldNode, ...]
    path: str

    @property
    def blamed(self) -> str:
        """The nodes as the code names them in an error."""
        return self.source.constant(self.nodes)

    def item(self, index: str, kind: GraphQLOutputType) -> "Site":
        """The place of a list's item."""
        return replace(self, path=path_to(self.path, index, kind))


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


def path_to(path: str, key: str, kind: GraphQLOutputType) -> str:
    """The path expression one step further; a third member marks a place that may not be null."""
    return f"({path}, {key}, 1)" if isinstance(kind, GraphQLNonNull) else f"({path}, {key})"
