"""`Patient.records`: the source records that were found to be one person."""

from strawberry import ID

from schema.field import computed_field
from schema.making import definition, make_type
from schema.provenance import Origin

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
    )
)
