"""Fields that answer with the internal value they are given, in every shape a type can have.

Each shape is there twice: `ints(value:)` at once, and `intsLater(value:, ticks:)` as a fetch that takes
some turns of the event loop, or none at all where `ticks` is null. The query type has them too, so that
an error can have nothing but non-null positions above it.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from strawberry import ID

from resolvers.field import FieldCall
from schema.field import derived_field, fetch_field
from schema.making import list_of, make_type, optional, optional_list
from tests.conformance.graphql.internal import DogCommandType, Internal, Moment, resolved
from tests.conformance.graphql.making import add, given
from tests.conformance.graphql.pets import CatOrDog, Pet, fetched, plain

Box = make_type("Box")

LEAVES: dict[str, object] = {
    "int": optional(int),
    "float": optional(float),
    "string": optional(str),
    "boolean": optional(bool),
    "id": optional(ID),
    "command": optional(DogCommandType),
    "moment": optional(Moment),
    "nonNullInt": int,
    "nonNullMoment": Moment,
    "nonNullCommand": DogCommandType,
}
LISTS: dict[str, object] = {
    "ints": optional_list(int),
    "intsOfNonNull": optional(list_of(int)),
    "nonNullInts": list_of(optional(int)),
    "nonNullIntsOfNonNull": list_of(int),
    "matrix": optional_list(optional_list(int).of_type),
    "matrixOfNonNull": optional(list_of(list_of(int))),
    "matrixMixed": optional_list(list_of(int)),
    "commands": optional_list(DogCommandType),
}
OBJECTS: dict[str, object] = {
    "box": optional(Box),
    "nonNullBox": Box,
    "boxes": optional_list(Box),
    "boxesOfNonNull": optional(list_of(Box)),
    "nonNullBoxes": list_of(optional(Box)),
    "nonNullBoxesOfNonNull": list_of(Box),
    "boxMatrix": optional_list(optional_list(Box).of_type),
}
ABSTRACT: dict[str, object] = {
    "pet": optional(Pet),
    "nonNullPet": Pet,
    "pets": optional_list(Pet),
    "petsOfNonNull": optional(list_of(Pet)),
    "catOrDog": optional(CatOrDog),
    "catsOrDogs": optional_list(CatOrDog),
}
SHAPES = LEAVES | LISTS | OBJECTS | ABSTRACT


def at_once(parent: Any, arguments: Mapping[str, Any]) -> Any:
    return resolved(arguments.get("value"))


def later(call: FieldCall) -> Any:
    ticks, value = call.arguments["ticks"], call.arguments.get("value")
    return resolved(value) if ticks is None else after(ticks, value)


async def after(ticks: int, value: Any) -> Any:
    for _ in range(ticks):
        await asyncio.sleep(0)
    return resolved(value)


def shapes() -> list[Any]:
    """The fields of every shape, made anew for each type that has them."""
    value = given("value", optional(Internal))
    ticks = given("ticks", optional(int), 1)
    made: list[Any] = []
    for name, kind in SHAPES.items():
        made.append(derived_field(name, kind, at_once, description="", arguments=(value,)))
        made.append(fetch_field(f"{name}Later", kind, later, description="", arguments=(value, ticks)))
    return made


add(Box, *shapes(), plain("label", optional(str)), plain("inner", optional(Box)), plain("nonNullInner", Box))
add(Box, fetched("innerLater", optional(Box)), fetched("nonNullInnerLater", Box))
