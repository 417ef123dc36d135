"""Code for resolved values: CompleteValue of the GraphQL specification (6.4.3)."""

from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from graphql import (
    GraphQLAbstractType,
    GraphQLError,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
)
from graphql import is_abstract_type as is_abstract
from graphql import is_leaf_type as is_leaf
from graphql.pyutils import inspect

from gateway.execution.site import ObjectWriter, Parent, Site
from schema.field import ElementField
from schema.scalars import as_recorded

DEFINITION: Final = "strawberry-definition"
"""Where Strawberry keeps its own field in a graphql-core field."""

INLINE_DEPTH: Final = 9
"""Blocks nested deeper than this go to a function of their own; CPython allows 20."""

_FEW: Final = 8

_PLAIN: Final = {"String": "str", "ID": "str", "Boolean": "bool"}
"""Scalars whose values of this Python type are their own result."""


def write_value(writer: ObjectWriter, site: Site, kind: GraphQLOutputType, value: str) -> None:
    """Completes a value in place: an error is told and null, null is refused where it may not be."""
    source = site.source
    inner: Any = kind.of_type if isinstance(kind, GraphQLNonNull) else kind
    with source.block(f"if isinstance({value}, BaseException):"):
        source.line(f"x.fail({value}, {site.path}, {site.blamed})")
        source.line(f"{value} = None")
    with source.block(f"elif {value} is not None:"):
        write_present(writer, site, inner, value)
    if isinstance(kind, GraphQLNonNull):
        with source.block("else:"):
            source.line(f"x.absent({site.path}, {site.blamed})")


def write_present(writer: ObjectWriter, site: Site, kind: Any, value: str) -> None:
    """Completes a value in place that is neither null nor an error."""
    source = site.source
    if is_leaf(kind):
        _write_leaf(site, kind, value)
    elif is_abstract(kind):
        _write_abstract(source.constant(writer.dispatch(kind, site.nodes)), site, value)
    elif source.depth > INLINE_DEPTH:
        apart = writer.value_apart if isinstance(kind, GraphQLList) else writer.object_apart
        source.line(f"{value} = {source.constant(apart(kind, site.nodes))}({value}, x, {site.path})")
    elif isinstance(kind, GraphQLList):
        _write_list(writer, site, kind.of_type, value)
    else:
        source.line(f"{value} = {writer.object(site, kind, unpacked(site, kind, value, is_node=True))}")


def unpacked(site: Site, kind: GraphQLObjectType, value: str, *, is_node: bool = False) -> Parent:
    """An object of a type with elements comes as its element and its holder; `is_node`: in a Node."""
    if not _has_elements(kind):
        return Parent(value)
    element, holder = site.source.fresh("e"), site.source.fresh("r")
    site.source.line(f"{element}, {holder} = {value}")
    return Parent(value, element, holder, is_node)


def _write_list(writer: ObjectWriter, site: Site, kind: Any, value: str) -> None:
    source = site.source
    made, index, item = source.fresh("l"), source.fresh("i"), source.fresh("w")
    with source.block(f"if {value}.__class__ is not list:"):
        source.line(f"{value} = x.listed({value}, {site.path}, {site.blamed})")
    source.line(f"{made} = None if {value} is None else []")
    with source.block(f"for {index}, {item} in enumerate({value} or ()):"):
        write_value(writer, site.item(index, kind), kind, item)
        source.line(f"{made}.append({item})")
    source.line(f"{value} = {made}")


def _write_leaf(site: Site, kind: Any, value: str) -> None:
    if kind.serialize is as_recorded:
        return
    source, plain = site.source, _PLAIN.get(kind.name)
    members = _members(kind)
    for place, (member, name) in enumerate(members):
        with source.block(f"{'elif' if place else 'if'} {value} is {source.constant(member)}:"):
            source.line(f"{value} = {name!r}")
    other = "else:" if members else "if True:"
    with source.block(f"if {value}.__class__ is not {plain}:" if plain else other):
        coerced = source.fresh("c")
        with source.block("try:"):
            source.line(f"{coerced} = {source.constant(kind.serialize)}({value})")
            with source.block(f"if {coerced} is None:"):
                source.line(f"raise {source.constant(partial(_uncoerced, kind))}({value})")
        _write_told(site, coerced)
        source.line(f"{value} = {coerced}")


def _members(kind: Any) -> list[tuple[Any, str]]:
    """The members of a small enum with the names that they are answered by."""
    members = list(getattr(kind, "wrapped_cls", ()))
    return [(one, kind.serialize(one)) for one in members] if len(members) <= _FEW else []


def _write_abstract(dispatch: str, site: Site, value: str) -> None:
    """Its type is told by a function of the schema, which may raise."""
    with site.source.block("try:"):
        site.source.line(f"{value} = {dispatch}({value}, x, {site.path})")
    _write_told(site, value)


def _write_told(site: Site, value: str) -> None:
    """The end of a `try`: what was raised is told, and null."""
    with site.source.block("except Exception as problem:"):
        site.source.line(f"x.fail(problem, {site.path}, {site.blamed})")
        site.source.line(f"{value} = None")


@dataclass(frozen=True, slots=True)
class Place:
    """What a schema's function that tells a value's type may ask of the field, under graphql-core's names."""

    field_name: str
    schema: GraphQLSchema


def possible_type(schema: GraphQLSchema, kind: GraphQLAbstractType, name: Any) -> GraphQLObjectType:
    """The type that a value of an abstract type is said to have (ResolveAbstractType, 6.4.3).

    Raises GraphQLError where the schema has no such object type, or it is none of the possible ones.
    """
    found = schema.type_map.get(name)
    if not isinstance(found, GraphQLObjectType) or not schema.is_sub_type(kind, found):
        raise GraphQLError(f"Runtime Object type '{name}' is not a possible type for '{kind.name}'.")
    return found


def _uncoerced(kind: Any, value: Any) -> TypeError:
    """A scalar or enum made null of a value that is not null (CoerceResult, 6.4.3)."""
    return TypeError(
        f"Expected `{kind.name}.coerce_output_value({inspect(value)})`"
        " to return non-nullable value, returned: None"
    )


def _has_elements(kind: GraphQLObjectType) -> bool:
    return any(isinstance(field.extensions.get(DEFINITION), ElementField) for field in kind.fields.values())
