"""Internal values as data: what a resolver of the small schema answers with, written as JSON.

`{"raise": "why"}` is an error (raised, or an item of a list), `{"member": "SIT"}` an enum's member,
`{"number": "nan"}` a float that JSON has no word for. Everything else is itself.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any, NewType

import strawberry


class DogCommand(Enum):
    SIT = "sit"
    DOWN = "down"
    HEEL = "heel"


Internal = NewType("Internal", object)
Moment = NewType("Moment", int)

DogCommandType = strawberry.enum(DogCommand)


class Failed(Exception):
    """What a vector has raised."""


def internal(value: Any) -> Any:
    """The value that JSON stands for."""
    match value:
        case {"raise": str(why)}:
            return Failed(why)
        case {"member": str(name)}:
            return DogCommand[name]
        case {"number": str(text)}:
            return float(text)
        case list():
            return [internal(one) for one in value]
    return value


def resolved(value: Any) -> Any:
    """The same as a resolver answers it: an error is raised."""
    made = internal(value)
    if isinstance(made, Exception):
        raise made
    return made


def member(parent: Mapping[str, Any], name: str) -> Any:
    """What an object has under a name."""
    return resolved(parent.get(name))


def _moment_out(value: Any) -> Any:
    if type(value) is not int:
        raise ValueError("a moment is a whole number")
    return None if value < 0 else f"{value}s"


def _moment_in(value: Any) -> int:
    if not isinstance(value, str) or not value.endswith("s"):
        raise ValueError("a moment ends in s")
    return int(value[:-1])


SCALARS = {
    Internal: strawberry.scalar(name="Internal", serialize=lambda v: v, parse_value=lambda v: v),
    Moment: strawberry.scalar(name="Moment", serialize=_moment_out, parse_value=_moment_in),
}
