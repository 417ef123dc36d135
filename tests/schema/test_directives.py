"""`@requiresScopes`: printed with its definition, seen by introspection, and true to the rules."""

from typing import Any

import pytest
from graphql import (
    DirectiveNode,
    FieldDefinitionNode,
    ListValueNode,
    ObjectTypeDefinitionNode,
    StringValueNode,
    graphql_sync,
    parse,
)

from permissions.needs import type_needs
from permissions.policy import default_policy, policy_of
from schema.build import DEFAULT_RESOURCES, BuiltSchema, build_schema

ANY_LEVEL = ("patient", "user", "system")


@pytest.fixture(scope="module")
def built() -> BuiltSchema:
    return build_schema(DEFAULT_RESOURCES)


@pytest.fixture(scope="module")
def types(built: BuiltSchema) -> dict[str, ObjectTypeDefinitionNode]:
    return of(built)


def of(built: BuiltSchema) -> dict[str, ObjectTypeDefinitionNode]:
    found = parse(built.sdl).definitions
    return {one.name.value: one for one in found if isinstance(one, ObjectTypeDefinitionNode)}


def tightened(**needs: Any) -> BuiltSchema:
    row = {"coordinates": ["Patient.birthDate"], "reason": "a test", **needs}
    rows = [one.model_dump() for one in default_policy().rules]
    return build_schema(DEFAULT_RESOURCES, policy_of({"rules": [*rows, row]}))


def told(node: ObjectTypeDefinitionNode | FieldDefinitionNode) -> list[list[str]]:
    """The lists of the directive on a type or field; none where it is not there."""
    found: list[DirectiveNode] = [one for one in node.directives or () if one.name.value == "requiresScopes"]
    if not found:
        return []
    (directive,) = found
    (argument,) = directive.arguments or ()
    assert argument.name.value == "scopes"
    assert isinstance(argument.value, ListValueNode)
    return [
        [word.value for word in one.values if isinstance(word, StringValueNode)]
        for one in argument.value.values
        if isinstance(one, ListValueNode)
    ]


def field(types: dict[str, ObjectTypeDefinitionNode], coordinate: str) -> FieldDefinitionNode:
    type_name, _, name = coordinate.partition(".")
    (found,) = [one for one in types[type_name].fields or () if one.name.value == name]
    return found


def any_level(*scopes: str) -> list[list[str]]:
    return [[f"{level}/{one}"] for level in ANY_LEVEL for one in scopes]


def test_the_directive_is_printed_with_its_definition(built: BuiltSchema) -> None:
    assert "directive @requiresScopes(scopes: [[String!]!]!) on FIELD_DEFINITION | OBJECT" in built.sdl


def test_introspection_shows_the_directive(built: BuiltSchema) -> None:
    inner = "{ name }"
    for _ in range(5):
        inner = f"{{ kind name ofType {inner} }}"
    query = f"{{ __schema {{ directives {{ name description locations args {{ name type {inner} }} }} }} }}"
    answer = graphql_sync(built.graphql, query)
    assert answer.errors is None
    assert answer.data is not None
    (found,) = [one for one in answer.data["__schema"]["directives"] if one["name"] == "requiresScopes"]
    assert set(found["locations"]) == {"FIELD_DEFINITION", "OBJECT"}
    assert "any of the lists, each as a whole" in found["description"]
    (argument,) = found["args"]
    kinds, kind = [], argument["type"]
    while kind:
        kinds.append(kind.get("kind", kind["name"]))
        kind = kind.get("ofType")
    assert argument["name"] == "scopes"
    assert kinds == ["NON_NULL", "LIST", "NON_NULL", "LIST", "NON_NULL", "String"]


def test_introspection_tells_in_the_description_what_a_field_needs(built: BuiltSchema) -> None:
    query = '{ __type(name: "Query") { fields { name description } } }'
    answer = graphql_sync(built.graphql, query)
    assert answer.data is not None
    told = {one["name"]: one["description"] for one in answer.data["__type"]["fields"]}
    needs = "Needs patient/Observation.s, or user/Observation.s, or system/Observation.s."
    assert told["observations"].endswith(needs)
    assert "Needs" not in told["sources"]


@pytest.mark.parametrize(
    ("coordinate", "lists"),
    [
        ("Query.observation", any_level("Observation.r")),
        ("Query.observations", any_level("Observation.s")),
        ("Query.patient", any_level("Patient.r", "Patient.s")),
        ("Query.patients", any_level("Patient.s")),
        ("Query.me", any_level("Patient.r")),
        ("Patient.observations", any_level("Observation.s")),
        ("Patient.telecom", any_level("Patient.r", "Patient.s")),
        ("Patient.birthDate", []),
        ("Query.node", []),
        ("Query.sources", []),
        ("Reference.resource", []),
        ("HumanName.family", []),
    ],
)
def test_fields_carry_what_they_need(
    types: dict[str, ObjectTypeDefinitionNode], coordinate: str, lists: list[list[str]]
) -> None:
    assert told(field(types, coordinate)) == lists


def test_every_resource_type_carries_what_it_needs_and_no_other_type_does(
    types: dict[str, ObjectTypeDefinitionNode],
) -> None:
    for name, made in types.items():
        expected = [one.told() for one in type_needs("rs", name)] if name in DEFAULT_RESOURCES else []
        assert told(made) == expected, name


def test_the_schema_says_what_the_rules_say(
    built: BuiltSchema, types: dict[str, ObjectTypeDefinitionNode]
) -> None:
    for name, made in types.items():
        for one in made.fields or ():
            rule = built.rules.of(f"{name}.{one.name.value}")
            expected = [] if rule is None else [list(scopes) for scopes in rule.required()]
            assert told(one) == expected, f"{name}.{one.name.value}"


def test_a_policy_shows_in_the_schema() -> None:
    tight = tightened(scopes=[["user/Patient.r", "demographics"]])
    types = of(tight)
    lists = [["user/Patient.r", "demographics"]]
    assert told(field(types, "Patient.birthDate")) == lists
    assert told(field(types, "Patient._birthDate")) == lists
    description = field(types, "Patient.birthDate").description
    assert description is not None
    assert description.value.endswith("Needs user/Patient.r with demographics.")


def test_a_purpose_shows_in_the_description() -> None:
    types = of(tightened(purposes=["TREAT", "ETREAT"]))
    description = field(types, "Patient.birthDate").description
    assert description is not None
    assert description.value.endswith("For the purposes of use ETREAT or TREAT only.")


def test_one_policy_leaves_nothing_behind_in_the_next_schema(built: BuiltSchema) -> None:
    tightened(scopes=[["demographics"]], purposes=["TREAT"])
    assert build_schema(DEFAULT_RESOURCES).sdl == built.sdl
