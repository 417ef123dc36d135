"""Struct rows -> answers: as they are where they hold just what was asked, else one call for each object.

What comes out are structs that the encoder writes in the order of the selection.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec
from graphql import FieldNode, GraphQLObjectType

from gateway.execution.collect import Collector
from gateway.execution.emit import Source
from gateway.execution.facts import fact_of
from gateway.execution.shapes import TYPENAME
from resolvers.shape import Part, Parts, Shape, attribute, is_same
from schema.field import ComputedField, ElementField

_ANSWERS_KEPT: Final = 2_000


@lru_cache(maxsize=_ANSWERS_KEPT)
def answer_of(keys: tuple[str, ...]) -> type[msgspec.Struct]:
    """The struct that is encoded as an object with these keys, in this order."""
    names = {f"f{place}": key for place, key in enumerate(keys)}
    return msgspec.defstruct("Answer", [(name, Any) for name in names], rename=names, gc=False)


class RowCode:
    """Writes the function that makes the answers of a list's rows: `(rows, pages) -> list`."""

    def __init__(self, collector: Collector, shape: Shape) -> None:
        self._collector = collector
        self._shape = shape

    def function(self, kind: GraphQLObjectType, nodes: Sequence[FieldNode]) -> Any:
        """The function for rows of a type with these fields' selections."""
        source = Source(unpacks=True)
        made = self._object(source, kind, nodes, self._shape.parts, "row", is_row=True)
        source.line(f"return [{made} for row, page in zip(rows, pages)]")
        return source.function("rows_of", "rows, pages", {})

    def _object(
        self,
        source: Source,
        kind: GraphQLObjectType,
        nodes: Sequence[FieldNode],
        parts: Parts,
        value: str,
        *,
        is_row: bool = False,
    ) -> str:
        """An expression for the answer of one object that is there."""
        known = dict(parts)
        fields = self._collector.fields(kind, [node.selection_set for node in nodes])
        values = [self._value(source, kind, below, known, value, is_row=is_row) for below in fields.values()]
        return f"{source.constant(answer_of(tuple(fields)))}({', '.join(values)})"

    def _value(
        self,
        source: Source,
        kind: GraphQLObjectType,
        nodes: Sequence[FieldNode],
        known: dict[str, Part],
        value: str,
        *,
        is_row: bool,
    ) -> str:
        name = nodes[0].name.value
        if name == TYPENAME:
            return repr(kind.name)
        if self._collector.is_denied(kind, name):
            return "None"
        fact = fact_of(kind.fields[name])
        field, inner = fact.field, fact.inner
        if is_row and isinstance(field, ComputedField):
            return f"({field.of_row})"
        assert isinstance(field, ElementField)
        held, part = f"{value}.{attribute(field.element)}", known[field.element]
        if part.primitive is not None or self._is_as_decoded(inner, nodes, part.parts):
            return held
        return self._converted(source, inner, nodes, part, held)

    def _converted(
        self, source: Source, inner: Any, nodes: Sequence[FieldNode], part: Part, held: str
    ) -> str:
        """What stands in an element whose struct holds other things than were asked for here."""
        item = source.fresh("e")
        made = self._object(source, inner, nodes, part.parts, item)
        if not part.is_list:
            return f"(None if ({item} := {held}) is None else {made})"
        entries = f"[None if {item} is None else {made} for {item} in {held}]"
        return f"(None if {held} is None else {entries})"

    def _is_as_decoded(self, kind: Any, nodes: Sequence[FieldNode], parts: Parts) -> bool:
        """Whether the decoded struct is encoded as just the answer: same elements, names and order."""
        fields = self._collector.fields(kind, [node.selection_set for node in nodes])
        known = dict(parts)
        if not is_same(parts, tuple(fields)):
            return False
        for key, below in fields.items():
            if below[0].name.value != key:
                return False
            part, inner = known[key], fact_of(kind.fields[key]).inner
            if part.primitive is None and not self._is_as_decoded(inner, below, part.parts):
                return False
        return True
