"""Words for making the small schema, over those of `schema.making` and `schema.field`."""

from collections.abc import Callable, Iterable
from typing import Any

from strawberry.annotation import StrawberryAnnotation
from strawberry.types.arguments import StrawberryArgument
from strawberry.types.field import StrawberryField
from strawberry.types.union import StrawberryUnion

from schema.field import argument, input_field
from schema.making import definition

NOTHING = object()


class Union(StrawberryUnion):
    """A union that says itself which type a value has, as `make_type` has it for interfaces."""

    def __init__(self, name: str, types: Iterable[type], resolve_type: Callable[..., Any]) -> None:
        super().__init__(name, tuple(StrawberryAnnotation(one) for one in types))
        self._resolve_type = resolve_type

    def get_type_resolver(self, type_map: Any) -> Callable[..., Any]:
        return self._resolve_type


def add(made: type, *fields: StrawberryField) -> type:
    """Appends fields to a type."""
    definition(made).fields.extend(fields)
    return made


def given(name: str, annotation: object, default: object = NOTHING) -> StrawberryArgument:
    """An argument, with its default if it has one."""
    made = argument(name, annotation, "")
    if default is not NOTHING:
        made.default = default
    return made


def member_of(name: str, annotation: object, default: object = NOTHING) -> StrawberryField:
    """A field of an input object, with its default if it has one."""
    made = input_field(name, annotation)
    if default is not NOTHING:
        made.default = made.default_value = default
    return made
