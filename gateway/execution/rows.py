"""Struct rows -> answers: as they are where they hold just what was asked, else one call for each object.

What comes out are structs that the encoder writes in the order of the selection.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec
from graphql import FieldNode, GraphQLField, GraphQLObjectType

from gateway.execution.arguments import Arguments
from gateway.execution.collect import Collector
from gateway.execution.emit import Source
from gateway.execution.facts import fact_of
from gateway.execution.modifiers import is_odd, left_out, row_checks
from gateway.execution.run import Complete, Step, unchanged
from gateway.execution.shapes import TYPENAME
from resolvers.parts import NULL, Part, Parts, attribute
from resolvers.shape import Shape, is_same
from schema.field import ComputedField, ElementField
from schema.view import ChosenField, ViewField

_ANSWERS_KEPT: Final = 2_000
_NAMESPACE: Final = {"NULL": NULL}


@lru_cache(maxsize=_ANSWERS_KEPT)
def answer_of(keys: tuple[str, ...]) -> type[msgspec.Struct]:
    """The struct that is encoded as an object with these keys, in this order."""
    names = {f"f{place}": key for place, key in enumerate(keys)}
    return msgspec.defstruct("Answer", [(name, Any) for name in names], rename=names, gc=False)


def rows_written(
    collector: Collector, shape: Shape, kind: GraphQLObjectType, nodes: Sequence[FieldNode], in_pieces: bool
) -> Complete:
    """The function that makes the answers of a list's rows: `(found, run, path) -> list`."""
    return _RowCode(collector, shape, in_pieces).function(kind, nodes)


class _RowCode:
    def __init__(self, collector: Collector, shape: Shape, in_pieces: bool) -> None:
        self._collector = collector
        self._shape = shape
        self._in_pieces = in_pieces

    def function(self, kind: GraphQLObjectType, nodes: Sequence[FieldNode]) -> Complete:
        """The function for rows of a type with these fields' selections."""
        source = Source(unpacks=True)
        fields = self._collector.fields(kind, [node.selection_set for node in nodes])
        missing = left_out(self._collector, kind, fields)
        checks = source.constant(row_checks(kind.name, missing)) if missing else None
        told = [] if checks is None else [f"{checks}(found.rows, x, path)"]
        made = self._object(source, kind, nodes, self._shape.parts, "row", is_row=True)
        if not self._in_pieces:  # the rows of a single page, as they nearly always are
            source.line("page = found.page")
            with source.block("if page is not None:"):
                _write_loop(source, made, is_odd(source, missing) if missing else None, told)
        for line in told:
            source.line(line)
        source.line(f"return [{made} for row, page in zip(found.rows, found.pages)]")
        made_of: Complete = source.function("rows_of", "found, x, path", _NAMESPACE)
        return made_of

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
        if self._in_pieces:  # a struct is encoded sooner, but takes long to make
            entries = [f"{source.text(key)}: {one}" for key, one in zip(fields, values, strict=True)]
            return f"{{{', '.join(entries)}}}"
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
            return source.text(kind.name)
        if self._collector.is_denied(kind, name):
            return "None"
        definition = kind.fields[name]
        fact = fact_of(definition)
        field, inner = fact.field, fact.inner
        if is_row and isinstance(field, ComputedField):
            return self._computed(source, field, inner, nodes)
        if isinstance(field, ViewField):
            seen, arguments = _plain(source, field.needs, value), _arguments(source, definition, nodes)
            return f"{source.constant(field.view)}({seen}, {arguments})"
        assert isinstance(field, ElementField)
        held, part = f"{value}.{source.attribute(attribute(field.element))}", known[field.element]
        is_whole = part.primitive is not None or self._is_as_decoded(inner, nodes, part.parts)
        if is_whole and not nodes[0].arguments:
            return held
        return self._converted(source, definition, nodes, part, held)

    def _computed(self, source: Source, field: ComputedField, inner: Any, nodes: Sequence[FieldNode]) -> str:
        """An expression for what follows from a row and its page: of an object, each of its fields."""
        if not isinstance(inner, GraphQLObjectType):
            return f"({field.of_row})"
        return self._object(source, inner, nodes, (), "row", is_row=True)

    def _converted(
        self, source: Source, definition: GraphQLField, nodes: Sequence[FieldNode], part: Part, held: str
    ) -> str:
        """What stands in an element whose struct holds other things than were asked for here."""
        item, inner = source.fresh("e"), fact_of(definition).inner
        assert isinstance(inner, GraphQLObjectType)
        made = self._below(source, inner, nodes, part.parts, item)
        if not part.is_list:
            return f"(None if ({item} := {held}) is None else {made})"
        listed = _chosen(source, definition, nodes, held)
        entries = f"[None if {item} is None else {made} for {item} in {listed}]"
        return f"(None if {held} is None else {entries})"

    def _below(
        self, source: Source, kind: GraphQLObjectType, nodes: Sequence[FieldNode], parts: Parts, value: str
    ) -> str:
        """An expression for a nested object's answer: a call, where code is in pieces."""
        if not self._in_pieces:
            return self._object(source, kind, nodes, parts, value)
        piece = Source(unpacks=True)
        piece.line(f"return {self._object(piece, kind, nodes, parts, 'e')}")
        return f"{source.constant(piece.function('object', 'e, x', _NAMESPACE))}({value}, x)"

    def _is_as_decoded(self, kind: Any, nodes: Sequence[FieldNode], parts: Parts) -> bool:
        """Whether the decoded struct is encoded as just the answer: same elements, names and order."""
        fields = self._collector.fields(kind, [node.selection_set for node in nodes])
        known = dict(parts)
        if not is_same(parts, tuple(fields)):
            return False
        for key, below in fields.items():
            if below[0].name.value != key or below[0].arguments:
                return False
            part, inner = known[key], fact_of(kind.fields[key]).inner
            if part.primitive is None and not self._is_as_decoded(inner, below, part.parts):
                return False
        return True


