"""The sections of a summary: which resources each is made of, and what it says where it has no row."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import cache
from typing import Any, Final

import msgspec

from clinical.display import PREFERRED_SYSTEMS
from clinical.tables import read_rows
from resolvers.ids import global_id
from resolvers.outcome import Completeness, SourceOutcome, completeness
from resolvers.resource import Resource
from resolvers.summary import observed, rows
from resolvers.summary.readings import codes, moment
from resolvers.summary.rows import MakeRow, Preferred, Row

PAGE: Final = 100
"""Resources that are read of each source and type, the newest: one request has room for them."""
_SLACK: Final = timedelta(days=1)
_TOLD: Final = frozenset(
    ("text", "name", "value", "unit", "flag", "criticality", "dose", "status", "since", "date", "at", "start")
)
_CONCEPTS: Final = ("code", "vaccineCode", "medicationCodeableConcept")


class State(Enum):
    """What a section with or without rows means."""

    PRESENT = "PRESENT"
    NONE_ASSERTED = "NONE_ASSERTED"
    NONE_RECORDED = "NONE_RECORDED"
    UNKNOWN = "UNKNOWN"


class Section(msgspec.Struct, frozen=True):
    """One section. `types`: what it is made of; `first`: how many rows it gives where nobody says, so few
    that a summary fits in 4 kB; `arguments`: of the list that is asked for; `tells`: the fields of the schema
    that a row tells of, for the rules on them."""

    name: str
    types: tuple[str, ...]
    row: MakeRow
    first: int
    tells: tuple[str, ...]
    arguments: Callable[[], Mapping[str, Any]] = dict
    chosen: Callable[[Sequence[Row]], list[Row]] = list
    is_soonest_first: bool = False
    looked_up: tuple[str, ...] = ()
    """Types of what rows refer to for their words."""
    alike: frozenset[str] = _TOLD
    """The fields in which rows are equal that stand once."""


class Found(msgspec.Struct):
    """A section of one person: all its rows in order, and how much they say."""

    section: Section
    rows: list[Row]
    outcomes: list[SourceOutcome]
    has_more: bool
    """Whether a source has more resources than were read."""
    searched: int
    """How many searches of sources it took."""
    omitted: int
    """Resources with a modifier that nobody here knows: what they say may be the opposite."""
    is_none_asserted: bool = False

    @property
    def completeness(self) -> Completeness:
        """Whether every source answered in full."""
        return completeness(self.outcomes)

    @property
    def state(self) -> State:
        """PRESENT with rows. Without: what a source said, or what the silence of all of them means."""
        if self.rows:
            return State.PRESENT
        if self.is_none_asserted:
            return State.NONE_ASSERTED
        is_all = self.completeness is Completeness.COMPLETE and not self.has_more and not self.omitted
        return State.NONE_RECORDED if is_all else State.UNKNOWN


class Read(msgspec.Struct):
    """What a person's resources say of a section: `rows` in the order of the resources."""

    rows: list[Row]
    omitted: int = 0
    is_none_asserted: bool = False


def read(section: Section, resources: Iterable[Resource], preferred: Preferred = PREFERRED_SYSTEMS) -> Read:
    """The rows that resources make; each has `_of`, its resource."""
    made = Read([])
    for one in resources:
        said = _assertion(section, one)
        if said is not None:
            made.is_none_asserted = made.is_none_asserted or said == "none"
        elif one.json.get("modifierExtension"):
            made.omitted += 1
        elif (row := section.row(one.json, preferred)) is not None:
            made.rows.append({**row, "source": one.source, "id": global_id(one), "_of": one})
    return made


def arranged(section: Section, rows: Iterable[Row]) -> list[Row]:
    """The rows in their order. Those that say the same stand once, as the source says it that takes
    precedence; a row that has no name says what no other does."""
    first: dict[Any, Row] = {}
    for row in sorted(rows, key=lambda one: moment(one["_at"]), reverse=not section.is_soonest_first):
        name = row.get("text") or row.get("name")
        told = tuple(value for key, value in row.items() if key in section.alike)
        first.setdefault(told if name else id(row), row)
    return section.chosen(list(first.values()))


def _assertion(section: Section, resource: Resource) -> str | None:
    """What a resource says that stands for there being none: `none`, or `nothing` is known."""
    known = _asserted()
    for element in _CONCEPTS:
        for system, code in codes(resource.json.get(element)):
            if (said := known.get((section.name, system, code))) is not None:
                return said
    return None


@cache
def _asserted() -> Mapping[tuple[str, str, str], str]:
    rows = read_rows("none-asserted.tsv")
    return {(one["section"], one["system"], one["code"]): one["says"] for one in rows}


def _observations() -> Mapping[str, Any]:
    return {"category": ["laboratory", "vital-signs"]}


def _from_today() -> Mapping[str, Any]:
    """A day earlier, so that it is before today wherever a source is."""
    return {"date": {"ge": (datetime.now(UTC) - _SLACK).date().isoformat()}}


_WORDS: Final = ("CodeableConcept.text", "CodeableConcept.coding", "Coding.display", "Coding.code")
_VALUE: Final = ("Observation.valueQuantity", "Observation.component", "Quantity.value", "Quantity.unit")


def _of(type_: str, *elements: str) -> tuple[str, ...]:
    return tuple(f"{type_}.{one}" for one in elements)


SECTIONS: Final = {
    one.name: one
    for one in (
        Section(
            "problems",
            ("Condition",),
            rows.problem,
            10,
            (*_of("Condition", "code", "onsetDateTime", "clinicalStatus", "verificationStatus"), *_WORDS),
        ),
        Section(
            "medications",
            ("MedicationRequest", "MedicationStatement"),
            rows.medication,
            10,
            (
                *_of("MedicationRequest", "medicationCodeableConcept", "authoredOn", "dosageInstruction"),
                *_of("MedicationStatement", "medicationCodeableConcept", "dosage"),
                *_of("Dosage", "text", "patientInstruction"),
                *_WORDS,
            ),
            looked_up=("Medication",),
            # Prescribed again, or also known to another source: one medicine, since the latest order.
            alike=frozenset(("text", "dose", "status")),
        ),
        Section(
            "allergies",
            ("AllergyIntolerance",),
            rows.allergy,
            10,
            (*_of("AllergyIntolerance", "code", "criticality", "clinicalStatus"), *_WORDS),
        ),
        Section(
            "immunizations",
            ("Immunization",),
            rows.immunization,
            2,
            (*_of("Immunization", "vaccineCode", "occurrenceDateTime", "status"), *_WORDS),
        ),
        Section(
            "results",
            ("Observation",),
            observed.result,
            3,
            (*_of("Observation", "code", "effectiveDateTime", "interpretation"), *_VALUE, *_WORDS),
            _observations,
        ),
        Section(
            "latestVitals",
            ("Observation",),
            observed.vital,
            4,
            (*_of("Observation", "code", "effectiveDateTime"), *_VALUE, *_WORDS),
            _observations,
            observed.latest,
        ),
        Section(
            "procedures",
            ("Procedure",),
            rows.procedure,
            1,
            (*_of("Procedure", "code", "performedDateTime", "status"), *_WORDS),
        ),
        Section(
            "appointments",
            ("Appointment",),
            rows.appointment,
            1,
            (*_of("Appointment", "start", "status", "description", "serviceType"), *_WORDS),
            _from_today,
            is_soonest_first=True,
        ),
        Section(
            "carePlans",
            ("CarePlan",),
            rows.care_plan,
            1,
            (*_of("CarePlan", "title", "description", "category", "status"), *_WORDS),
        ),
    )
}
"""All sections, in the order in which they are told."""
