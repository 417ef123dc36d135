"""What an operation needs of each type that it lists: the shapes in which pages are decoded.

A list can be decoded straight into structs where nothing is asked of its rows but elements, and values that
follow from a row and its page. One shape serves all lists of a type in the operation, so that equal
searches stay equal.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from graphql import FieldNode, GraphQLObjectType, GraphQLSchema, is_abstract_type, is_leaf_type

from clinical.compartment import patient_parameter, subject_element
from gateway.execution.arguments import cannot_fail
from gateway.execution.collect import Collector
from gateway.execution.facts import fact_of, row_types
from gateway.execution.modifiers import left_out, parts_for
from resolvers.ordering import ordering_of
from resolvers.parts import Part, Parts, ShapeMixed, joined
from resolvers.shape import Shape, shape_of
from schema.field import ComputedField, ElementField, FetchField, RowsField
from schema.view import TEXT, ChosenField, PreparedField, ViewField

TYPENAME: Final = "__typename"
PATIENT: Final = "Patient"
PATIENTS: Final = "PatientConnection"
_PAGING: Final = frozenset({"first", "after", "identifiers"})


class NotElements(Exception):
    """Something else than elements is asked of the rows."""


class Survey:
    """Walks an operation once, from its root, for the lists in it."""

    def __init__(self, schema: GraphQLSchema, collector: Collector) -> None:
        self._schema = schema
        self._collector = collector
        self._parts: dict[str, Parts] = {}
        self._refused: set[str] = set()
        self._seen: set[tuple[str, tuple[int, ...]]] = set()
        self._of_patient: set[str] = set()
        self._reads_all = False

    @property
    def of_patient(self) -> frozenset[str] | None:
        """The elements of Patient that the operation reads, wherever it does; None: perhaps all."""
        return None if self._reads_all else frozenset(self._of_patient)

    def shapes(self, root: GraphQLObjectType, selection_set: Any) -> Mapping[str, Shape]:
        """The shapes by resource type; a type that is not there is decoded whole."""
        self._object(root, self._collector.fields(root, [selection_set]))
        wanted = {name: parts for name, parts in self._parts.items() if name not in self._refused}
        return {name: shape for name, parts in wanted.items() if (shape := _shape(name, parts)) is not None}

    def _object(self, kind: GraphQLObjectType, fields: Mapping[str, Sequence[FieldNode]]) -> None:
        if kind.name == PATIENT:
            self._of_patient.update(one.element for one in left_out(self._collector, kind, fields))
        for nodes in fields.values():
            name = nodes[0].name.value
            definition = kind.fields.get(name)
            if definition is None or self._collector.is_denied(kind, name):
                continue
            fact = fact_of(definition)
            inner, field = fact.inner, fact.field
            if isinstance(field, PreparedField):
                field.prepare()
            self._note_patient(kind, inner, field, nodes)
            if fact.is_leaf:
                continue
            if isinstance(field, FetchField):
                self._refused |= field.whole_types
            if isinstance(field, RowsField) and isinstance(inner, GraphQLObjectType):
                self._rows(field.row_type, inner, nodes)
            elif isinstance(field, ComputedField) and _leads_to_rows(inner, row_types(kind)):
                self._refused |= row_types(kind)  # edges need the whole row
            self._below(inner, nodes)

    def _note_patient(self, kind: Any, inner: Any, field: Any, nodes: Sequence[FieldNode]) -> None:
        """Notes what a field reads of a Patient. A fetch reads nothing but whose record it is, unless it
        finds or sorts Patients by their elements."""
        if inner.name == PATIENTS:
            self._reads_all |= any(one.name.value not in _PAGING for one in nodes[0].arguments or ())
        if kind.name != PATIENT:
            return
        if isinstance(field, ElementField):
            self._of_patient.add(field.element)
        elif isinstance(field, ViewField):
            self._of_patient.update(name for name, _ in field.needs)
        elif isinstance(field, FetchField):
            self._reads_all |= field.reads_whole
        elif not isinstance(field, ComputedField) or field.of_row is None or not is_leaf_type(inner):
            self._reads_all = True

    def _below(self, inner: Any, nodes: Sequence[FieldNode]) -> None:
        kinds: Iterable[Any] = (inner,)
        if is_abstract_type(inner):
            kinds = self._schema.get_possible_types(inner)
        places, sets = tuple(map(id, nodes)), [node.selection_set for node in nodes]
        for kind in kinds:
            key = (kind.name, places)
            if key not in self._seen:
                self._seen.add(key)
                self._object(kind, self._collector.fields(kind, sets))

    def _rows(self, row_type: str, kind: GraphQLObjectType, nodes: Sequence[FieldNode]) -> None:
        try:
            found = parts_of(self._collector, kind, nodes, is_row=True)
            fields = self._collector.fields(kind, [node.selection_set for node in nodes])
            found = joined(found, parts_for(left_out(self._collector, kind, fields)))
            self._parts[row_type] = joined(self._parts.get(row_type, ()), found)
        except (NotElements, ShapeMixed):
            self._refused.add(row_type)


def parts_of(
    collector: Collector, kind: GraphQLObjectType, nodes: Sequence[FieldNode], *, is_row: bool
) -> Parts:
    """The elements that are asked of an object. Raises NotElements, ShapeMixed."""
    parts: dict[str, Part] = {}
    for below in collector.fields(kind, [node.selection_set for node in nodes]).values():
        name = below[0].name.value
        if name == TYPENAME or collector.is_denied(kind, name):
            continue
        fact = fact_of(kind.fields[name])
        field = fact.field
        if isinstance(field, ComputedField) and is_row:
            needs = _needs(collector, field, fact.inner, below)
        elif isinstance(field, ViewField) and cannot_fail(below[0]):
            needs = field.needs
        elif isinstance(field, ElementField) and field.resources is None:
            needs = ((field.element, _part(collector, field, fact.inner, below)),)
        else:
            raise NotElements
        for one, part in needs:
            parts[one] = parts[one].joined(part) if one in parts else part
    return tuple(parts.items())


def _needs(collector: Collector, field: ComputedField, inner: Any, nodes: Sequence[FieldNode]) -> Parts:
    """What a value that follows from a row needs of it, with all that is asked of it. Raises NotElements."""
    if field.of_row is None:
        raise NotElements
    needs = field.needs
    if isinstance(inner, GraphQLObjectType):
        for below in collector.fields(inner, [node.selection_set for node in nodes]).values():
            name = below[0].name.value
            if name == TYPENAME or collector.is_denied(inner, name):
                continue
            fact = fact_of(inner.fields[name])
            if not isinstance(fact.field, ComputedField):
                raise NotElements
            needs = joined(needs, _needs(collector, fact.field, fact.inner, below))
    return needs


def _part(collector: Collector, field: ElementField, inner: Any, nodes: Sequence[FieldNode]) -> Part:
    if field.primitive is not None:
        return Part(field.primitive.value, field.is_list)
    if not isinstance(inner, GraphQLObjectType):
        raise NotElements
    parts = parts_of(collector, inner, nodes, is_row=False)
    if isinstance(field, ChosenField) and nodes[0].arguments:
        if field.order is not None or not cannot_fail(nodes[0]):
            raise NotElements
        parts = joined(parts, ((field.by, TEXT),))
    return Part(None, field.is_list, parts)


def _leads_to_rows(inner: Any, rows: frozenset[str]) -> bool:
    """Whether a field's object holds one of these rows itself, as an edge does."""
    if not rows or not isinstance(inner, GraphQLObjectType):
        return False
    return any(fact_of(one).inner.name in rows for one in inner.fields.values())


def _shape(name: str, parts: Parts) -> Shape | None:
    if subject_element(name) is None and patient_parameter(name) is not None:
        return None  # whom a row is about is said deeper in it
    if ordering_of(name, None).date_element is None:
        return None  # such lists are not by date: their rows are always looked at whole
    try:
        return shape_of(name, parts)
    except ShapeMixed:
        return None
