"""What a resolver is given: the same, whichever executor calls it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from resolvers.context import RequestContext

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class FieldCall:
    """One call of one field.

    `parent` is the value of the object that the field stands on (a `Node` for FHIR types);
    `arguments` are coerced, by their GraphQL names, absent where the client gave none.
    `selected` holds the names of the fields asked for below this one, fragments merged and
    `@skip` / `@include` applied.
    """

    parent: Any
    arguments: Mapping[str, Any]
    context: RequestContext
    path: Path
    selected: frozenset[str]


Fetch = Callable[[FieldCall], Any]
"""A resolver: a value, or an awaitable of one."""

Compute = Callable[[Any], Any]
"""A value that follows from the parent alone, at once and without a failure."""

Derive = Callable[[Any, Mapping[str, Any]], Any]
"""A value that follows from the parent and the arguments (by GraphQL names), at once; it may raise."""
