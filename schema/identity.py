"""What identity says beside a Patient: records in doubt, where elements are from, and how lookups ended."""

import strawberry
from strawberry import ID

from resolvers.cohort import LookupStatus
from resolvers.conflict import MESSAGES, ConflictReason
from schema.field import computed_field
from schema.making import definition, make_type, optional

ConflictReasonEnum = strawberry.enum(
    ConflictReason,
    name="IdentityConflictReason",
    description=" ".join(f"{one.value}: {says}." for one, says in MESSAGES.items()),
)

IdentityConflictType = make_type(
    "IdentityConflict", "A record that states an identifier of a person and is not linked to the person."
)
ElementSourceType = make_type("ElementSource", "From which record an element of a Patient is.")

definition(IdentityConflictType).fields.extend(
    (
        computed_field("source", str, lambda one: one.source, description="The source's configured name."),
        computed_field("reason", ConflictReasonEnum, lambda one: one.reason, description="Why not."),
        computed_field("record", ID, lambda one: one.record_id, description="The id of the record."),
    )
)

definition(ElementSourceType).fields.extend(
    (
        computed_field("element", str, lambda one: one.element, description="The element's FHIR name."),
        computed_field("source", str, lambda one: one.source, description="The source's configured name."),
        computed_field("record", ID, lambda one: one.record_id, description="The id of the record."),
    )
)

_STATUSES = {
    LookupStatus.FOUND: "One person.",
    LookupStatus.NOT_FOUND: "Nobody whom the caller may see; every source answered.",
    LookupStatus.CONFLICT: "Records with the identifier are in doubt; `patient`: whom it leads to by rule.",
    LookupStatus.WITHHELD: "Somebody whom a security label withholds; for callers who see everybody.",
    LookupStatus.SOURCE_UNAVAILABLE: "Nobody was found, and a source that may know did not answer.",
    LookupStatus.INVALID: "Not an NHS number (check digit), nor `system|value`; no source was asked.",
}
LookupStatusEnum = strawberry.enum(
    LookupStatus,
    name="PatientLookupStatus",
    description=" ".join(f"{one.value}: {says}" for one, says in _STATUSES.items()),
)


def lookup_type(patient: type) -> type:
    """The type of one identifier's outcome."""
    made = make_type("PatientLookup", "How the lookup of one identifier ended.")
    definition(made).fields.extend(
        (
            computed_field(
                "identifier", str, lambda one: one.identifier, description="The identifier as it was given."
            ),
            computed_field("status", LookupStatusEnum, lambda one: one.status, description="How it ended."),
            computed_field(
                "patient", optional(patient), lambda one: one.node, description="Whom it leads to."
            ),
            computed_field(
                "source", optional(str), lambda one: one.source, description="The source that did not answer."
            ),
        )
    )
    return made