def _write_loop(source: Source, made: str, odd: str | None, told: Sequence[str]) -> None:
    """Code for the rows of a page, which sees in passing whether one is to be looked at: a comprehension for
    each would take longer to call than to run."""
    source.line("made = []")
    if odd is not None:
        source.line("is_odd = False")
    with source.block("for row in found.rows:"):
        if odd is not None:
            source.line(f"if {odd}: is_odd = True")
        source.line(f"made.append({made})")
    for line in told:
        source.line(f"if is_odd: {line}")
    source.line("return made")


def _chosen(source: Source, definition: GraphQLField, nodes: Sequence[FieldNode], held: str) -> str:
    """The entries of a list that the field's arguments ask for."""
    field = fact_of(definition).field
    if not isinstance(field, ChosenField) or not nodes[0].arguments:
        return held
    wanted, one = source.fresh("w"), source.fresh("e")
    source.line(f"{wanted} = {_arguments(source, definition, nodes)}.get({source.text(field.by)})")
    is_wanted = f"{one} is not None and {one}.{source.attribute(attribute(field.by))} == {wanted}"
    return f"({held} if {wanted} is None else [{one} for {one} in {held} if {is_wanted}])"


def _arguments(source: Source, definition: GraphQLField, nodes: Sequence[FieldNode]) -> str:
    """An expression for a field's arguments, which cannot fail."""
    known = Arguments(definition, nodes[0])
    if known.constant is not None:
        return source.constant(known.constant)
    return f"x.arguments({source.constant(Step(tuple(nodes), known, None, unchanged, frozenset()))})"


def _plain(source: Source, parts: Parts, held: str) -> str:
    """An expression for a struct's elements as JSON; what is absent is None."""
    entries = [
        f"{source.text(name)}: {_element(source, part, f'{held}.{source.attribute(attribute(name))}')}"
        for name, part in parts
    ]
    return f"{{{', '.join(entries)}}}"


def _element(source: Source, part: Part, held: str) -> str:
    if part.primitive == "decimal":
        return f"(None if {held} is NULL else {held})"
    if part.primitive is not None:
        return held
    item = source.fresh("e")
    made = _plain(source, part.parts, item)
    if not part.is_list:
        return f"(None if ({item} := {held}) is None else {made})"
    return f"(None if {held} is None else [None if {item} is None else {made} for {item} in {held}])"
