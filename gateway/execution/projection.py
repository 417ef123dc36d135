"""Selection sets -> specialised functions over plain values.

For each object type and merged selection a function is written that builds the answer object in
one go: elements are read off the JSON and checked, nested objects and lists are inlined, computed
fields are called, and fields that fetch are left pending. The code knows GraphQL and the kinds of
field in `schema.field`; it knows no FHIR type.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import msgspec
from graphql import (
    FieldNode,
    GraphQLField,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
)

from gateway.execution.arguments import Arguments
from gateway.execution.collect import Collector, Fields
from gateway.execution.elements import ElementCode
from gateway.execution.emit import Source
from gateway.execution.facts import fact_of
from gateway.execution.late import Late
from gateway.execution.modifiers import left_out, write_checks
from gateway.execution.rows import rows_written
from gateway.execution.run import Complete, Pending, Step, unchanged
from gateway.execution.site import Parent, Site
from gateway.execution.values import Place, possible_type, unpacked, write_value
from resolvers.resource import Node
from resolvers.shape import Shape
from schema.field import ComputedField, DerivedField, ElementField, FetchField, RowsField
from schema.view import ChosenField, ViewField

_MANY: Final = 3
_NAMESPACE = {"Node": Node, "Pending": Pending, "Raw": msgspec.Raw}


class Projector:
    """Writes the functions of one operation. `in_pieces`: so that most of their code is found written, at the
    price of more calls."""

    def __init__(
        self,
        schema: GraphQLSchema,
        collector: Collector,
        shapes: Mapping[str, Shape],
        *,
        in_pieces: bool = False,
    ) -> None:
        self._schema = schema
        self._collector = collector
        self._shapes = shapes
        self._in_pieces = in_pieces
        self._made: dict[tuple[str, tuple[int, ...]], Complete] | None = {}

    def operation(self, kind: GraphQLObjectType, selection_set: Any) -> Complete:
        """The function of an operation's own selection set."""
        fields = self._collector.fields(kind, [selection_set])
        made = self._function((), lambda site: self._fields(site, kind, fields, Parent("v")))
        # What is written later belongs to its abstract type; kept here, a plan would hold itself.
        self._made = None
        return made

    def object_apart(self, kind: GraphQLObjectType, nodes: Sequence[FieldNode]) -> Complete:
        """The function `(value, run, path) -> dict` of an object type with these fields' selections."""

        def body(site: Site) -> str:
            return self.object(site, kind, unpacked(site, kind, "v"))

        if self._made is None:
            return self._function(nodes, body)
        key = (kind.name, tuple(map(id, nodes)))
        if key not in self._made:
            self._made[key] = self._function(nodes, body)
        return self._made[key]

    def value_apart(
        self, kind: GraphQLOutputType, nodes: Sequence[FieldNode], *, may_fail: bool = True
    ) -> Complete:
        """The function that makes the answer of a resolved value of any output type."""

        def body(site: Site) -> str:
            write_value(self, site, kind, "v", may_fail=may_fail)
            return "v"

        return self._function(nodes, body)

    def dispatch(self, kind: Any, nodes: Sequence[FieldNode]) -> Complete:
        """The function for an abstract type: that of the value's own type, written when first met."""
        known: dict[str, Complete] = {}
        place = Place(nodes[0].name.value, self._schema)

        def complete(value: Any, run: Any, path: Any) -> Any:
            name = kind.resolve_type(value, place, kind)
            made = known.get(name)
            if made is None:
                made = known[name] = self.object_apart(possible_type(self._schema, kind, name), nodes)
            return made(value, run, path)

        return complete

    def object(self, site: Site, kind: GraphQLObjectType, parent: Parent) -> str:
        """Code that makes the answer object; the name of the result."""
        fields = self._collector.fields(kind, [node.selection_set for node in site.nodes])
        return self._fields(site, kind, fields, parent)

    def _function(self, nodes: Sequence[FieldNode], body: Callable[[Site], str]) -> Complete:
        source = Source(in_pieces=self._in_pieces)
        source.line(f"return {body(Site(source, nodes))}")
        made: Complete = source.function("complete", "v, x, path", _NAMESPACE)
        return made

    def _fields(self, site: Site, kind: GraphQLObjectType, fields: Fields, parent: Parent) -> str:
        entries, fetches = [], []
        text = site.source.text
        for key, nodes in fields.items():
            name = nodes[0].name.value
            if name == "__typename":
                entries.append(f"{text(key)}: {text(kind.name)}")
                continue
            if self._collector.is_denied(kind, name):
                entries.append(f"{text(key)}: None")
                continue
            definition = kind.fields[name]
            below = site.field(key, nodes, definition.type)
            field = fact_of(definition).field
            if isinstance(field, FetchField):
                fetches.append((key, below, self._step(definition, below, field)))
                entries.append(f"{text(key)}: None")
            else:
                entries.append(f"{text(key)}: {self._field(below, definition, field, parent)}")
        if parent.element is not None:
            missing = left_out(self._collector, kind, fields)
            write_checks(site.source, kind, missing, parent.element, site.path)
        made = site.source.fresh("o")
        site.source.line(f"{made} = {{{', '.join(entries)}}}")
        self._leave(site, parent, made, fetches)
        return made

    def _leave(
        self, site: Site, parent: Parent, made: str, fetches: Sequence[tuple[str, Site, Step]]
    ) -> None:
        """Code that leaves fetches pending: in a loop where there are many, as it runs but once."""
        source = site.source
        pending = "x.pending.append(Pending({}, {}, x.context, {}, {}, {}, step={}, out={}, key={}))"
        if len(fetches) < _MANY or any(below.is_required for _, below, _ in fetches):
            for key, below, step in fetches:
                said = map(source.constant, (step.constant, step.selected, step.about, step))
                arguments, selected, about, known = said
                line = (arguments, below.path, selected, about, known, made, source.text(key))
                source.line(pending.format(parent.whole, *line))
            return
        steps = tuple([(one.constant, one.selected, one.about, one, key) for key, _, one in fetches])
        arguments, selected, about, known, name = names = [source.fresh("f") for _ in range(5)]
        with source.block(f"for {', '.join(names)} in {source.constant(steps)}:"):
            path = f"({site.path}, {name})"
            source.line(pending.format(parent.whole, arguments, path, selected, about, known, made, name))

    def _field(self, site: Site, definition: GraphQLField, field: Any, parent: Parent) -> str:
        if isinstance(field, ElementField):
            is_chosen = isinstance(field, ChosenField) and site.nodes[0].arguments
            arguments = self._arguments(definition, site) if is_chosen else None
            return ElementCode(self, site, parent, field, arguments).write(definition.type)
        source, value = site.source, site.source.fresh("v")
        if isinstance(field, RowsField):
            return self._rows(site, definition, field, parent)
        source.line(f"try: {value} = {self._call(site, definition, field, parent)}")
        source.line(f"except Exception as problem: {value} = problem")
        write_value(self, site, definition.type, value)
        return value

    def _rows(self, site: Site, definition: GraphQLField, field: RowsField, parent: Parent) -> str:
        """Rows that came as structs are answered by one call; others as nodes."""
        source, value = site.source, site.source.fresh("v")
        if field.row_type not in self._shapes:
            self._nodes(site, definition, field, parent, value)
            return value
        kind = fact_of(definition).inner
        assert isinstance(kind, GraphQLObjectType)
        write = partial(rows_written, self._collector, self._shapes[field.row_type], kind, site.nodes)
        source.line(f"{value} = {parent.whole}.straight")
        with source.block(f"if {value} is not None:"):
            source.line(f"{value} = {source.constant(Late(write))}.complete({value}, x, {site.path})")
        with source.block("else:"):
            self._nodes(site, definition, field, parent, value)
        return value

    def _nodes(
        self, site: Site, definition: GraphQLField, field: RowsField, parent: Parent, value: str
    ) -> None:
        source = site.source
        source.line(f"{value} = {source.constant(field.compute)}({parent.whole})")
        apart = source.constant(Late(partial(self._value_written, definition.type, site.nodes)))
        source.line(f"{value} = {apart}.complete({value}, x, {site.path})")

    def _value_written(
        self, kind: GraphQLOutputType, nodes: Sequence[FieldNode], in_pieces: bool
    ) -> Complete:
        writer = Projector(self._schema, self._collector, self._shapes, in_pieces=in_pieces)
        writer._made = None
        return writer.value_apart(kind, nodes)

    def _call(self, site: Site, definition: GraphQLField, field: Any, parent: Parent) -> str:
        if isinstance(field, DerivedField):
            return (
                f"{site.source.constant(field.derive)}({parent.whole}, {self._arguments(definition, site)})"
            )
        if isinstance(field, ViewField):
            arguments = self._arguments(definition, site)
            return f"{site.source.constant(field.view)}({parent.element}, {arguments})"
        if isinstance(field, ComputedField):
            made = f"{site.source.constant(field.compute)}({parent.whole})"
            is_held = field.of_holder is not None and parent.holder is not None
            return f"{parent.holder}.{field.of_holder} or {made}" if is_held else made
        raise TypeError(f"a field of no known kind: {site.nodes[0].name.value}")

    def _arguments(self, definition: GraphQLField, site: Site) -> str:
        """An expression for a field's arguments."""
        step = self._step(definition, site, None)
        known = step.constant
        return f"x.arguments({site.source.constant(step)})" if known is None else site.source.constant(known)

    def _step(self, definition: GraphQLField, site: Site, field: FetchField | None) -> Step:
        """What a fetch needs, or a derived field's arguments alone."""
        if field is None:
            return Step(site.nodes, Arguments(definition, site.nodes[0]), None, unchanged, frozenset())
        selected = self._collector.names(node.selection_set for node in site.nodes)
        complete = self.value_apart(definition.type, site.nodes, may_fail=False)
        return Step(site.nodes, Arguments(definition, site.nodes[0]), field.fetch, complete, selected)
