"""Fields that answer with the arguments they got, so that coercion shows."""

from collections.abc import Mapping
from enum import Enum
from typing import Any

from strawberry import ID

from resolvers.field import FieldCall
from schema.field import derived_field, fetch_field
from schema.making import list_of, make_type, optional, optional_list
from tests.conformance.graphql.internal import DogCommand, DogCommandType, Internal, Moment
from tests.conformance.graphql.making import add, given, member_of

FindDogInput = make_type("FindDogInput", is_input=True)
add(
    FindDogInput,
    member_of("name", optional(str)),
    member_of("owner", optional(str), "nobody"),
    member_of("limit", int, 3),
    member_of("tags", optional(list_of(str))),
    member_of("inner", optional(FindDogInput)),
)
NeedyInput = make_type("NeedyInput", is_input=True)
add(NeedyInput, member_of("a", optional(str)), member_of("b", int))


def shown(value: Any) -> Any:
    """What a resolver got, as JSON: an enum's member as its name in brackets."""
    if isinstance(value, Enum):
        return f"<{value.name}>"
    if isinstance(value, Mapping):
        return {name: shown(value[name]) for name in sorted(value)}
    return [shown(one) for one in value] if isinstance(value, list) else value


def show(parent: Any, arguments: Mapping[str, Any]) -> Any:
    return shown(arguments)


async def show_later(call: FieldCall) -> Any:
    return shown(call.arguments)


def total(parent: Any, arguments: Mapping[str, Any]) -> Any:
    return arguments["x"] + arguments["y"]


ARGUMENTS = (
    given("int", optional(int)),
    given("float", optional(float)),
    given("string", optional(str)),
    given("boolean", optional(bool)),
    given("id", optional(ID)),
    given("command", optional(DogCommandType)),
    given("moment", optional(Moment)),
    given("list", optional_list(int)),
    given("listOfNonNull", optional(list_of(int))),
    given("matrix", optional_list(optional_list(int).of_type)),
    given("search", optional(FindDogInput)),
    given("searches", optional_list(FindDogInput)),
    given("needy", optional(NeedyInput)),
)
DEFAULTS = (
    given("int", optional(int), 7),
    given("nonNull", int, 5),
    given("nothing", optional(int), None),
    given("command", optional(DogCommandType), DogCommand.HEEL),
    given("list", optional_list(int), [1, 2]),
    given("search", optional(FindDogInput), {"name": "Rex", "owner": "nobody", "limit": 3}),
)
PAIR = (given("x", int), given("y", int))

FIELDS = (
    derived_field("arguments", optional(Internal), show, description="", arguments=ARGUMENTS),
    fetch_field("argumentsLater", optional(Internal), show_later, description="", arguments=ARGUMENTS),
    derived_field("defaults", optional(Internal), show, description="", arguments=DEFAULTS),
    fetch_field("defaultsLater", optional(Internal), show_later, description="", arguments=DEFAULTS),
    derived_field("multipleRequirements", int, total, description="", arguments=PAIR),
)
