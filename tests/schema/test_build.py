"""The schema follows FHIR's definitions and our conventions; names that meet stop the start."""

import pytest
from graphql import (
    GraphQLList,
    GraphQLObjectType,
    get_named_type,
    is_introspection_type,
)
from graphql import (
    build_schema as parse_sdl,
)

from clinical.compartment import patient_parameter
from resolvers.names import plural
from schema import build, fhir
from schema.build import DEFAULT_RESOURCES, build_schema, resource_types
from schema.fhir_model import ResourceTypeUnknown, elements, model_of


@pytest.fixture(scope="module")
def schema():  # type: ignore[no-untyped-def]
    return build_schema(resource_types("default")).graphql


def test_elements_have_their_fhir_names_and_cardinality(schema) -> None:  # type: ignore[no-untyped-def]
    for name in DEFAULT_RESOURCES:
        fields = schema.type_map[name].fields
        for element in elements(model_of(name)):
            assert element.name in fields, (name, element.name)
            kind = getattr(fields[element.name].type, "of_type", fields[element.name].type)
            is_list = isinstance(fields[element.name].type, GraphQLList) or isinstance(kind, GraphQLList)
            assert is_list == element.is_list or element.name == "id", (name, element.name)


def test_choice_elements_and_primitive_extensions_are_fields(schema) -> None:  # type: ignore[no-untyped-def]
    observation, patient = schema.type_map["Observation"].fields, schema.type_map["Patient"].fields
    assert {"valueQuantity", "valueCodeableConcept", "effectiveDateTime", "_effectiveDateTime"} <= set(
        observation
    )
    assert str(patient["_birthDate"].type) == "Element"
    assert str(schema.type_map["HumanName"].fields["_given"].type) == "[Element]"
    assert str(schema.type_map["Quantity"].fields["value"].type) == "Decimal"


def test_clinical_fields_are_nullable(schema) -> None:  # type: ignore[no-untyped-def]
    ours = {"id", "resourceType", "origin", "records", "sources", "completeness", "elementSources"}
    for name in DEFAULT_RESOURCES:
        for field, made in schema.type_map[name].fields.items():
            assert field in ours or not str(made.type).endswith("!"), (name, field)


def test_reverse_connections_follow_the_rule(schema) -> None:  # type: ignore[no-untyped-def]
    fields = schema.type_map["Patient"].fields
    for name in DEFAULT_RESOURCES:
        if name == "Patient":
            continue
        assert (plural(name) in fields and "Connection" in str(fields[plural(name)].type)) == (
            patient_parameter(name) is not None
        ), name
    assert {"observations", "allergyIntolerances", "appointments", "coverages"} <= set(fields)
    assert "patient" not in fields["observations"].args
    assert "practitioners" not in fields


def test_search_parameters_are_arguments_of_their_kind(schema) -> None:  # type: ignore[no-untyped-def]
    arguments = {k: str(v.type) for k, v in schema.query_type.fields["observations"].args.items()}
    assert arguments["code"] == "[String!]"
    assert arguments["date"] == "DateRange"
    assert arguments["subject"] == "[ID!]"
    assert arguments["valueQuantity"] == "QuantityFilter"
    assert arguments["valueString"] == "StringFilter"
    assert schema.query_type.fields["conditions"].args["clinicalStatus"]


def test_a_field_that_would_hide_an_element_stops_the_start() -> None:
    with pytest.raises(fhir.FieldNameTaken, match="origin"):
        build_schema(("Patient", "TestScript"))


def test_every_type_of_r4_can_be_served() -> None:
    everything = resource_types("all")
    assert set(DEFAULT_RESOURCES) <= set(everything)
    assert len(everything) > 110
    made = build_schema(everything).graphql
    assert made.query_type is not None
    assert made.subscription_type is None


def test_unknown_types_are_refused_by_name() -> None:
    with pytest.raises(ResourceTypeUnknown, match="Pacient"):
        resource_types(["Patient", "Pacient"])


def test_the_printed_schema_reads_back_the_same() -> None:
    schema = build_schema(("Patient", "Observation", "Subscription"))
    again = parse_sdl(schema.sdl)
    assert set(again.type_map) == set(schema.graphql.type_map)
    assert again.subscription_type is None


def test_the_schema_has_no_type_for_a_pair_of_types(schema) -> None:  # type: ignore[no-untyped-def]
    named = [
        t
        for t in schema.type_map.values()
        if isinstance(t, GraphQLObjectType) and not is_introspection_type(t)
    ]
    connections = [t for t in named if t.name.endswith(("Connection", "Edge"))]
    assert len(connections) == 2 * len(DEFAULT_RESOURCES)
    assert get_named_type(schema.type_map["Reference"].fields["resource"].type).name == "Resource"
    assert build.DEFAULT_RESOURCES[0] == "Patient"
