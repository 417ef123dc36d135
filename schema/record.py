"""`Patient.records`: the source records that were found to be one person."""

from strawberry import ID

from resolvers.resource import Resource
from schema.field import computed_field
from schema.making import definition, make_type, optional
from schema.provenance import Origin


def _active(record: Resource) -> bool | None:
    value = record.json.get("active")
    return value if isinstance(value, bool) else None


PatientRecord = make_type("PatientRecord", "One source's Patient record of a person.")

definition(PatientRecord).fields.extend(
    (
        computed_field(
            "id",
            ID,
            lambda one: f"{one.source}/Patient/{one.id}",
            description="The record's own id; accepted wherever the person's is.",
        ),
        computed_field("origin", Origin, lambda one: one, description="Where the record is from."),
        computed_field(
            "active",
            optional(bool),
            _active,
            description="Whether the source says that the record is in use; null where it does not say.",
        ),
    )
)
