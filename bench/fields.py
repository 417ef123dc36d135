"""A query that selects a given number of leaves of an Observation, those with data first."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

from graphql import GraphQLField, GraphQLObjectType, build_schema, get_named_type, is_leaf_type

from bench import records

SCHEMA: Final = Path(__file__).parents[1] / "schema" / "schema.graphql"
LEAVES_KEPT: Final = 100

Leaf = tuple[str, ...]


def query_of_fields(count: int) -> str:
    """`count` leaves of each of 50 observations."""
    tree: dict[str, Any] = {}
    for path in leaves()[:count]:
        at = tree
        for name in path:
            at = at.setdefault(name, {})
    return f"query F($id: ID!) {{ patient(id: $id) {{ observations(first: 50) {{ nodes {_text(tree)} }} }} }}"


@cache
def leaves() -> list[Leaf]:
    """The leaves one and two levels below an Observation."""
    observation = build_schema(SCHEMA.read_text(), assume_valid=True).type_map["Observation"]
    assert isinstance(observation, GraphQLObjectType)
    found = [leaf for name, field in observation.fields.items() for leaf in _below(name, field)]
    sample = records.rows("Observation", 0, 1)[0]
    return sorted(found, key=lambda leaf: not _has(sample, leaf))[:LEAVES_KEPT]


def _below(name: str, field: GraphQLField) -> list[Leaf]:
    kind = get_named_type(field.type)
    if field.args:
        return []
    if is_leaf_type(kind):
        return [(name,)]
    if not isinstance(kind, GraphQLObjectType):
        return []
    return [
        (name, one)
        for one, below in kind.fields.items()
        if is_leaf_type(get_named_type(below.type)) and not below.args
    ]


def _has(value: Any, leaf: Leaf) -> bool:
    for name in leaf:
        value = value[0] if isinstance(value, list) else value
        value = value.get(name) if isinstance(value, dict) else None
    return value is not None


def _text(tree: dict[str, Any]) -> str:
    return "{ " + " ".join(f"{name} {_text(below)}" if below else name for name, below in tree.items()) + " }"
