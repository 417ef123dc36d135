"""Fields that show elements otherwise: what follows from some, and elements whose entries are chosen.

Both answer from rows that were decoded to what is needed (`resolvers.shape`) as from whole resources: each
says which elements it reads. What a policy says of those holds for it too.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from strawberry.annotation import StrawberryAnnotation
from strawberry.types.arguments import StrawberryArgument
from strawberry.types.field import StrawberryField

from resolvers.field import Derive
from resolvers.parts import Part, Parts
from resolvers.resource import Json
from schema.field import DerivedField, ElementField

View = Callable[[Json, Mapping[str, Any]], Any]
"""A value from an element's JSON, and the arguments; at once and without a failure."""

TEXT = Part("text")
TEXTS = Part("text", is_list=True)
DECIMAL = Part("decimal")
BOOLEAN = Part("boolean")


class ViewField(StrawberryField):
    """A value that follows from some elements of the parent (`needs`) and the arguments."""

    view: View
    needs: Parts

    @property
    def is_basic_field(self) -> bool:
        """Never: it may take arguments."""
        return False


class PreparedField(DerivedField):
    """A derived value that needs something to be loaded: `prepare` does it, off the event loop, when an
    operation that selects the field is compiled. `shows`: the coordinates of the elements that it tells of.
    """

    prepare: Callable[[], None]
    shows: tuple[str, ...]


class ChosenField(ElementField):
    """A list element that may be given an argument: then only entries whose element `by` is as it says.

    Without a value for the argument it is the element itself. `order` puts the chosen ones in order.
    """

    by: str
    order: Callable[[list[Any]], list[Any]] | None

    @property
    def is_basic_field(self) -> bool:
        """Never: it takes arguments."""
        return False

    def choose(self, value: Any, arguments: Mapping[str, Any]) -> Any:
        """The entries of a list that are asked for; what is no list is left as it is."""
        wanted = arguments.get(self.by)
        if wanted is None or type(value) is not list:
            return value
        chosen = [one for one in value if type(one) is dict and one.get(self.by) == wanted]
        return chosen if self.order is None else self.order(chosen)

    def chosen_result(self, source: Any, arguments: Mapping[str, Any]) -> Any:
        """The element's value as `get_result` gives it, of the chosen entries."""
        value = source.element.get(self.element)
        chosen = {**source.element, self.element: self.choose(value, arguments)}
        return self.get_result(source._replace(element=chosen), None, (), {})


def view_field(
    name: str,
    annotation: object,
    view: View,
    *,
    needs: Parts,
    description: str,
    arguments: tuple[StrawberryArgument, ...] = (),
) -> ViewField:
    """A view under a name of ours."""
    field = _named(ViewField, name, StrawberryAnnotation(annotation), description)
    field.view, field.needs, field.arguments = view, needs, list(arguments)
    return field


def prepared_field(
    name: str,
    annotation: object,
    derive: Derive,
    prepare: Callable[[], None],
    *,
    shows: tuple[str, ...],
    description: str,
    arguments: tuple[StrawberryArgument, ...],
) -> PreparedField:
    """A derived field that is made ready first."""
    field = _named(PreparedField, name, StrawberryAnnotation(annotation), description)
    field.derive, field.prepare, field.shows = derive, prepare, shows
    field.arguments = list(arguments)
    return field


def chosen_field(
    field: ElementField,
    argument: StrawberryArgument,
    order: Callable[[list[Any]], list[Any]] | None = None,
    *,
    description: str,
) -> ChosenField:
    """An element with the argument that chooses among its entries."""
    assert field.is_list
    assert field.type_annotation is not None
    made = _named(
        ChosenField, field.python_name, field.type_annotation, f"{field.description} {description}".strip()
    )
    made.element, made.is_list = field.element, field.is_list
    made.primitive, made.resources = field.primitive, field.resources
    made.by, made.order, made.arguments = argument.python_name, order, [argument]
    return made


Kind = TypeVar("Kind", bound=StrawberryField)


def _named(made: type[Kind], name: str, annotation: StrawberryAnnotation, description: str) -> Kind:
    return made(python_name=name, graphql_name=name, type_annotation=annotation, description=description)
