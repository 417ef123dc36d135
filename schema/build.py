"""The schema, built once at start from the list of resource types."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import strawberry
from graphql import GraphQLSchema
from strawberry.printer import print_schema
from strawberry.schema.config import StrawberryConfig
from strawberry.types.field import StrawberryField

from clinical.age import utc_today
from clinical.display import PREFERRED_SYSTEMS
from permissions.policy import Policy, default_policy
from permissions.rules import Rules
from resolvers.resource import Node
from schema.connection import connection_type
from schema.coordinates import Fields
from schema.cost import SourceCounts
from schema.directives import annotate
from schema.display import Displays
from schema.fhir import FHIRTypes
from schema.fhir_model import ResourceTypeUnknown, all_resource_types
from schema.making import definition, make_type
from schema.own import OwnFields, resource_fields
from schema.query import make_query
from schema.scalars import SCALARS
from schema.series import series_fields
from schema.summary import summary_field

DEFAULT_RESOURCES = (
    "Patient",
    "Practitioner",
    "PractitionerRole",
    "Organization",
    "Location",
    "RelatedPerson",
    "Encounter",
    "EpisodeOfCare",
    "Condition",
    "AllergyIntolerance",
    "Observation",
    "DiagnosticReport",
    "Specimen",
    "Medication",
    "MedicationRequest",
    "MedicationStatement",
    "MedicationAdministration",
    "MedicationDispense",
    "Immunization",
    "Procedure",
    "CarePlan",
    "CareTeam",
    "Goal",
    "ServiceRequest",
    "Appointment",
    "DocumentReference",
    "Composition",
    "Device",
    "DeviceMetric",
    "Questionnaire",
    "QuestionnaireResponse",
    "Coverage",
    "Invoice",
    "Consent",
    "Communication",
    "Task",
    "Provenance",
    "FamilyMemberHistory",
    "Flag",
    "List",
)


def resource_types(setting: Literal["default", "all"] | Sequence[str]) -> tuple[str, ...]:
    """The resource types that a setting names. Raises ResourceTypeUnknown."""
    if setting == "default":
        return DEFAULT_RESOURCES
    if setting == "all":
        return all_resource_types()
    unknown = [one for one in setting if one not in all_resource_types()]
    if isinstance(setting, str) or unknown:
        raise ResourceTypeUnknown(f"not a resource type of FHIR R4: {', '.join(unknown) or setting}")
    return tuple(dict.fromkeys(setting))


@dataclass(frozen=True, slots=True)
class BuiltSchema:
    """The schema, and the rules of its fields."""

    strawberry: strawberry.Schema
    rules: Rules

    @property
    def graphql(self) -> GraphQLSchema:
        """The same as graphql-core knows it."""
        return self.strawberry._schema

    @property
    def sdl(self) -> str:
        """The schema as SDL, with directive definitions.

        FHIR's own Subscription type must not be taken for the root of that name, so the roots are said.
        """
        return "schema {\n  query: Query\n}\n\n" + print_schema(self.strawberry) + "\n"


def build_schema(
    resources: tuple[str, ...],
    policy: Policy | None = None,
    sources: SourceCounts | None = None,
    *,
    preferred: tuple[str, ...] = PREFERRED_SYSTEMS,
    today: Callable[[], date] = utc_today,
) -> BuiltSchema:
    """The schema of these resource types under a policy (the gateway's own where none is given), with the
    costs of so many sources (one where nothing is said).

    `preferred`: the code systems whose words a concept is shown in; `today`: up to when ages count.
    Raises where two names would meet, and PolicyInvalid.
    """
    interface = make_type("Resource", "Any FHIR resource.", is_interface=True, resolve_type=_resolve_type)
    connections: dict[str, type] = {}
    sources = sources or SourceCounts()

    def connection(name: str) -> type:
        if name not in connections:
            connections[name] = connection_type(types.resource(name), sources.holding(name))
        return connections[name]

    displays = Displays(preferred, today)

    def views(name: str) -> Iterator[StrawberryField]:
        yield from displays.fields(name)
        if name == "Patient":
            yield summary_field(resources, sources, preferred)
        if name == "Patient" and "Observation" in resources:
            yield from series_fields(types.resource("Observation"), sources.holding("Observation"))

    own = OwnFields(resources, interface, connection, sources, views)
    types = FHIRTypes(resources, interface, own, displays.chosen)
    made = {name: types.resource(name) for name in resources}
    types.finish()
    definition(interface).fields.extend([*resource_fields(), *types.common_fields()])
    query = make_query(made, {name: connection(name) for name in resources}, interface, sources)
    fields = Fields(query, made.values(), resources)
    rules = Rules(
        policy or default_policy(), fields.coordinates(), fields.searches(), is_general=policy is None
    )
    annotate(fields.types, rules, frozenset(resources))
    config = StrawberryConfig(scalar_map=SCALARS, auto_camel_case=False)
    return BuiltSchema(strawberry.Schema(query=query, types=list(made.values()), config=config), rules)


def _resolve_type(value: Node, info: Any, abstract: Any) -> str:
    return value.resource.type
