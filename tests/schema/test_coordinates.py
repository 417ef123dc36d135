"""What rules are told of the schema: every field, and the fields of whose values a search tells."""

from collections.abc import Iterable
from typing import Any

import pytest
from graphql import GraphQLObjectType, is_introspection_type

from clinical.parameters import parameters
from permissions.coordinates import Coordinate
from permissions.policy import Policy, policy_of
from permissions.rules import PolicyInvalid
from resolvers.field import FieldCall
from schema import build
from schema.build import DEFAULT_RESOURCES, BuiltSchema, build_schema
from schema.coordinates import Fields
from schema.fhir_model import all_resource_types
from schema.field import fetch_field
from schema.query import make_query


class Seen:
    """The fields of the last schema that was built."""

    fields: Fields
    coordinates: dict[str, Coordinate]
    searches: dict[tuple[str, str], frozenset[str]]


def seen(resources: tuple[str, ...]) -> tuple[BuiltSchema, Seen]:
    found = Seen()

    class Watched(Fields):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            found.fields = self

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(build, "Fields", Watched)
        built = build_schema(resources)
    found.coordinates = {str(one): one for one in found.fields.coordinates()}
    found.searches = found.fields.searches()
    return built, found


@pytest.fixture(scope="module")
def default() -> tuple[BuiltSchema, Seen]:
    return seen(DEFAULT_RESOURCES)


def test_every_field_of_every_object_type_has_a_coordinate(default: tuple[BuiltSchema, Seen]) -> None:
    built, found = default
    kinds = (
        kind
        for kind in built.graphql.type_map.values()
        if isinstance(kind, GraphQLObjectType) and not is_introspection_type(kind)
    )
    assert {f"{kind.name}.{name}" for kind in kinds for name in kind.fields} == set(found.coordinates)


def test_coordinates_say_what_a_field_is(default: tuple[BuiltSchema, Seen]) -> None:
    known = default[1].coordinates
    telecom, name, query = known["Patient.telecom"], known["HumanName.family"], known["Query.observations"]
    assert (telecom.resource, telecom.is_element, telecom.is_fetched, telecom.may_be_null) == (
        ("Patient", True, False, True)
    )
    assert (name.resource, name.is_element) == (None, True)
    assert query.is_fetched
    assert query.reads is not None
    assert (query.reads.actions, query.reads.type) == ("s", "Observation")
    assert not known["Patient.id"].may_be_null
    assert not known["Patient.id"].is_element
    assert known["Patient.records"].reads is None
    assert known["Reference.resource"].is_fetched
    assert not known["Query.rateLimit"].is_fetched, "no source is asked: no rule needs to cover it"


def test_a_field_by_id_reads_and_a_list_searches(default: tuple[BuiltSchema, Seen]) -> None:
    reads = {name: one.reads.actions for name, one in default[1].coordinates.items() if one.reads is not None}
    assert reads["Query.observation"] == reads["Query.me"] == "r"
    assert reads["Query.patient"] == "rs"
    assert reads["Query.patients"] == reads["Patient.observations"] == "s"
    ours = {"identityConflicts", "elementSources"}
    connections = [
        str(one)
        for one in default[1].coordinates.values()
        if one.field.endswith("s") and one.reads is not None and one.field not in ours
    ]
    assert all(reads[one] == "s" for one in connections)


# ------------------------------------------------------------- what a search tells of


