"""Code for resolved values: CompleteValue of the GraphQL specification (6.4.3)."""

from dataclasses import dataclass
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

from gateway.execution.facts import has_elements
from gateway.execution.site import ObjectWriter, Parent, Site
from schema.scalars import as_recorded

INLINE_DEPTH: Final = 9
"""Blocks nested deeper than this go to a function of their own; CPython allows 20."""

_FEW: Final = 8

_PLAIN: Final = {"String": "str", "ID": "str", "Boolean": "bool"}
"""Scalars whose values of this Python type are their own result."""


def write_value(
    writer: ObjectWriter, site: Site, kind: GraphQLOutputType, value: str, *, may_fail: bool = True
) -> None:
    """Completes a value in place: an error is told and null, null is refused where it may not be. Where it
    cannot be an error (`may_fail`), it is not looked at for one."""
    source = site.source
    inner: Any = kind.of_type if isinstance(kind, GraphQLNonNull) else kind
    if is_leaf(inner):
        _write_leaf(site, kind, inner, value)
        return
    if may_fail:
        with source.block(f"if isinstance({value}, BaseException):"):
            source.line(f"{site.odd()}.fail(x, {value}, {site.at})")
            source.line(f"{value} = None")
    with source.block(f"{'elif' if may_fail else 'if'} {value} is not None:"):
        write_present(writer, site, inner, value)
    if isinstance(kind, GraphQLNonNull):
        source.line(f"else: {site.odd()}.absent(x, {site.at})")


def write_present(writer: ObjectWriter, site: Site, kind: Any, value: str) -> None:
    """Completes a value in place that is neither null nor an error."""
    source = site.source
    if is_leaf(kind):
        _write_leaf(site, kind, kind, value)
    elif is_abstract(kind):
        _write_abstract(source.constant(writer.dispatch(kind, site.nodes)), site, value)
    elif source.depth > INLINE_DEPTH:
        apart = writer.value_apart if isinstance(kind, GraphQLList) else writer.object_apart
        source.line(f"{value} = {source.constant(apart(kind, site.nodes))}({value}, x, {site.path})")
    elif isinstance(kind, GraphQLList):
        _write_list(writer, site, kind.of_type, value)
    elif source.in_pieces:
        source.line(
            f"{value} = {source.constant(writer.object_apart(kind, site.nodes))}({value}, x, {site.path})"
        )
    else:
        source.line(f"{value} = {writer.object(site, kind, unpacked(site, kind, value, is_node=True))}")


def unpacked(site: Site, kind: GraphQLObjectType, value: str, *, is_node: bool = False) -> Parent:
    """An object of a type with elements comes as its element and its holder; `is_node`: in a Node."""
    if not has_elements(kind):
        return Parent(value)
    element, holder = site.source.fresh("e"), site.source.fresh("r")
    site.source.line(f"{element}, {holder} = {value}")
    return Parent(value, element, holder, is_node)


def _write_list(writer: ObjectWriter, site: Site, kind: Any, value: str) -> None:
    source = site.source
    made, index, item = source.fresh("l"), source.fresh("i"), source.fresh("w")
    with source.block(f"if {value}.__class__ is not list:"):
        source.line(f"{value} = {site.odd()}.listed(x, {value}, {site.at})")
    source.line(f"{made} = None if {value} is None else []")
    with source.block(f"for {index}, {item} in enumerate({value} or ()):"):
        write_value(writer, site.item(index, kind), kind, item)
        source.line(f"{made}.append({item})")
    source.line(f"{value} = {made}")


def _write_leaf(site: Site, kind: Any, inner: Any, value: str) -> None:
    """Completes a scalar or enum: what is its own result stays, all else is looked at."""
    source, head = site.source, "if"
    for member, name in _members(inner):
        source.line(f"{head} {value} is {source.constant(member)}: {value} = {name!r}")
        head = "elif"
    odd = f"{value}.__class__ is not {_PLAIN[inner.name]}" if inner.name in _PLAIN else "True"
    if inner.serialize is as_recorded:
        odd = f"{value} is None or isinstance({value}, BaseException)"
    elif kind is inner:
        odd = f"{value} is not None" if odd == "True" else f"{odd} and {value} is not None"
    source.line(f"{head} {odd}: {value} = {site.odd(kind)}.leaf(x, {value}, {site.at})")


def _members(kind: Any) -> list[tuple[Any, str]]:
    """The members of a small enum with the names that they are answered by."""
    members = list(getattr(kind, "wrapped_cls", ()))
    return [(one, kind.serialize(one)) for one in members] if len(members) <= _FEW else []


def _write_abstract(dispatch: str, site: Site, value: str) -> None:
    """Its type is told by a function of the schema, which may raise."""
    with site.source.block("try:"):
        site.source.line(f"{value} = {dispatch}({value}, x, {site.path})")
    with site.source.block("except Exception as problem:"):
        site.source.line(f"{site.odd()}.fail(x, problem, {site.at})")
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
