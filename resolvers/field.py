"""What a resolver is given: the same, whichever executor calls it."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from types import CoroutineType
from typing import Any, Final

import msgspec

from resolvers.context import RequestContext

LinkedPath = tuple[Any, ...] | None
"""`(parent path, key)`, with a third member where null is not allowed there; None is the root."""


class FieldCall(msgspec.Struct):
    """One call of one field.

    `parent` is the value of the object that the field stands on (a `Node` for FHIR types);
    `arguments` are coerced, by their GraphQL names, absent where the client gave none.
    `selected` holds the names of the fields asked for below this one, fragments merged and
    `@skip` / `@include` applied. `about` is what a `Batched` resolver was made for.
    """

    parent: Any
    arguments: Mapping[str, Any]
    context: RequestContext
    at: LinkedPath
    selected: frozenset[str]
    about: Any = None

    @property
    def path(self) -> tuple[str | int, ...]:
        """Where in the response the field stands."""
        return tuple(flat(self.at))


Fetch = Callable[[FieldCall], Any]
"""A resolver: a value, or an awaitable of one."""

FetchAll = Callable[[Sequence[FieldCall]], Awaitable[Sequence[Any]]]
"""A resolver of many places at once: for each call in order a value, the exception in its place, or a
coroutine or future of one (`LATE`) where the others need not wait for it."""

LATE: Final = (CoroutineType, asyncio.Future)

Compute = Callable[[Any], Any]
"""A value that follows from the parent alone, at once and without a failure."""

Derive = Callable[[Any, Mapping[str, Any]], Any]
"""A value that follows from the parent and the arguments (by GraphQL names), at once; it may raise."""


@dataclass(frozen=True, slots=True)
class Batched:
    """A resolver that takes all places of a level at once: of its own field, and of every other field whose
    resolver has the same `all`.

    `about` tells such fields apart. `apart` tells places whose answers should not wait for each other, such
    as those of other sources. Called as an ordinary resolver it answers one place.
    """

    all: FetchAll
    about: Any = None
    apart: Callable[[Any], Hashable] | None = None

    async def __call__(self, call: FieldCall) -> Any:
        call.about = self.about
        (value,) = await self.all((call,))
        if isinstance(value, LATE):
            value = await value
        if isinstance(value, BaseException):
            raise value
        return value


def flat(path: LinkedPath) -> list[str | int]:
    """A linked path as a response tells it."""
    keys: list[str | int] = []
    while path is not None:
        keys.append(path[1])
        path = path[0]
    return keys[::-1]
