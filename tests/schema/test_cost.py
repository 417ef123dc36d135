"""`@cost` and `@listSize`: printed with their definitions, seen by introspection, true to the deployment."""

import pytest
from graphql import (
    FieldDefinitionNode,
    InterfaceTypeDefinitionNode,
    ObjectTypeDefinitionNode,
    graphql_sync,
    parse,
    print_ast,
)

from schema.build import DEFAULT_RESOURCES, BuiltSchema, build_schema
from schema.cost import SourceCounts, counts_of
from tests.resolvers.memory import MemoryUpstream

SIZE = '@listSize(assumedSize: 20, slicingArguments: ["first", "last"], sizedFields: ["edges", "nodes"], '
SIZE += "requireOneSlicingArgument: false)"
PERSONS = '@listSize(assumedSize: 20, slicingArguments: ["first", "last", "identifiers"], '
PERSONS += 'sizedFields: ["edges", "nodes", "lookups"], requireOneSlicingArgument: false)'


@pytest.fixture(scope="module")
def built() -> BuiltSchema:
    return build_schema(DEFAULT_RESOURCES)


def said(made: BuiltSchema, coordinate: str) -> list[str]:
    """The directives of a field that tell its cost."""
    type_name, _, name = coordinate.partition(".")
    fields: list[FieldDefinitionNode] = [
        field
        for one in parse(made.sdl).definitions
        if isinstance(one, ObjectTypeDefinitionNode | InterfaceTypeDefinitionNode)
        and one.name.value == type_name
        for field in one.fields or ()
        if field.name.value == name
    ]
    (found,) = fields
    return [print_ast(one) for one in found.directives or () if one.name.value in ("cost", "listSize")]


def test_the_definitions_are_printed(built: BuiltSchema) -> None:
    assert (
        "directive @cost(weight: String!) on "
        "ARGUMENT_DEFINITION | ENUM | FIELD_DEFINITION | INPUT_FIELD_DEFINITION | OBJECT | SCALAR"
    ) in built.sdl
    assert (
        "directive @listSize(assumedSize: Int, slicingArguments: [String!], sizedFields: [String!], "
        "requireOneSlicingArgument: Boolean = true) on FIELD_DEFINITION"
    ) in built.sdl


def test_introspection_shows_the_directives(built: BuiltSchema) -> None:
    query = "{ __schema { directives { name locations args { name defaultValue } } } }"
    answer = graphql_sync(built.graphql, query)
    assert answer.data is not None
    found = {one["name"]: one for one in answer.data["__schema"]["directives"]}
    assert len(found["cost"]["locations"]) == 6
    assert found["listSize"]["locations"] == ["FIELD_DEFINITION"]
    assert {one["name"]: one["defaultValue"] for one in found["listSize"]["args"]} == {
        "assumedSize": None,
        "slicingArguments": None,
        "sizedFields": None,
        "requireOneSlicingArgument": "true",
    }


@pytest.mark.parametrize(
    ("coordinate", "expected"),
    [
        ("Query.observations", ['@cost(weight: "5")', SIZE]),
        ("Query.patients", ['@cost(weight: "5")', PERSONS]),
        ("Patient.observations", ['@cost(weight: "5")', SIZE]),
        ("Query.observation", ['@cost(weight: "1")']),
        ("Query.patient", ['@cost(weight: "1")']),
        ("Query.node", ['@cost(weight: "1")']),
        ("Reference.resource", ['@cost(weight: "1")']),
        ("Query.nodes", ['@listSize(slicingArguments: ["ids"], requireOneSlicingArgument: true)']),
        ("Query.sources", ["@listSize(assumedSize: 1, requireOneSlicingArgument: false)"]),
        ("ObservationEdge.node", ['@cost(weight: "0")']),
        ("ObservationConnection.totalCount", ['@cost(weight: "5")']),
        ("Patient.latestObservation", ['@cost(weight: "5")']),
        ("Patient.observationStats", ['@cost(weight: "100")']),
        ("Observation.code", []),
        ("Patient.records", []),
    ],
)
def test_fields_carry_what_they_cost(built: BuiltSchema, coordinate: str, expected: list[str]) -> None:
    assert said(built, coordinate) == expected


def test_the_number_of_sources_is_the_deployments() -> None:
    some = [
        MemoryUpstream("a", {"Patient": [], "Observation": []}),
        MemoryUpstream("b", {"Patient": []}),
        MemoryUpstream("c", {"Patient": []}),
    ]
    made = build_schema(("Patient", "Observation", "Condition"), None, counts_of(some))
    assert said(made, "Query.patients")[0] == '@cost(weight: "15")'
    assert said(made, "Patient.observations")[0] == '@cost(weight: "5")'
    assert said(made, "Query.conditions")[0] == '@cost(weight: "0")'
    assert said(made, "Query.sources") == ["@listSize(assumedSize: 3, requireOneSlicingArgument: false)"]


def test_one_deployments_numbers_leave_nothing_behind_in_the_next_schema(built: BuiltSchema) -> None:
    build_schema(DEFAULT_RESOURCES, None, SourceCounts(9, dict.fromkeys(DEFAULT_RESOURCES, 9)))
    assert build_schema(DEFAULT_RESOURCES).sdl == built.sdl
