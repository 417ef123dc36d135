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
    FragmentDefinitionNode,
    GraphQLField,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    get_named_type,
    is_abstract_type,
    is_composite_type,
)

from gateway.execution.collect import Collector
from gateway.prepare import PreparedDocument
from permissions.decision import Permissions
from permissions.rules import Rules

KEPT: Final = 64
"""Denied sets of one document, for as many different permissions."""

_NONE: Final[frozenset[str]] = frozenset()
_UNRULED: Final[tuple[str, tuple[str, ...]]] = ("__Schema", ())
"""Of what is no field of a type in the schema's own words: `__typename`, `__schema`, `__type`."""

Denied = tuple[tuple[str, ...], str]
"""A denied selection: its path, with `@` for a position in a list, and its coordinate."""


class Denials:
    """What documents of a schema are denied to callers."""

    def __init__(self, schema: GraphQLSchema, rules: Rules) -> None:
        self._schema = schema
        self._fields = {
            name: _fields_of(schema, kind, rules)
            for name, kind in schema.type_map.items()
            if is_composite_type(kind)
        }

    def denied(self, prepared: PreparedDocument, permissions: Permissions) -> frozenset[str]:
        """The coordinates of a document that a caller's scopes do not permit."""
        return self.judged(prepared, permissions)[0]

    def judged(
        self, prepared: PreparedDocument, permissions: Permissions
    ) -> tuple[frozenset[str], frozenset[str]]:
        """The same, and what is to be recorded of it: that, or what would be denied where the policy is only
        measured."""
        known: OrderedDict[Permissions, tuple[frozenset[str], frozenset[str]]]
        known = prepared.kept.get("denied") or prepared.kept.setdefault("denied", OrderedDict())
        found = known.get(permissions)
        if found is None:
            ruled = self.ruled(prepared)
            denied = permissions.denied(ruled) or _NONE
            found = known[permissions] = denied, denied or permissions.would_deny(ruled)
            if len(known) > KEPT:
                known.popitem(last=False)
        return found

    def ruled(self, prepared: PreparedDocument) -> frozenset[str]:
        """The coordinates of a document that have a rule."""
        known: frozenset[str] | None = prepared.kept.get("ruled")
        if known is None:
            known = prepared.kept["ruled"] = self._ruled(prepared.document)
        return known

    def _ruled(self, document: DocumentNode) -> frozenset[str]:
        """The ruled coordinates of a document, whatever its variables are."""
        found: set[str] = set()
        pending: list[tuple[str, SelectionSetNode]] = []
        for one in document.definitions:
            if isinstance(one, OperationDefinitionNode):
                root = self._schema.get_root_type(one.operation)
                assert root is not None
                pending.append((root.name, one.selection_set))
            elif isinstance(one, FragmentDefinitionNode):
                pending.append((one.type_condition.name.value, one.selection_set))
        while pending:
            kind, selected = pending.pop()
            fields = self._fields[kind]
            for selection in selected.selections:
                if isinstance(selection, FieldNode):
                    inner, ruled = fields.get(selection.name.value, _UNRULED)
                    if ruled:
                        found.update(ruled)
                    if selection.selection_set is not None:
                        pending.append((inner, selection.selection_set))
                elif isinstance(selection, InlineFragmentNode):
                    condition = selection.type_condition
                    on = condition.name.value if condition is not None else kind
                    pending.append((on, selection.selection_set))
        return frozenset(found)


def _fields_of(schema: GraphQLSchema, kind: Any, rules: Rules) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Of a type: by field the type of its values, and its coordinates that have a rule (those of all possible
    types, for an abstract one)."""
    possible = schema.get_possible_types(kind) if is_abstract_type(kind) else (kind,)
    made = {}
    for name, field in getattr(kind, "fields", {}).items():
        coordinates = (f"{one.name}.{name}" for one in possible)
        made[name] = (get_named_type(field.type).name, tuple(one for one in coordinates if one in rules))
    return made


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
