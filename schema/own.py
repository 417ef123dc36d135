"""Our fields on FHIR's types: global ids, origins, references followed, reverse connections."""

from collections.abc import Callable, Iterable

from strawberry import ID
from strawberry.types.field import StrawberryField

from clinical.codec import DecimalInvalid, digits
from clinical.compartment import patient_parameter
from permissions.coordinates import Reads
from resolvers.ids import global_id
from resolvers.lists import reverse_list
from resolvers.names import plural
from resolvers.patients import (
    element_sources,
    identity_conflicts,
    outcomes_of,
    patient_completeness,
    records,
)
from resolvers.reference import follow
from resolvers.resource import Json
from schema.attachment import attachment_url
from schema.cost import SourceCounts, of_connection, of_found
from schema.field import computed_field, fetch_field
from schema.identity import ElementSourceType, IdentityConflictType
from schema.making import list_of, optional
from schema.provenance import CompletenessEnum, Origin, SourceOutcomeType
from schema.record import PatientRecord
from schema.search import list_arguments
from schema.view import DECIMAL, view_field

_WITH_VALUE_TEXT = frozenset({"Quantity", "Money", "Age", "Count", "Distance", "Duration"})


def resource_fields() -> list[StrawberryField]:
    """The fields of ours that every resource has."""
    return [
        computed_field(
            "id",
            ID,
            lambda node: node.resource.person_id or global_id(node.resource),
            description="The global id. Opaque: do not take it apart.",
            of_row="page.prefix + row.id_",
            of_holder="person_id",
        ),
        computed_field(
            "resourceType",
            str,
            lambda node: node.resource.type,
            description="The FHIR type.",
            of_row="page.type",
        ),
        computed_field(
            "origin",
            Origin,
            lambda node: node.resource,
            description="Where the resource is from.",
            of_row="True",
        ),
    ]


class OwnFields:
    """Our fields for each FHIR type. `connection` gives a served type's connection, `displays` the fields
    that show elements otherwise; `sources`: for how many of them costs are told."""

    def __init__(
        self,
        resources: tuple[str, ...],
        interface: type,
        connection: Callable[[str], type],
        sources: SourceCounts,
        displays: Callable[[str], Iterable[StrawberryField]],
    ) -> None:
        self._resources = resources
        self._interface = interface
        self._connection = connection
        self._sources = sources
        self._displays = displays

    def __call__(self, type_name: str) -> Iterable[StrawberryField]:
        """The fields of one type."""
        if type_name in self._resources:
            yield from resource_fields()
        if type_name == "Patient":
            yield from self._patient_fields()
        if type_name == "Reference":
            yield self._followed()
        if type_name == "Attachment":
            yield attachment_url()
        if type_name in _WITH_VALUE_TEXT:
            yield _value_text()
        yield from self._displays(type_name)

    def _patient_fields(self) -> Iterable[StrawberryField]:
        yield fetch_field(
            "records", list_of(PatientRecord), records, description="The source records of this person."
        )
        yield fetch_field(
            "sources",
            list_of(SourceOutcomeType),
            outcomes_of,
            description="How the lookup of this person went in every source that holds patients.",
        )
        yield fetch_field(
            "completeness",
            CompletenessEnum,
            patient_completeness,
            description="Whether every source was asked for this person and answered.",
        )
        yield fetch_field(
            "identityConflicts",
            optional(list_of(IdentityConflictType)),
            identity_conflicts,
            description="Records that state an identifier of this person and are not linked, and why.",
            reads=Reads("r", "Patient"),
        )
        yield fetch_field(
            "elementSources",
            list_of(ElementSourceType),
            element_sources,
            description=(
                "From which record each element is that one record may lend another, as the deployment "
                "declares it; empty where it declares none."
            ),
            reads=Reads("rs", "Patient"),
            reads_whole=True,
        )
        for one in self._resources:
            parameter = patient_parameter(one)
            if parameter is not None and one != "Patient":
                yield self._reverse(one, parameter)

    def _reverse(self, resource_type: str, parameter: str) -> StrawberryField:
        return fetch_field(
            plural(resource_type),
            optional(self._connection(resource_type)),
            reverse_list(resource_type),
            description=f"Every {resource_type} about this person, from every source that knows the person.",
            arguments=list_arguments(resource_type, but=parameter),
            reads=Reads("s", resource_type),
            costs=of_connection(self._sources.holding(resource_type)),
        )

    def _followed(self) -> StrawberryField:
        return fetch_field(
            "resource",
            optional(self._interface),
            follow,
            description="The resource that is referred to, where a configured source has it.",
            costs=of_found(),
        )


def _value_text() -> StrawberryField:
    return view_field(
        "valueText",
        optional(str),
        lambda element, _: _digits(element),
        needs=(("value", DECIMAL),),
        description="The value's digits as recorded: `5.10`, of which JavaScript's `JSON.parse` makes `5.1`.",
    )


def _digits(element: Json) -> str | None:
    try:
        return digits(element.get("value"))
    except DecimalInvalid:
        return None
