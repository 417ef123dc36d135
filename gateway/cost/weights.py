"""A schema's weights: read once at start, so that no document meets one that says nothing sensible."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from graphql import (
    GraphQLAbstractType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    get_nullable_type,
    is_abstract_type,
    is_leaf_type,
)
from graphql.type import SchemaMetaFieldDef, TypeMetaFieldDef

from gateway.cost.declared import DEFINITION, Number, Sizing, WeightInvalid, sizing_of, weight_of
from schema.field import FetchField

SCALAR: Final = 0
OBJECT: Final = 1
MUTATION: Final = 10
"""What fields cost by their kind, where no directive says otherwise."""


@dataclass(frozen=True, slots=True)
class InputWeight:
    """What an argument, or a field of an input object, adds where it is given; `inner` names the type of
    input object whose fields may add more."""

    weight: Number
    inner: str | None


@dataclass(frozen=True, slots=True)
class FieldWeight:
    """What one field costs.

    `own`: once for each time that the field is asked; None: what its type weighs. `is_list`: it gives items,
    each of which weighs what its type weighs. `is_found`: it gives resources that are looked up, which is
    counted as they are found (`gateway.cost.actual`). `is_searched`: it is a value for which sources are
    searched, which is counted by how many were. `list_arguments`: those that take lists. `is_free`: it
    can cost nothing, whatever its arguments and the selections below.
    """

    kind: Any
    own: Number | None
    is_list: bool
    sizing: Sizing | None
    arguments: Mapping[str, InputWeight]
    is_found: bool
    is_searched: bool
    list_arguments: frozenset[str]
    is_free: bool

    @property
    def weighs_items(self) -> bool:
        """Whether each object that the field gives costs what its type weighs."""
        return self.is_list or self.own is None

    @property
    def costs_alike(self) -> tuple[Any, ...]:
        """What is equal for two fields that cost the same with the same selections below."""
        arguments = tuple(sorted((name, one.weight, one.inner) for name, one in self.arguments.items()))
        return (self.kind.name, self.own, self.is_list, self.sizing, arguments)


@dataclass(slots=True)
class Weights:
    """Every weight of a schema. Raises WeightInvalid when made."""

    schema: GraphQLSchema
    types: dict[str, Number] = field(default_factory=dict)
    """By object type, what one object of it weighs."""
    inputs: dict[str, Mapping[str, InputWeight]] = field(default_factory=dict)
    _fields: dict[str, Mapping[str, FieldWeight]] = field(default_factory=dict)
    _classes: dict[str, Mapping[str, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        made = self.schema.type_map.values()
        for one in made:
            if isinstance(one, GraphQLInputObjectType):
                self.inputs[one.name] = self._inputs(one.name, one.fields)
        for one in made:
            declared = weight_of(self.schema, one, one.name)
            if declared is not None and declared < 0:
                raise WeightInvalid(f"{one.name}: a type cannot weigh less than nothing")
            default = SCALAR if is_leaf_type(one) else OBJECT
            self.types[one.name] = default if declared is None else declared
        for one in made:
            if isinstance(one, GraphQLObjectType):
                self._fields[one.name] = {name: self._field(one, name, of) for name, of in one.fields.items()}
        if self.schema.query_type is not None:
            self._add_introspection(self.schema.query_type)

    def fields(self, type_name: str) -> Mapping[str, FieldWeight]:
        """The weights of an object type's fields; `__typename` has none."""
        return self._fields[type_name]

    def classes(self, kind: GraphQLAbstractType) -> Mapping[str, int]:
        """By possible type of an abstract one: a number that is the same for types whose common fields cost
        alike."""
        known = self._classes.get(kind.name)
        if known is None:
            numbers: dict[tuple[Any, ...], int] = {}
            known = self._classes[kind.name] = {
                one.name: numbers.setdefault(self._alike(kind, one), len(numbers))
                for one in self.schema.get_possible_types(kind)
            }
        return known

    def _alike(self, kind: GraphQLAbstractType, possible: GraphQLObjectType) -> tuple[Any, ...]:
        shared: Iterable[str] = kind.fields if isinstance(kind, GraphQLInterfaceType) else ()
        fields = self._fields[possible.name]
        return (self.types[possible.name], *(fields[name].costs_alike for name in shared))

    def _add_introspection(self, query: GraphQLObjectType) -> None:
        more = {"__schema": SchemaMetaFieldDef, "__type": TypeMetaFieldDef}
        known = self._fields[query.name]
        self._fields[query.name] = {
            **known,
            **{name: self._field(query, name, one) for name, one in more.items()},
        }

    def _field(self, parent: GraphQLObjectType, name: str, held: GraphQLField) -> FieldWeight:
        where, kind = f"{parent.name}.{name}", get_named_type(held.type)
        is_list = isinstance(get_nullable_type(held.type), GraphQLList)
        own = declared = weight_of(self.schema, held, where)
        if own is None and parent is self.schema.mutation_type:
            own = MUTATION
        elif own is None and is_list:
            own = 0
        elif own is None and is_leaf_type(kind):
            own = self.types[kind.name]
        arguments = self._inputs(where, held.args)
        lists = (
            key for key, one in held.args.items() if isinstance(get_nullable_type(one.type), GraphQLList)
        )
        definition = held.extensions.get(DEFINITION)
        is_fetched = isinstance(definition, FetchField) and not definition.is_own
        sizing, is_found = sizing_of(self.schema, held, where), is_fetched and _is_resource(kind)
        holds_rows = sizing is not None and bool(sizing.fields)
        return FieldWeight(
            kind,
            own,
            is_list,
            sizing,
            arguments,
            is_found,
            is_fetched and not is_found and not holds_rows and declared is not None,
            frozenset(lists),
            is_leaf_type(kind) and not own and not arguments and not (is_list and self.types[kind.name]),
        )

    def _inputs(self, where: str, held: Mapping[str, Any]) -> Mapping[str, InputWeight]:
        """Those of some arguments or input fields that may add something."""
        found: dict[str, InputWeight] = {}
        for name, one in held.items():
            weight = weight_of(self.schema, one, f"{where}.{name}")
            kind = get_named_type(one.type)
            is_object = isinstance(kind, GraphQLInputObjectType)
            if weight is None:
                declared = weight_of(self.schema, kind, kind.name) if not is_object else None
                weight = declared or 0
            inner = kind.name if is_object and self._may_add(kind) else None
            if weight or inner:
                found[name] = InputWeight(weight, inner)
        return found

    def _may_add(self, kind: Any, seen: frozenset[str] = frozenset()) -> bool:
        """Whether a field of an input object, or of one inside, carries a weight."""
        if kind.name in seen:
            return False
        for name, one in kind.fields.items():
            inner = get_named_type(one.type)
            if weight_of(self.schema, one, f"{kind.name}.{name}"):
                return True
            if isinstance(inner, GraphQLInputObjectType) and self._may_add(inner, seen | {kind.name}):
                return True
        return False


def _is_resource(kind: Any) -> bool:
    return is_abstract_type(kind) or (isinstance(kind, GraphQLObjectType) and bool(kind.interfaces))
