"""Where a value is from, and how complete an answer is: types of ours around FHIR's."""

from typing import Any

import strawberry

from clinical.dates import instant
from resolvers.outcome import Completeness, SourceStatus
from resolvers.parts import Part, attribute
from resolvers.resource import Resource
from schema.field import ComputedField, computed_field
from schema.making import definition, make_type, optional
from schema.scalars import Instant
from schema.view import TEXT

STATUS_WORDS = {
    "OK": "Answered in full.",
    "PARTIAL": "Answered in part: a page failed, was cut, or held what could not be used.",
    "UNAVAILABLE": "Did not answer, or failed.",
    "TIMEOUT": "Did not answer in time.",
    "DENIED": "Refused.",
    "NOT_SUPPORTED": "Cannot answer this question.",
    "NOT_LINKED": "Was asked and does not know the person, or has no link to the person.",
    "STALE": "Answered from a cache that could not ask the source anew.",
}

SourceStatusEnum = strawberry.enum(SourceStatus, description="How a source did its part of an answer.")
CompletenessEnum = strawberry.enum(
    Completeness, description="COMPLETE: every source that can hold the type answered in full. Else PARTIAL."
)

Origin = make_type("Origin", "Where a resource is from.")
SourceOutcomeType = make_type("SourceOutcome", "One source's part in an answer.")


def _meta(name: str, kind: Any, description: str) -> ComputedField:
    def compute(resource: Resource) -> Any:
        meta = resource.json.get("meta")
        value = meta.get(name) if isinstance(meta, dict) else None
        return value if isinstance(value, str) else None

    return computed_field(
        name,
        optional(kind),
        compute,
        description=description,
        of_row=f"(None if (m := row.meta_) is None else m.{attribute(name)})",
        needs=(("meta", Part(parts=((name, TEXT),))),),
    )


definition(Origin).fields.extend(
    (
        computed_field(
            "name",
            str,
            lambda one: one.source,
            description="The source's configured name.",
            of_row="page.source",
        ),
        computed_field(
            "fhirId", str, lambda one: one.id, description="The id within the source.", of_row="row.id_"
        ),
        _meta("versionId", str, "The source's version."),
        _meta("lastUpdated", Instant, "When the source changed it last."),
        computed_field(
            "retrievedAt",
            Instant,
            lambda one: instant(one.retrieved_at),
            description="When it was fetched.",
            of_row="page.retrieved",
        ),
        computed_field(
            "cached",
            bool,
            lambda one: one.cached,
            description="Whether it came from a cache.",
            of_row="page.cached",
        ),
    )
)

definition(SourceOutcomeType).fields.extend(
    (
        computed_field("source", str, lambda one: one.source, description="The source's configured name."),
        computed_field(
            "status",
            SourceStatusEnum,
            lambda one: one.status,
            description=" ".join(f"{word}: {says}" for word, says in STATUS_WORDS.items()),
        ),
        computed_field(
            "message", optional(str), lambda one: one.message, description="What a person should know."
        ),
        computed_field(
            "retrievedAt",
            optional(Instant),
            lambda one: instant(one.retrieved_at),
            description="When the source's part was fetched.",
        ),
    )
)
