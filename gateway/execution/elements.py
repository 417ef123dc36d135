"""Code for elements: read off the plain JSON, checked in place, nested objects and lists inlined."""

from typing import Any, Final

from graphql import GraphQLNonNull, GraphQLOutputType, is_abstract_type

from gateway.execution.site import ObjectWriter, Parent, Site
from gateway.execution.values import INLINE_DEPTH, write_present
from schema.field import ElementField, Primitive
from schema.scalars import as_recorded

_UNUSUAL: Final[dict[Primitive, str]] = {
    Primitive.TEXT: "{v}.__class__ is not str",
    Primitive.BOOLEAN: "{v}.__class__ is not bool",
    Primitive.DECIMAL: "{v}.__class__ is not Raw and {v}.__class__ is not int",
    Primitive.INTEGER: "({v}.__class__ is not int or not -2147483648 <= {v} <= 2147483647)",
}
"""When a value needs a closer look than its Python type."""

_OWN_RESULT: Final[dict[Primitive, frozenset[str]]] = {
    Primitive.TEXT: frozenset({"String", "ID"}),
    Primitive.BOOLEAN: frozenset({"Boolean"}),
    Primitive.DECIMAL: frozenset(),
    Primitive.INTEGER: frozenset({"Int"}),
}
"""GraphQL's own types for which a value of the primitive's shape is its own result."""


class ElementCode:
    """Writes one element field of an object."""

    def __init__(
        self,
        writer: ObjectWriter,
        site: Site,
        parent: Parent,
        field: ElementField,
        arguments: str | None = None,
    ) -> None:
        self._writer = writer
        self._site = site
        self._parent = parent
        self._field = field
        self._source = site.source
        self._arguments = arguments

    def write(self, kind: GraphQLOutputType) -> str:
        """The code; the name of the result."""
        value = self._source.fresh("v")
        element = self._source.text(self._field.element)
        self._source.line(f"{value} = {self._parent.element}.get({element})")
        if self._arguments is not None:
            self._choose(value, self._arguments)
        if self._field.is_list:
            self._list(kind, value)
        else:
            self._entry(self._site, kind, value)
        return value

    def _choose(self, value: str, arguments: str) -> None:
        """The entries that the field's arguments ask for (`ChosenField`)."""
        source, site = self._source, self._site
        source.line(f"try: {value} = {source.constant(self._field)}.choose({value}, {arguments})")
        with source.block("except Exception as problem:"):
            source.line(f"{site.odd()}.fail(x, problem, {site.at})")
            source.line(f"{value} = None")

    def _list(self, kind: Any, value: str) -> None:
        source, site, inner = self._source, self._site, _present(kind).of_type
        with source.block(f"if {value}.__class__ is list:"):
            if self._field.primitive is Primitive.TEXT and _is_its_own_result(
                _present(inner), Primitive.TEXT
            ):
                source.line(f"try: ''.join({value})")  # the quickest way to see that all are texts
                with source.block("except TypeError:"):
                    self._entries(inner, value)
            else:
                self._entries(inner, value)
        odd, holder = site.odd(None, self._field), self._parent.holder
        source.line(f"elif {value} is not None: {value} = {odd}.misshapen(x, {holder}, {site.at})")
        self._refuse_null(site, kind)

    def _entries(self, kind: Any, value: str) -> None:
        """The items of a list, each completed."""
        source = self._source
        made, index, item = source.fresh("l"), source.fresh("i"), source.fresh("w")
        source.line(f"{made} = []")
        with source.block(f"for {index}, {item} in enumerate({value}):"):
            self._entry(self._site.item(index, kind), kind, item)
            source.line(f"{made}.append({item})")
        source.line(f"{value} = {made}")

    def _entry(self, site: Site, kind: Any, value: str) -> None:
        """One value, completed in place."""
        source, inner, primitive = self._source, _present(kind), self._field.primitive
        if primitive is not None and _is_its_own_result(inner, primitive):
            self._primitive(site, value, primitive, is_required=inner is not kind)
            return
        if primitive is None and self._field.resources is None and not is_abstract_type(inner):
            with source.block(f"if {value}.__class__ is dict:"):
                source.line(f"{value} = {self._object(site, inner, value)}")
            source.line(f"elif {value} is not None: {self._checked(site, value)}")
        else:
            with source.block(f"if {value} is not None:"):
                unusual = f"if {_UNUSUAL[primitive].format(v=value)}: " if primitive is not None else ""
                source.line(f"{unusual}{self._checked(site, value)}")
                with source.block(f"if {value} is not None:"):
                    write_present(self._writer, site, inner, value)
        self._refuse_null(site, kind)

    def _primitive(self, site: Site, value: str, primitive: Primitive, *, is_required: bool) -> None:
        unusual, source = _UNUSUAL[primitive].format(v=value), self._source
        if is_required:
            source.line(f"if {value} is None: {site.odd()}.absent(x, {site.at})")
            source.line(f"elif {unusual}: {self._checked(site, value)}")
        else:
            source.line(f"if {unusual} and {value} is not None: {self._checked(site, value)}")

    def _refuse_null(self, site: Site, kind: Any) -> None:
        """The end of an `if` for a value that is there: null is told where it may not be."""
        if isinstance(kind, GraphQLNonNull):
            self._source.line(f"else: {site.odd()}.absent(x, {site.at})")

    def _object(self, site: Site, kind: Any, value: str) -> str:
        holder = self._parent.holder
        if self._source.in_pieces or self._source.depth > INLINE_DEPTH:
            function = self._source.constant(self._writer.object_apart(kind, site.nodes))
            return f"{function}(({value}, {holder}), x, {site.path})"
        return self._writer.object(site, kind, Parent(value, value, holder))

    def _checked(self, site: Site, value: str) -> str:
        odd = site.odd(None, self._field)
        return f"{value} = {odd}.checked(x, {value}, {self._parent.holder}, {site.at})"


def _present(kind: Any) -> Any:
    """A type without its non-null."""
    return kind.of_type if isinstance(kind, GraphQLNonNull) else kind


def _is_its_own_result(kind: Any, primitive: Primitive) -> bool:
    return kind.serialize is as_recorded or kind.name in _OWN_RESULT[primitive]
