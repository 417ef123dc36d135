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
    Primitive.INTEGER: "{v}.__class__ is not int or not -2147483648 <= {v} <= 2147483647",
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

    def __init__(self, writer: ObjectWriter, site: Site, parent: Parent, field: ElementField) -> None:
        self._writer = writer
        self._site = site
        self._parent = parent
        self._field = field
        self._source = site.source
        self._checker = site.source.constant(field)

    def write(self, kind: GraphQLOutputType) -> str:
        """The code; the name of the result."""
        source, value = self._source, self._source.fresh("v")
        inner: Any = kind.of_type if isinstance(kind, GraphQLNonNull) else kind
        source.line(f"{value} = {self._parent.element}.get({self._field.element!r})")
        with source.block(f"if {value} is not None:"):
            if self._field.is_list:
                self._list(inner.of_type, value)
            else:
                self._entry(self._site, inner, value)
        self._refuse_null(self._site, kind)
        return value

    def _refuse_null(self, site: Site, kind: Any) -> None:
        """After an `if` that the value is not null: null is told where it may not be."""
        if isinstance(kind, GraphQLNonNull):
            with self._source.block("else:"):
                self._source.line(f"x.absent({site.path}, {site.blamed})")

    def _list(self, kind: Any, value: str) -> None:
        source, site = self._source, self._site
        made, index, item = source.fresh("l"), source.fresh("i"), source.fresh("w")
        with source.block(f"if {value}.__class__ is list:"):
            source.line(f"{made} = []")
            with source.block(f"for {index}, {item} in enumerate({value}):"):
                place = site.item(index, kind)
                inner = kind.of_type if isinstance(kind, GraphQLNonNull) else kind
                with source.block(f"if {item} is not None:"):
                    self._entry(place, inner, item)
                self._refuse_null(place, kind)
                source.line(f"{made}.append({item})")
            source.line(f"{value} = {made}")
        with source.block("else:"):
            holder = self._parent.holder
            source.line(f"{value} = x.misshapen({self._checker}, {holder}, {site.path}, {site.blamed})")

    def _entry(self, site: Site, kind: Any, value: str) -> None:
        """One value that is not None, completed in place."""
        if self._field.primitive is not None:
            with self._source.block(f"if {_UNUSUAL[self._field.primitive].format(v=value)}:"):
                self._check(site, value)
            if not self._is_its_own_result(kind, self._field.primitive):
                with self._source.block(f"if {value} is not None:"):
                    write_present(self._writer, site, kind, value)
        elif self._field.resources is not None or is_abstract_type(kind):
            self._check(site, value)
            with self._source.block(f"if {value} is not None:"):
                write_present(self._writer, site, kind, value)
        else:
            with self._source.block(f"if {value}.__class__ is dict:"):
                self._source.line(f"{value} = {self._object(site, kind, value)}")
            with self._source.block("else:"):
                self._check(site, value)

    def _is_its_own_result(self, kind: Any, primitive: Primitive) -> bool:
        return kind.serialize is as_recorded or kind.name in _OWN_RESULT[primitive]

    def _object(self, site: Site, kind: Any, value: str) -> str:
        holder = self._parent.holder
        if self._source.depth > INLINE_DEPTH:
            function = self._source.constant(self._writer.object_apart(kind, site.nodes))
            return f"{function}(({value}, {holder}), x, {site.path})"
        return self._writer.object(site, kind, Parent(value, value, holder))

    def _check(self, site: Site, value: str) -> None:
        arguments = f"{self._checker}, {value}, {self._parent.holder}, {site.path}, {site.blamed}"
        self._source.line(f"{value} = x.checked({arguments})")
