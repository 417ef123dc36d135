"""The first door, before anything is fetched: which fields of a document the caller's scopes do not permit.

Which ruled fields a document selects depends on the document alone; which of them are denied on it and
the caller's permissions. Both are worked out once.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLField,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    SelectionSetNode,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    get_named_type,
    is_abstract_type,
    is_composite_type,
    visit,
)

from gateway.execution.collect import Collector
from gateway.prepare import PreparedDocument
from permissions.decision import Permissions
from permissions.rules import Rules

KEPT: Final = 64
"""Denied sets of one document, for as many different permissions."""

_NONE: Final[frozenset[str]] = frozenset()

Denied = tuple[tuple[str, ...], str]
"""A denied selection: its path, with `@` for a position in a list, and its coordinate."""


class Denials:
    """What documents of a schema are denied to callers."""

    def __init__(self, schema: GraphQLSchema, rules: Rules) -> None:
        self._schema = schema
        self._rules = rules

    def denied(self, prepared: PreparedDocument, permissions: Permissions) -> frozenset[str]:
        """The coordinates of a document that a caller's scopes do not permit."""
        known: OrderedDict[Permissions, frozenset[str]] | None = prepared.kept.get("denied")
        if known is None:
            known = prepared.kept["denied"] = OrderedDict()
        found = known.get(permissions)
        if found is None:
            found = known[permissions] = permissions.denied(self.ruled(prepared)) or _NONE
            if len(known) > KEPT:
                known.popitem(last=False)
        return found

    def ruled(self, prepared: PreparedDocument) -> frozenset[str]:
        """The coordinates of a document that have a rule."""
        known: frozenset[str] | None = prepared.kept.get("ruled")
        if known is None:
            survey = _Ruled(self._schema, self._rules)
            known = prepared.kept["ruled"] = survey.of(prepared.document)
        return known


class _Ruled(Visitor):
    """Collects the ruled coordinates of a document, whatever its variables are."""

    def __init__(self, schema: GraphQLSchema, rules: Rules) -> None:
        super().__init__()
        self._schema = schema
        self._rules = rules
        self._types = TypeInfo(schema)
        self._found: set[str] = set()

    def of(self, document: DocumentNode) -> frozenset[str]:
        visit(document, TypeInfoVisitor(self._types, self))
        return frozenset(self._found)

    def enter_field(self, node: FieldNode, *_: object) -> None:
        parent = self._types.get_parent_type()
        kinds: Sequence[Any] = (parent,) if parent is not None else ()
        if parent is not None and is_abstract_type(parent):
            kinds = self._schema.get_possible_types(parent)
        names = (f"{kind.name}.{node.name.value}" for kind in kinds)
        self._found.update(one for one in names if one in self._rules)


def denied_selections(
    schema: GraphQLSchema, collector: Collector, root: GraphQLObjectType, selected: SelectionSetNode
) -> tuple[Denied, ...]:
    """Each selection of an operation that is denied, once; what lies below one is not looked at."""
    if not collector.denied:
        return ()
    walk = _Walk(schema, collector)
    return tuple(dict.fromkeys(walk.object((), root, [selected])))


class _Walk:
    def __init__(self, schema: GraphQLSchema, collector: Collector) -> None:
        self._schema = schema
        self._collector = collector
        self._seen: set[tuple[tuple[str, ...], str]] = set()

    def object(
        self, path: tuple[str, ...], kind: GraphQLObjectType, sets: Sequence[SelectionSetNode | None]
    ) -> Iterator[Denied]:
        if (path, kind.name) in self._seen:
            return
        self._seen.add((path, kind.name))
        fields: Mapping[str, Sequence[FieldNode]] = self._collector.fields(kind, sets)
        for key, nodes in fields.items():
            name = nodes[0].name.value
            if self._collector.is_denied(kind, name):
                yield (*path, key), f"{kind.name}.{name}"
            elif name in kind.fields:
                yield from self._below((*path, key), kind.fields[name], nodes)

    def _below(
        self, path: tuple[str, ...], field: GraphQLField, nodes: Sequence[FieldNode]
    ) -> Iterator[Denied]:
        inner = get_named_type(field.type)
        if not is_composite_type(inner):
            return
        at = (*path, *["@"] * _depth(field.type))
        kinds: Sequence[Any] = (inner,)
        if is_abstract_type(inner):
            kinds = self._schema.get_possible_types(inner)
        for kind in kinds:
            yield from self.object(at, kind, [node.selection_set for node in nodes])


def _depth(kind: Any) -> int:
    """How many lists are around a type."""
    count = 0
    while isinstance(kind, GraphQLList | GraphQLNonNull):
        count += isinstance(kind, GraphQLList)
        kind = kind.of_type
    return count
