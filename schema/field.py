"""The kinds of field there are: an element, a computed or derived value, a fetch.

An executor reads the kind off the schema; nothing else decides how a field is answered.
"""

from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from typing import Any, TypeVar

import msgspec
from strawberry.annotation import StrawberryAnnotation
from strawberry.types.arguments import StrawberryArgument
from strawberry.types.field import StrawberryField

from permissions.coordinates import Reads
from resolvers.field import Compute, Derive, Fetch
from resolvers.parts import Parts
from resolvers.resource import Node, Resource
from resolvers.upstreams.errors import UpstreamInvalidResponse
from schema.cost import Costs


class Primitive(Enum):
    """The JSON shapes of FHIR's primitive types (R4 2.24.0.1)."""

    TEXT = "text"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    DECIMAL = "decimal"


_INT_MIN, _INT_MAX = -(2**31), 2**31 - 1

_FITS: dict[Primitive, Callable[[Any], bool]] = {
    Primitive.TEXT: lambda value: type(value) is str,
    Primitive.BOOLEAN: lambda value: type(value) is bool,
    Primitive.INTEGER: lambda value: type(value) is int and _INT_MIN <= value <= _INT_MAX,
    Primitive.DECIMAL: lambda value: type(value) in (int, msgspec.Raw, Decimal),
}


class ElementField(StrawberryField):
    """A FHIR element, read from the JSON as recorded.

    `primitive` is set for primitive elements; `resources` names the servable types where the
    element holds whole resources (`contained`); else the element is an object.
    A value of the wrong shape is an error of the source at this element, and of nothing else.
    """

    element: str
    is_list: bool
    primitive: Primitive | None
    resources: frozenset[str] | None

    def get_result(self, source: Any, info: Any, args: Any, kwargs: Any) -> Any:
        """The element's value: a scalar, a `Node`, or a list of these."""
        value = source.element.get(self.element)
        if value is None:
            return None
        if not self.is_list:
            return self.entry(value, source.resource)
        if type(value) is not list:
            raise self.misshapen(source.resource)
        return [None if one is None else self._entry_or_error(one, source.resource) for one in value]

    def entry(self, value: Any, holder: Resource) -> Any:
        """One value of the element, checked. Raises UpstreamInvalidResponse."""
        if self.primitive is not None:
            if not _FITS[self.primitive](value):
                raise self.misshapen(holder)
            return value
        if type(value) is not dict:
            raise self.misshapen(holder)
        return Node(value, holder) if self.resources is None else self._held(value, holder)

    def _entry_or_error(self, value: Any, holder: Resource) -> Any:
        try:
            return self.entry(value, holder)
        except UpstreamInvalidResponse as error:
            return error

    def _held(self, value: dict[str, Any], holder: Resource) -> Node:
        kind, id_ = value.get("resourceType"), value.get("id")
        if type(kind) is not str or kind not in (self.resources or ()):
            raise UpstreamInvalidResponse(
                holder.source, f"{self.element}: a resource of a type that is not served"
            )
        held = holder.holding(str(kind), id_ if type(id_) is str else "", value)
        return Node(value, held)

    def misshapen(self, holder: Resource) -> UpstreamInvalidResponse:
        """The error of a value that is not of the element's shape; the value is not in it."""
        return UpstreamInvalidResponse(holder.source, f"{self.element}: not the shape that FHIR gives it")


class ComputedField(StrawberryField):
    """A value that follows from the parent alone: no arguments, no fetch, no failure.

    `of_row`, where it is set, is a Python expression for the same of a struct `row` and its `page`
    (`resolvers.shape`): it becomes a part of generated code. `needs`: the row's elements in it. That of an
    object is true; each field of the object has an expression of its own. `of_holder`: the attribute of the
    resource in which the value is already, where it is there.
    """

    compute: Compute
    of_row: str | None = None
    of_holder: str | None = None
    needs: Parts = ()

    def get_result(self, source: Any, info: Any, args: Any, kwargs: Any) -> Any:
        """The computed value."""
        return self.compute(source)


class RowsField(ComputedField):
    """The rows of a list, all of one type: as nodes, or as structs of the type's shape where what the field
    stands on has such (`straight`, a `resolvers.straight.Straight`)."""

    row_type: str


