"""Code for elements: read off the plain JSON, checked in place, nested objects and lists inlined."""

from typing import Any, Final

from graphql import GraphQLNonNull, GraphQLOutputType

from gateway.execution.site import ObjectWriter, Parent, Site
from gateway.execution.values import INLINE_DEPTH, write_present
from schema.field import ElementField, Primitive

_UNUSUAL: Final[dict[Primitive, str]] = {
    Primitive.TEXT: "{v}.__class__ is not str",
    Primitive.BOOLEAN: "{v}.__class__ is not bool",
    Primitive.DECIMAL: "{v}.__class__ is not Raw and {v}.__class__ is not int",
    Primitive.INTEGER: "{v}.__class__ is not int or not -2147483648 <= {v} <= 2147483647",
}
"""When a value needs a closer look than its Python type."""


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
        if isinstance(kind, GraphQLNonNull):
            with source.block(f"if {value} is None:"):
                source.line(f"x.absent({self._site.path}, {self._site.blamed})")
        return value

    def _list(self, kind: Any, value: str) -> None:
        source, site = self._source, self._site
        made, index, item = source.fresh("l"), source.fresh("i"), source.fresh("w")
        with source.block(f"if {value}.__class__ is list:"):
            source.line(f"{made} = []")
            with source.block(f"for {index}, {item} in enumerate({value}):"):
                with source.block(f"if {item} is not None:"):
                    self._entry(site.item(index, kind), kind, item)
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
        elif self._field.resources is not None:
            self._check(site, value)
            with self._source.block(f"if {value} is not None:"):
                write_present(self._writer, site, kind, value)
        else:
            with self._source.block(f"if {value}.__class__ is dict:"):
                self._source.line(f"{value} = {self._object(site, kind, value)}")
            with self._source.block("else:"):
                self._check(site, value)

    def _object(self, site: Site, kind: Any, value: str) -> str:
        holder = self._parent.holder
        if self._source.depth > INLINE_DEPTH:
            function = self._source.constant(self._writer.object_apart(kind, site.nodes))
            return f"{function}(({value}, {holder}), x, {site.path})"
        return self._writer.object(site, kind, Parent(value, value, holder))

    def _check(self, site: Site, value: str) -> None:
        arguments = f"{self._checker}, {value}, {self._parent.holder}, {site.path}, {site.blamed}"
        self._source.line(f"{value} = x.checked({arguments})")
