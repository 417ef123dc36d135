"""What plans ask of a schema's fields again and again: told once for each field, and kept with it."""

from dataclasses import dataclass
from typing import Any, Final

from graphql import (
    GraphQLArgument,
    GraphQLField,
    GraphQLObjectType,
    Undefined,
    get_named_type,
    is_leaf_type,
    is_non_null_type,
)

from schema.field import ElementField, RowsField

DEFINITION: Final = "strawberry-definition"
"""Where Strawberry keeps its own field in a graphql-core field."""

_FACT: Final = "clinical-gateway-fact"
_ROW_TYPES: Final = "clinical-gateway-row-types"
_ELEMENTS: Final = "clinical-gateway-elements"
_RESOURCE: Final = "clinical-gateway-resource"
RESOURCE: Final = "Resource"


@dataclass(frozen=True, slots=True)
class Fact:
    """Of a field: the named type of its values, the schema's own field, and the arguments that matter though
    they are not given."""

    inner: Any
    field: Any
    is_leaf: bool
    counting: frozenset[str]


def fact_of(definition: GraphQLField) -> Fact:
    """The facts of a field."""
    known: Fact | None = definition.extensions.get(_FACT)
    if known is None:
        inner = get_named_type(definition.type)
        counting = frozenset(name for name, one in definition.args.items() if _counts(one))
        known = Fact(inner, definition.extensions.get(DEFINITION), is_leaf_type(inner), counting)
        definition.extensions[_FACT] = known
    return known


def row_types(kind: GraphQLObjectType) -> frozenset[str]:
    """The types of the rows that an object of this type lists."""
    known: frozenset[str] | None = kind.extensions.get(_ROW_TYPES)
    if known is None:
        fields = (fact_of(one).field for one in kind.fields.values())
        known = frozenset(one.row_type for one in fields if isinstance(one, RowsField))
        kind.extensions[_ROW_TYPES] = known
    return known


def has_elements(kind: GraphQLObjectType) -> bool:
    """Whether objects of this type come as an element and its holder."""
    known: bool | None = kind.extensions.get(_ELEMENTS)
    if known is None:
        known = any(isinstance(fact_of(one).field, ElementField) for one in kind.fields.values())
        kind.extensions[_ELEMENTS] = known
    return known


def is_resource(kind: GraphQLObjectType) -> bool:
    """Whether objects of this type are resources."""
    known: bool | None = kind.extensions.get(_RESOURCE)
    if known is None:
        known = kind.extensions[_RESOURCE] = any(one.name == RESOURCE for one in kind.interfaces)
    return known


def _counts(argument: GraphQLArgument) -> bool:
    """Whether an argument matters that was not given: it has a default, or must not be missing."""
    has_default = argument.default is not None or argument.default_value is not Undefined
    return has_default or is_non_null_type(argument.type)