class DerivedField(StrawberryField):
    """A value that follows from the parent and the arguments, at once; it may fail."""

    derive: Derive

    @property
    def is_basic_field(self) -> bool:
        """Never: it takes arguments."""
        return False


class FetchField(StrawberryField):
    """A field answered by a resolver; the executor binds it (`gateway.execution`)."""

    fetch: Fetch
    reads: Reads | None = None
    """The resources of one type that it fetches, where it fetches such; what it needs follows from it."""
    reads_whole: bool = False
    """Whether it looks at elements of what it stands on."""
    is_own: bool = False
    """Whether it tells the caller of the caller's own request alone, and no source is asked: no rule needs to
    cover it."""
    shows: tuple[str, ...] = ()
    """The coordinates of elements whose values it tells in another form."""
    whole_types: frozenset[str] = frozenset()
    """Types of which it reads more than what is selected: lists of these are not decoded in part."""

    @property
    def is_basic_field(self) -> bool:
        """Never: it takes arguments and context."""
        return False


Kind = TypeVar("Kind", bound=StrawberryField)


def _named(made: type[Kind], name: str, annotation: object, description: str | None) -> Kind:
    """A field whose Python name is its GraphQL name, whatever Strawberry would make of it."""
    return made(
        python_name=name,
        graphql_name=name,
        type_annotation=StrawberryAnnotation(annotation),
        description=description,
    )


def element_field(
    name: str,
    annotation: object,
    *,
    description: str,
    is_list: bool,
    primitive: Primitive | None,
    resources: frozenset[str] | None = None,
) -> ElementField:
    """An element under its FHIR name; `annotation` is the Python type of the whole field."""
    field = _named(ElementField, name, annotation, description)
    field.element, field.is_list = name, is_list
    field.primitive, field.resources = primitive, resources
    return field


def computed_field(
    name: str,
    annotation: object,
    compute: Compute,
    *,
    description: str,
    of_row: str | None = None,
    of_holder: str | None = None,
    needs: Parts = (),
    costs: Costs = (),
) -> ComputedField:
    """A computed value under a name of ours."""
    field = _named(ComputedField, name, annotation, description)
    field.compute, field.of_row, field.needs, field.directives = compute, of_row, needs, list(costs)
    field.of_holder = of_holder
    return field


def rows_field(
    name: str,
    annotation: object,
    compute: Compute,
    *,
    row_type: str,
    description: str,
) -> RowsField:
    """The rows of a list, which may come as structs."""
    field = _named(RowsField, name, annotation, description)
    field.compute, field.row_type = compute, row_type
    return field


def derived_field(
    name: str,
    annotation: object,
    derive: Derive,
    *,
    description: str,
    arguments: tuple[StrawberryArgument, ...],
) -> DerivedField:
    """A field of the parent's own value, with arguments."""
    field = _named(DerivedField, name, annotation, description)
    field.derive, field.arguments = derive, list(arguments)
    return field


def fetch_field(
    name: str,
    annotation: object,
    fetch: Fetch,
    *,
    description: str,
    arguments: tuple[StrawberryArgument, ...] = (),
    reads: Reads | None = None,
    reads_whole: bool = False,
    costs: Costs = (),
    is_own: bool = False,
    whole_types: frozenset[str] = frozenset(),
) -> FetchField:
    """A fetching field under a name of ours; `costs` where it costs other than its kind does."""
    field = _named(FetchField, name, annotation, description)
    field.fetch, field.arguments, field.reads = fetch, list(arguments), reads
    field.reads_whole = reads_whole
    field.is_own = is_own
    field.directives = list(costs)
    field.whole_types = whole_types
    return field


def input_field(name: str, annotation: object, description: str | None = None) -> StrawberryField:
    """A field of an input type."""
    return _named(StrawberryField, name, annotation, description)


def argument(name: str, annotation: object, description: str) -> StrawberryArgument:
    """An argument under its GraphQL name; `annotation` is its type, required unless optional."""
    return StrawberryArgument(
        python_name=name,
        graphql_name=name,
        type_annotation=StrawberryAnnotation(annotation),
        description=description,
    )