@pytest.mark.parametrize(
    ("type_", "code", "reads", "leaves"),
    [
        ("Patient", "address-city", ["Patient.address", "Address.city"], ["Address.line", "Patient.telecom"]),
        ("Patient", "address", ["Patient.address", "Address.line", "Address.city"], ["Patient.name"]),
        ("Patient", "telecom", ["Patient.telecom", "ContactPoint.value"], ["Patient.address"]),
        ("Patient", "phone", ["Patient.telecom", "ContactPoint.value"], ["Patient.contact"]),
        ("Patient", "email", ["Patient.telecom", "ContactPoint.system"], ["Patient.contact"]),
        ("Patient", "birthdate", ["Patient.birthDate"], ["Patient.deceasedDateTime"]),
        ("Patient", "deceased", ["Patient.deceasedBoolean", "Patient.deceasedDateTime"], []),
        ("Patient", "death-date", ["Patient.deceasedDateTime"], ["Patient.deceasedBoolean"]),
        ("Patient", "identifier", ["Patient.identifier", "Identifier.value"], ["Patient.name"]),
        ("Patient", "family", ["Patient.name", "HumanName.family"], ["HumanName.given"]),
        ("Patient", "_lastUpdated", ["Patient.meta", "Meta.lastUpdated"], ["Meta.security"]),
        ("Patient", "_security", ["Patient.meta", "Meta.security", "Coding.code"], ["Meta.tag"]),
        (
            "Observation",
            "value-quantity",
            ["Observation.valueQuantity", "Quantity.value"],
            VALUES := ["Observation.valueString"],
        ),
        ("Observation", "combo-value-quantity", ["ObservationComponent.valueQuantity"], VALUES),
        ("Observation", "value-concept", ["Observation.valueCodeableConcept"], VALUES),
        ("Observation", "value-string", ["Observation.valueString", "CodeableConcept.text"], ["Coding.code"]),
        ("Observation", "date", ["Observation.effectiveDateTime", "Period.start"], ["Observation.issued"]),
        ("Observation", "subject", ["Observation.subject", "Reference.reference"], ["Observation.performer"]),
        ("Observation", "patient", ["Observation.subject"], ["Observation.performer"]),
        (
            "Observation",
            "combo-code",
            ["Observation.code", "ObservationComponent.code"],
            ["Observation.method"],
        ),
        ("Encounter", "status", ["Encounter.status"], ["Encounter.statusHistory"]),
        ("Encounter", "class", ["Encounter.class"], ["Encounter.classHistory"]),
        (
            "MedicationRequest",
            "code",
            ["MedicationRequest.medicationCodeableConcept"],
            ["MedicationRequest.medicationReference"],
        ),
        (
            "Appointment",
            "location",
            ["Appointment.participant", "AppointmentParticipant.actor"],
            ["Appointment.start"],
        ),
    ],
)
def test_a_search_tells_of_what_its_expression_reads(
    default: tuple[BuiltSchema, Seen], type_: str, code: str, reads: list[str], leaves: list[str]
) -> None:
    known, found = default[1].coordinates, default[1].searches[type_, code]
    assert {*reads, *leaves} <= set(known)
    assert [one for one in reads if one not in found] == []
    assert [one for one in leaves if one in found] == []


def test_every_search_of_every_type_tells_of_something() -> None:
    resources = all_resource_types()
    _, found = seen(resources)
    silent = {
        (type_, code) for type_ in resources for code in parameters(type_) if not found.searches[type_, code]
    }
    gone = {"DeviceDefinition", "Evidence", "EvidenceVariable"}  # whose elements R4B has changed
    assert {type_ for type_, _ in silent} == gone
    assert len(silent) == 8
    assert all(one in found.coordinates for names in found.searches.values() for one in names)


def test_a_rule_on_what_lies_below_is_told_by_a_search(default: tuple[BuiltSchema, Seen]) -> None:
    row = {"coordinates": ["ContactPoint.value"], "reason": "a test", "scopes": [["contact"]]}
    under = policy_of({"rules": [row, *_default_rows()]})
    rules = build_schema(DEFAULT_RESOURCES, under).rules
    assert "ContactPoint.value" in rules.told_by("Patient", ["phone"])
    assert "ContactPoint.value" in rules.told_by("RelatedPerson", ["email"])
    assert "ContactPoint.value" not in rules.told_by("Patient", ["birthdate"])


def _default_rows() -> Iterable[dict[str, Any]]:
    return (one.model_dump() for one in build.default_policy().rules)


# ------------------------------------------------------------- nothing is left open


async def _nothing(call: FieldCall) -> None:
    """Fetches nothing."""


def test_a_field_of_ours_without_a_rule_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def with_one_more(*given: Any) -> type:
        query = make_query(*given)
        field = fetch_field("everything", str | None, _nothing, description="All there is.")
        build.definition(query).fields.append(field)
        return query

    monkeypatch.setattr(build, "make_query", with_one_more)
    with pytest.raises(PolicyInvalid, match=r"^no rule covers `Query\.everything`"):
        build_schema(("Patient", "Observation"))


def test_an_empty_policy_leaves_fields_open_and_stops_the_start() -> None:
    with pytest.raises(PolicyInvalid, match=r"no rule covers `Query\.node`"):
        build_schema(("Patient",), Policy())
