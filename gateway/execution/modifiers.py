"""Which modifier elements a selection leaves out, and code that looks at them (`clinical.modifiers`).

A resource of whose content something is selected is looked at; one of which only the id is asked for is not.
What is denied to the caller is not told of either.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from graphql import GraphQLList, GraphQLNonNull, GraphQLObjectType, GraphQLResolveInfo

from clinical.codec import decode_json
from clinical.modifiers import Modifier, ModifierKind, modifiers
from gateway.execution.collect import Collector, Fields
from gateway.execution.emit import Source
from gateway.execution.facts import fact_of, is_resource
from resolvers.context import RequestContext
from resolvers.parts import NULL, Part, Parts, attribute
from resolvers.resource import Node
from schema.field import DerivedField, ElementField
from schema.view import TEXT, ViewField

_CHECKS_KEPT: Final = 500
_NAMESPACE: Final = {"NULL": NULL}

_PARTS: Final[Mapping[ModifierKind, Part]] = {
    ModifierKind.CODE: TEXT,
    ModifierKind.CONCEPT: Part(parts=(("coding", Part(is_list=True, parts=(("code", TEXT),))),)),
    ModifierKind.FLAG: Part("boolean"),
    ModifierKind.PRESENT: Part("raw"),
}


def left_out(collector: Collector, kind: GraphQLObjectType, fields: Fields) -> tuple[Modifier, ...]:
    """The modifier elements of a resource's type that these fields of it leave out; none for other types."""
    if not is_resource(kind):
        return ()
    names = {nodes[0].name.value for nodes in fields.values()}
    shown = (kind.fields[one] for one in names if one in kind.fields and not collector.is_denied(kind, one))
    content = ElementField | ViewField | DerivedField
    if not any(isinstance(fact_of(one).field, content) for one in shown):
        return ()
    return tuple(
        one
        for one in modifiers(kind.name)
        if one.element not in names and not collector.is_denied(kind, one.element)
    )


def parts_for(missing: Sequence[Modifier]) -> Parts:
    """What is decoded of rows to look at modifier elements."""
    return tuple((one.element, _PARTS[one.kind]) for one in missing)


def write_checks(
    source: Source, kind: GraphQLObjectType, missing: Sequence[Modifier], element: str, path: str
) -> None:
    """Code that looks at one object's JSON."""
    for one in missing:
        name = source.text(one.element)
        with source.block(f"if {name} in {element} and {_json_test(source, one, f'{element}[{name}]')}:"):
            source.line(f"x.caution({source.text(kind.name)}, {source.text(one.element)}, {path})")


@lru_cache(maxsize=_CHECKS_KEPT)
def row_checks(type_: str, missing: tuple[Modifier, ...]) -> Callable[[Sequence[Any], Any, Any], None]:
    """A function that looks at all structs of a list of a type: `(rows, run, path)`. It is the same for all
    documents that leave out the same elements."""
    source = Source(unpacks=True)
    count = source.fresh("n")
    for one in missing:
        test, told = _row_test(source, one), f"x.caution({type_!r}, {one.element!r}, (path, 0), {count})"
        source.line(f"{count} = len([1 for row in rows if {test}])")
        source.line(f"if {count}: {told}")
    made: Callable[[Sequence[Any], Any, Any], None] = source.function("checks", "rows, x, path", _NAMESPACE)
    return made


def is_odd(source: Source, missing: Sequence[Modifier]) -> str:
    """An expression for whether a struct says by a modifier what few do: then `row_checks` looks closely."""
    return " or ".join([_odd_test(source, one) for one in missing])


def _json_test(source: Source, one: Modifier, value: str) -> str:
    if one.kind is ModifierKind.FLAG:
        return f"{value} is {one.odd_flag}"
    if one.kind is ModifierKind.PRESENT:
        return value
    found = source.fresh("m")
    return f"({found} := {value}) is not None and {source.constant(one.changes)}({found})"


def _odd_test(source: Source, one: Modifier) -> str:
    held = f"row.{attribute(one.element)}"
    if one.kind is ModifierKind.FLAG:
        return f"{held} is {one.odd_flag}"
    if one.kind is ModifierKind.PRESENT:
        return f"{held} is not NULL"
    if one.kind is ModifierKind.CODE:
        return f"{held} not in {source.constant(one.usual | {None})}"
    # Nearly always the first coding says it, so that no function is called.
    is_usual = f"(c := m.coding_) and (k := c[0]) is not None and k.code_ in {source.constant(one.usual)}"
    return f"(m := {held}) is not None and not ({is_usual})"


def _row_test(source: Source, one: Modifier) -> str:
    test, held = _odd_test(source, one), f"row.{attribute(one.element)}"
    if one.kind is ModifierKind.PRESENT:
        return f"{test} and {source.constant(_is_there)}({held})"
    return f"{test} and {source.constant(_changing(one))}(m)" if one.kind is ModifierKind.CONCEPT else test


def _is_there(raw: Any) -> bool:
    return bool(decode_json(bytes(raw)))


def _changing(modifier: Modifier) -> Callable[[Any], bool]:
    usual = modifier.usual

    def changes(concept: Any) -> bool:
        return not any(one is not None and one.code_ in usual for one in concept.coding_ or ())

    return changes


def noting(kind: GraphQLObjectType) -> Callable[[Any, GraphQLResolveInfo[RequestContext]], bool]:
    """A type's `is_type_of` for graphql-core, which asks it once of every object: it looks at the object."""

    def is_type_of(value: Any, info: GraphQLResolveInfo[RequestContext]) -> bool:
        if isinstance(value, Node):
            context = info.context
            collector = Collector(info.schema, info.fragments, info.variable_values.coerced, context.denied)
            fields = collector.fields(kind, [node.selection_set for node in info.field_nodes])
            for one in left_out(collector, kind, fields):
                if one.changes(value.element.get(one.element)):
                    context.cautions.add(kind.name, one.element, _path(info))
        return True

    return is_type_of


def _path(info: GraphQLResolveInfo[RequestContext]) -> list[str | int]:
    """Where an object of a field stands: the field's path, and a position where the field is a list."""
    kind: Any = info.return_type
    while isinstance(kind, GraphQLNonNull):
        kind = kind.of_type
    return [*info.path.as_list(), *([0] if isinstance(kind, GraphQLList) else ())]
