"""What rules must know of the schema's fields: their coordinates, and which of them searches tell of."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from strawberry.types.base import StrawberryContainer, StrawberryObjectDefinition, StrawberryOptional
from strawberry.types.field import StrawberryField

from clinical.parameters import parameters
from permissions.coordinates import Coordinate
from resolvers.parts import Parts
from schema.field import ElementField, FetchField
from schema.making import definition
from schema.view import PreparedField, ViewField

# The forms of FHIRPath that search parameters are written in (clinical/paths.py).
_CHOICE: Final = re.compile(r"\.ofType\((\w)(\w*)\)")
_NO_STEP: Final = re.compile(r"\.where\((?:[^()]|\(\))*\)|\.exists\(\)|\[\d+\]|[()]")
_PATH: Final = re.compile(r"[\w.]+")


class Fields:
    """The object types that can be reached from a query, with their fields."""

    def __init__(self, query: type, more: Iterable[type], resources: Iterable[str]) -> None:
        self._resources = frozenset(resources)
        self.types: Mapping[str, StrawberryObjectDefinition] = dict(_reached([query, *more]))

    def coordinates(self) -> list[Coordinate]:
        """The coordinate of every field, by type and in the order of its fields."""
        return [self._coordinate(name, field) for name, made in self.types.items() for field in made.fields]

    def searches(self) -> dict[tuple[str, str], frozenset[str]]:
        """By type and search parameter: the coordinates that its expression reads, and all below them."""
        return {
            (type_, code): frozenset(self._read(type_, one.base, one.expression))
            for type_ in self.types.keys() & self._resources
            for code, one in parameters(type_).items()
        }

    def _coordinate(self, type_name: str, field: StrawberryField) -> Coordinate:
        return Coordinate(
            type_name,
            field.python_name,
            type_name if type_name in self._resources else None,
            field.reads if isinstance(field, FetchField) else None,
            isinstance(field, FetchField) and not field.is_own,
            isinstance(field, ElementField),
            isinstance(field.type, StrawberryOptional),
            tuple(self._shown(type_name, field)),
        )

    def _shown(self, type_name: str, field: StrawberryField) -> Iterator[str]:
        """The coordinates of the elements that a field shows otherwise."""
        if isinstance(field, FetchField | PreparedField):
            yield from field.shows
        elif isinstance(field, ViewField):
            yield from self._needed(type_name, field.needs)

    def _needed(self, type_name: str, needs: Parts) -> Iterator[str]:
        for field in self.types[type_name].fields:
            part = dict(needs).get(field.python_name)
            inner = _inner(field.type)
            if part is not None:
                yield f"{type_name}.{field.python_name}"
                yield from self._needed(inner.name, part.parts) if inner is not None else ()

    def _read(self, type_: str, base: str, expression: str) -> Iterator[str]:
        chosen = _CHOICE.sub(lambda one: one[1].upper() + one[2], expression)
        for path in _PATH.findall(_NO_STEP.sub("", chosen)):
            yield from self._along(type_, path.removeprefix(f"{base}.").split("."))

    def _along(self, type_: str, steps: list[str]) -> Iterator[str]:
        """The coordinates of a path through the types, and of what lies below its end."""
        for field in self._named(type_, steps[0]):
            yield f"{type_}.{field.python_name}"
            inner = _inner(field.type)
            if inner is not None and inner.name not in self._resources:
                more = self._along(inner.name, steps[1:]) if steps[1:] else self._below(inner.name, set())
                yield from more

    def _named(self, type_: str, step: str) -> list[StrawberryField]:
        """The fields that a step of a path means: the one of its name, or every choice of `value[x]`."""
        fields = self.types[type_].fields if type_ in self.types else []
        same = [one for one in fields if one.python_name == step]
        return same or [one for one in fields if _is_choice(one.python_name, step)]

    def _below(self, type_: str, seen: set[str]) -> Iterator[str]:
        if type_ in seen or type_ not in self.types:
            return
        seen.add(type_)
        for field in self.types[type_].fields:
            yield f"{type_}.{field.python_name}"
            inner = _inner(field.type)
            if isinstance(field, ElementField) and inner is not None and inner.name not in self._resources:
                yield from self._below(inner.name, seen)


def _is_choice(field: str, step: str) -> bool:
    return field.startswith(step) and field[len(step) :][:1].isupper()


def _reached(roots: Iterable[type]) -> Iterator[tuple[str, StrawberryObjectDefinition]]:
    seen: set[str] = set()
    pending = [definition(one) for one in roots]
    while pending:
        made = pending.pop(0)
        if made.name in seen or made.is_input:
            continue
        seen.add(made.name)
        if not made.is_interface:
            yield made.name, made
        pending += [inner for field in made.fields if (inner := _inner(field.type)) is not None]


def _inner(type_: Any) -> StrawberryObjectDefinition | None:
    """The object type behind lists and null."""
    while isinstance(type_, StrawberryContainer):
        type_ = type_.of_type
    found = getattr(type_, "__strawberry_definition__", None)
    return found if isinstance(found, StrawberryObjectDefinition) else None
