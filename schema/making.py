"""Strawberry types made without a class body: for a schema that is generated."""

from collections.abc import Callable, Iterable
from typing import Any

from strawberry.types.base import StrawberryList, StrawberryObjectDefinition, StrawberryOptional


def make_type(
    name: str,
    description: str | None = None,
    *,
    is_interface: bool = False,
    is_input: bool = False,
    interfaces: Iterable[type] = (),
    resolve_type: Callable[..., str] | None = None,
) -> type:
    """An empty Strawberry type; its fields are appended to `__strawberry_definition__.fields`."""
    made = type(name, (), {})
    made.__strawberry_definition__ = StrawberryObjectDefinition(  # type: ignore[attr-defined]
        name=name,
        is_input=is_input,
        is_interface=is_interface,
        origin=made,
        description=description,
        interfaces=[definition(one) for one in interfaces],
        extend=False,
        directives=(),
        is_type_of=None if is_interface or is_input else lambda obj, info: True,
        resolve_type=resolve_type,
        fields=[],
    )
    return made


def definition(made: type) -> StrawberryObjectDefinition:
    """The Strawberry definition of a type."""
    found: StrawberryObjectDefinition = made.__strawberry_definition__  # type: ignore[attr-defined]
    return found


def optional_list(inner: Any) -> StrawberryOptional:
    """`[Inner]`: a list that may be absent, of entries that may be null."""
    return StrawberryOptional(StrawberryList(StrawberryOptional(inner)))


def list_of(inner: Any) -> StrawberryList:
    """`[Inner!]`: a list whose entries are all there."""
    return StrawberryList(inner)


def optional(inner: Any) -> StrawberryOptional:
    """`Inner`, or null."""
    return StrawberryOptional(inner)
