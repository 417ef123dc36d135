"""The vectors: each operation costs what its reasoning says."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from graphql import build_schema, parse, validate

from clinical.codec import decode_json
from gateway.cost.actual import actual
from gateway.cost.analysis import Analysis, analyse
from gateway.cost.estimate import breakdown, estimate
from gateway.cost.weights import Weights
from gateway.prepare import chosen_operation, fragments_of
from resolvers.tally import Tally
from schema.build import DEFAULT_RESOURCES
from schema.build import build_schema as build_served

PLACE = Path(__file__).parent
PUBLISHED = {
    "exclusive types",
    "list size by variable",
    "complementary include and skip",
    "duplicate response name",
    "signed weights on arguments",
    "zero-length list",
}
DIRECTIVES = """
directive @cost(weight: String!) on
  ARGUMENT_DEFINITION | ENUM | FIELD_DEFINITION | INPUT_FIELD_DEFINITION | OBJECT | SCALAR
directive @listSize(
  assumedSize: Int
  slicingArguments: [String!]
  sizedFields: [String!]
  requireOneSlicingArgument: Boolean = true
) on FIELD_DEFINITION
"""


@dataclass(frozen=True)
class Vector:
    case: str
    title: str
    schema: str
    operation: str
    variables: dict[str, Any]
    denied: frozenset[str]
    expected: int
    reasoning: str

    def __str__(self) -> str:
        return f"{self.case}: {self.title}"

    def analysis(self) -> Analysis:
        schema, document = build_schema(DIRECTIVES + self.schema), parse(self.operation)
        assert validate(schema, document) == []
        return analyse(Weights(schema), chosen_operation(document, None), fragments_of(document))


def vectors(name: str = "*.toml") -> list[Vector]:
    return [one for path in sorted(PLACE.glob(name)) for one in _read(path)]


def _read(path: Path) -> Iterator[Vector]:
    for table in tomllib.loads(path.read_text("utf-8"))["vector"]:
        variables = decode_json(table.pop("variables", "{}"))
        yield Vector(variables=variables, denied=frozenset(table.pop("denied", ())), **table)


@pytest.mark.parametrize("vector", vectors(), ids=str)
def test_an_operation_costs_what_the_vector_says(vector: Vector) -> None:
    assert estimate(vector.analysis(), vector.variables, vector.denied) == vector.expected, vector.reasoning


@pytest.mark.parametrize("vector", vectors(), ids=str)
def test_the_breakdown_of_a_vector_adds_up(vector: Vector) -> None:
    told = breakdown(vector.analysis(), vector.variables, vector.denied)
    roots = [one.requested_total_cost for one in told if len(one.path) == 1]
    assert vector.expected in (sum(roots), min(2**31 - 1, sum(roots))), told


@pytest.mark.parametrize("vector", vectors(), ids=str)
def test_what_gave_nothing_never_costs_more(vector: Vector) -> None:
    assert actual(vector.analysis(), vector.variables, Tally(), vector.denied) <= vector.expected


def test_every_published_case_has_its_vectors() -> None:
    assert {one.case for one in vectors("published.toml")} == PUBLISHED


def test_the_vectors_directives_are_those_of_the_served_schema() -> None:
    served = build_served(DEFAULT_RESOURCES).graphql
    stated = build_schema(DIRECTIVES + "type Query { a: Int }")
    for name in ("cost", "listSize"):
        ours, theirs = served.get_directive(name), stated.get_directive(name)
        assert ours is not None
        assert theirs is not None
        assert set(ours.locations) == set(theirs.locations)
        assert {key: str(one.type) for key, one in ours.args.items()} == {
            key: str(one.type) for key, one in theirs.args.items()
        }
