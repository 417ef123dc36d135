"""`Patient.summary`: what a phone shows first, as small flat objects (docs/summary.md)."""

from collections.abc import Iterable
from typing import Any, Final

import strawberry
from strawberry import ID
from strawberry.types.field import StrawberryField

from clinical.display import PREFERRED_SYSTEMS
from permissions.coordinates import Reads
from resolvers.summary.observed import Trend
from resolvers.summary.rows import Preferred
from resolvers.summary.section import SECTIONS, Section, State
from resolvers.summary.summary import FIRST_MAX, rows_of, states, summary
from schema.cost import SourceCounts, of_rows, of_states
from schema.field import argument, computed_field, fetch_field
from schema.making import definition, list_of, make_type, optional
from schema.provenance import CompletenessEnum, SourceOutcomeType
from schema.scalars import FHIRDateTime

StateEnum = strawberry.enum(
    State,
    name="SectionState",
    description=(
        "PRESENT: there are rows. NONE_ASSERTED: a source says that there is none (no known allergies). "
        "NONE_RECORDED: every source answered in full, and none has any. UNKNOWN: there may be some."
    ),
)
TrendEnum = strawberry.enum(
    Trend, description="A measurement against the one before of the same code and unit."
)

_TEXT: Final = ("text", str, "What it is, in the source's words.")
_STATUS: Final = ("status", str, "Its status, as FHIR's code.")
_SINCE: Final = ("since", FHIRDateTime, "When it began, as recorded.")
_DATE: Final = ("date", FHIRDateTime, "When it was, as recorded.")
_NAME: Final = ("name", str, "What was measured.")
_VALUE: Final = ("value", str, "The value with its digits as recorded; 120/80 where it has parts.")
_UNIT: Final = ("unit", str, "The value's unit, as recorded.")

_ROWS: Final[dict[str, tuple[str, str, tuple[tuple[str, Any, str], ...]]]] = {
    "problems": ("Problem", "Problems that are not over, the newest first.", (_TEXT, _SINCE, _STATUS)),
    "medications": (
        "Medication",
        "What is taken, or is to be. What is not to be given is no row.",
        (_TEXT, ("dose", str, "How it is taken, in words."), _SINCE, _STATUS),
    ),
    "allergies": (
        "Allergy",
        "Allergies and intolerances that are not refuted.",
        (_TEXT, ("criticality", str, "How dangerous it may be, as FHIR's code.")),
    ),
    "immunizations": ("Immunization", "What was given, the newest first.", (_TEXT, _DATE)),
    "results": (
        "Result",
        "Laboratory results, the newest first.",
        (_NAME, _VALUE, _UNIT, _DATE, ("flag", str, "How it was judged: H, L, N, ...")),
    ),
    "latestVitals": (
        "Vital",
        "The latest of each vital sign.",
        (
            _NAME,
            _VALUE,
            _UNIT,
            ("at", FHIRDateTime, "When it was measured."),
            ("trend", TrendEnum, "Its trend."),
        ),
    ),
    "procedures": ("Procedure", "What was done, the newest first.", (_TEXT, _DATE)),
    "appointments": (
        "Appointment",
        "What is to come, the soonest first.",
        (_TEXT, ("start", FHIRDateTime, "When it begins."), _STATUS),
    ),
    "carePlans": ("CarePlan", "Plans that are followed.", (_TEXT, _STATUS)),
}


def summary_field(
    resources: tuple[str, ...], sources: SourceCounts, preferred: Preferred = PREFERRED_SYSTEMS
) -> StrawberryField:
    """The field on Patient, with the sections that the served types make. `sources`: for how many of them
    costs are told; `preferred`: the code systems whose words are taken first."""
    made = make_type("PatientSummary", "A patient at a glance, from every linked source.")
    definition(made).fields.extend(_sections(frozenset(resources), sources, preferred))
    return fetch_field(
        "summary",
        optional(made),
        summary,
        description="The patient at a glance: small flat objects. `sections` says what an empty list means.",
    )


def _sections(
    served: frozenset[str], sources: SourceCounts, preferred: Preferred
) -> Iterable[StrawberryField]:
    searches: list[int] = []
    for one in SECTIONS.values():
        types = [name for name in one.types if name in served]
        if types:
            looked_up = [name for name in one.looked_up if name in served]
            searches.append(sum(map(sources.holding, (*types, *looked_up))))
            yield _section(one, types[0], searches[-1], preferred)
    yield fetch_field(
        "sections",
        list_of(_state_type()),
        states(preferred),
        description="Every section that the scopes permit, with or without rows.",
        whole_types=frozenset(name for one in SECTIONS.values() for name in one.types),
        costs=of_states(sum(searches), len(searches)),
    )


def _section(section: Section, type_: str, searches: int, preferred: Preferred) -> StrawberryField:
    name, says, fields = _ROWS[section.name]
    row = make_type(f"Summary{name}", says)
    definition(row).fields.extend(_row_fields(fields))
    first = argument("first", optional(int), f"How many rows: {section.first}, at most {FIRST_MAX}.")
    return fetch_field(
        section.name,
        optional(list_of(row)),
        rows_of(section.name, preferred),
        description=says,
        arguments=(first,),
        reads=Reads("s", type_),
        whole_types=frozenset(section.types),
        costs=of_rows(searches, section.first),
    )


def _row_fields(fields: Iterable[tuple[str, Any, str]]) -> Iterable[StrawberryField]:
    for name, kind, says in fields:
        yield computed_field(name, optional(kind), _of(name), description=says)
    yield computed_field("source", str, _of("source"), description="The source that recorded it.")
    yield computed_field("id", ID, _of("id"), description="The id of the whole resource.")


def _of(name: str) -> Any:
    return lambda row: row[name]


def _state_type() -> type:
    made = make_type("SummarySection", "What a section says, with rows or without.")
    definition(made).fields.extend(
        (
            computed_field("name", str, lambda one: one.section.name, description="The section's field."),
            computed_field("state", StateEnum, lambda one: one.state, description="What its rows mean."),
            computed_field("count", int, lambda one: len(one.rows), description="How many rows it has."),
            computed_field(
                "hasMore",
                bool,
                lambda one: one.has_more,
                description="Whether a source has more resources than were looked at, the newest.",
            ),
            computed_field(
                "omitted",
                int,
                lambda one: one.omitted,
                description="Resources with a modifier that is not known here: they may mean the opposite.",
            ),
            computed_field(
                "completeness",
                CompletenessEnum,
                lambda one: one.completeness,
                description="Whether every source answered in full.",
            ),
            computed_field(
                "sources",
                list_of(SourceOutcomeType),
                lambda one: one.outcomes,
                description="How each source did its part.",
            ),
        )
    )
    return made
