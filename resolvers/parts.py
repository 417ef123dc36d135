"""The elements that are needed of a resource or an object, by name: of what a shape is made."""

from dataclasses import dataclass
from typing import Final

import msgspec

NULL: Final = msgspec.Raw(b"null")
"""What stands in the place of a decimal, or of other JSON, that is not there."""


class ShapeMixed(ValueError):
    """One element is wanted as two things that cannot both be decoded."""


@dataclass(frozen=True, slots=True)
class Part:
    """An element that is needed: a primitive (text, boolean, integer, decimal), `raw` JSON of any kind, else
    one with parts. What is `absent` must not be there: a row that has it is not plain."""

    primitive: str | None = None
    is_list: bool = False
    parts: tuple[tuple[str, "Part"], ...] = ()

    def joined(self, other: "Part") -> "Part":
        """What both need. Raises ShapeMixed."""
        if (self.primitive, self.is_list) != (other.primitive, other.is_list):
            raise ShapeMixed
        return Part(self.primitive, self.is_list, joined(self.parts, other.parts))


ABSENT: Final = Part("absent")
"""What must not be there."""

Parts = tuple[tuple[str, Part], ...]
"""Elements by name, in the order in which they were first asked for."""


def joined(some: Parts, more: Parts) -> Parts:
    """The elements of both. Raises ShapeMixed."""
    parts = dict(some)
    for name, part in more:
        parts[name] = parts[name].joined(part) if name in parts else part
    return tuple(parts.items())


def attribute(element: str) -> str:
    """The struct's attribute that holds an element."""
    return f"{element}_"
