"""Observation resources: measurements as the hospital and as a practice write them down.

The traps: several codings in either order, a local laboratory code, US units in some hospital results, the
old and the new code of a blood pressure, two categories or none, partial and missing dates, subjects referred
to by absolute address or by version, performers that do not exist, entered-in-error.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sandbox.population.concept import (
    LOCAL_LABORATORY,
    LOINC,
    READ,
    SNOMED,
    UCUM,
    coding,
    concept,
    hl7,
    identifier,
    quantity,
    snomed,
)
from sandbox.population.course import Panel, exact
from sandbox.population.directory import Directory
from sandbox.population.measurement import Measurement
from sandbox.population.model import EHR_BASE
from sandbox.population.record import Record, Reference
from sandbox.population.tables import Row, keyed

RESULT_SYSTEM = "https://laboratory.sandbox.invalid/Id/result"
PRESSURE_CODES = (
    ("85354-9", "Blood pressure panel with all children optional"),
    ("55284-4", "Blood pressure"),
)
CATEGORIES = {
    "vital-signs": "Vital Signs",
    "laboratory": "Laboratory",
    "social-history": "Social History",
    "survey": "Survey",
    "exam": "Exam",
}
MISSING_PRACTITIONER: Reference = {"reference": "Practitioner/99999999", "display": "Dr A Locum"}
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Setting:
    """Around an observation: the encounter, who performed it, and the instruments of the source."""

    encounter: Reference | None
    performer: Reference
    directory: Directory


def write_observation(
    record: Record, measured: Measurement, setting: Setting, panel: Panel | None = None
) -> Reference:
    """Writes one Observation and returns the reference to it."""
    draw = record.draw
    row = keyed("measures")["systolic" if measured.key == "pressure" else measured.key]
    category = row["category"]
    is_us = record.source == "ehr" and category == "laboratory" and bool(row["us_unit"]) and draw.chance(0.2)
    is_us = is_us and "first" not in record.person.traits
    content: Json = {
        "identifier": identifier(RESULT_SYSTEM, f"{panel.token}.{measured.key}") if panel else None,
        "status": _status(record, panel),
        "category": _categories(record, category),
        "code": _code(record, measured, row, is_us),
        "subject": _subject(record),
        "encounter": setting.encounter,
        **_effective(record, measured.when, is_shared=panel is not None and len(panel.holders) > 1),
        "performer": [_performer(record, setting)],
        **_value(measured, row, is_us),
        "bodySite": snomed("368209003", "Right upper arm structure") if measured.key == "pressure" else None,
        "note": [{"text": "Repeat in two weeks & review."}] if draw.chance(0.03) else None,
        "device": _device(record, measured, setting.directory),
    }
    if category == "laboratory":
        content["issued"] = record.moment(measured.when)
    return record.add("Observation", measured.when, content)


def _status(record: Record, panel: Panel | None) -> str:
    if record.draw.chance(0.02):
        return "entered-in-error"
    amended = 0.03 if panel else 0.0
    return record.draw.pick_weighted(("final", "amended", "preliminary"), (1 - amended - 0.01, amended, 0.01))


def _categories(record: Record, category: str) -> list[Json] | None:
    written = [hl7("observation-category", category, CATEGORIES[category])]
    if record.source == "ehr" and record.draw.chance(0.03):
        return None
    if category == "vital-signs" and record.draw.chance(0.06):
        written.append(hl7("observation-category", "exam", CATEGORIES["exam"]))
    return written


def _code(record: Record, measured: Measurement, row: Row, is_us: bool) -> Json:
    """The hospital puts LOINC first, a practice what its system was born with: Read, then SNOMED CT."""
    if measured.key == "pressure":
        return _pressure_code(record)
    loinc = coding(LOINC, row["us_loinc"] or row["loinc"], row["us_display"]) if is_us else None
    loinc = loinc or coding(LOINC, row["loinc"], row["display"])
    clinical = coding(SNOMED, row["snomed"], row["snomed_display"])
    if record.source == "ehr":
        own = coding(
            LOCAL_LABORATORY, row["key"].upper() if row["category"] == "laboratory" else "", row["display"]
        )
        order = [own, loinc] if record.draw.chance(0.15) else [loinc, own]
        return concept(*order, *([clinical] if record.draw.chance(0.3) or not row["loinc"] else []))
    read = coding(READ, row["read"], row["snomed_display"] or row["display"])
    codings = [read, clinical] if record.draw.chance(0.7) else [clinical, read]
    if record.draw.chance(0.35) or not row["snomed"]:
        codings.append(loinc)
    return concept(*codings, text=row["snomed_display"] or row["display"])


def _pressure_code(record: Record) -> Json:
    if record.source == "gp":
        read, clinical = (
            coding(READ, "246..", "O/E - blood pressure reading"),
            coding(SNOMED, "75367002", "Blood pressure"),
        )
        return concept(
            read, clinical, *([coding(LOINC, *PRESSURE_CODES[0])] if record.draw.chance(0.4) else [])
        )
    return concept(coding(LOINC, *record.draw.pick_weighted(PRESSURE_CODES, (75.0, 25.0))))


def _subject(record: Record) -> Reference:
    if record.source == "ehr":
        form = record.draw.number(1, 50)
        if form == 1:
            return {"reference": f"{EHR_BASE}/Patient/{record.patient_id}"}
        if form == 2:
            return {"reference": f"Patient/{record.patient_id}/_history/2"}
    return record.patient


def _performer(record: Record, setting: Setting) -> Reference:
    if record.draw.chance(0.02):
        return MISSING_PRACTITIONER
    if record.draw.chance(0.03):
        return record.patient
    return setting.performer


def _effective(record: Record, when: datetime, is_shared: bool) -> Json:
    """When it was measured: sometimes a period, rarely a year, a month or nothing; in full if shared."""
    text = record.moment(when)
    form = record.draw.number(1, 100)
    if is_shared or form > 6:
        return {"effectiveDateTime": text}
    if form == 1:
        return {}
    if form in (2, 3):
        return {"effectiveDateTime": text[: 4 if form == 2 else 7]}
    if form == 4:
        return {"effectiveDateTime": text[:10]}
    return {"effectivePeriod": {"start": text, "end": text}}


def _value(measured: Measurement, row: Row, is_us: bool) -> Json:
    if measured.parts:
        return {"component": [_component(part) for part in measured.parts]}
    if measured.absent is not None:
        return {"dataAbsentReason": hl7("data-absent-reason", measured.absent, "Not Performed")}
    if measured.code is not None:
        return {"valueCodeableConcept": concept(coding(SNOMED, *measured.code))}
    assert measured.value is not None
    if not row["mean"]:
        return {"valueInteger": int(measured.value)}
    return _quantity(measured, row, is_us)


def _quantity(measured: Measurement, row: Row, is_us: bool) -> Json:
    assert measured.value is not None
    factor, places = (
        (Decimal(row["us_factor"]), int(row["us_places"])) if is_us else (Decimal(1), int(row["places"]))
    )
    unit, code = (row["us_unit"], row["us_unit"]) if is_us else (row["unit"], row["ucum"])
    value = quantity(exact(measured.value * factor, places), unit, code)
    if measured.comparator:
        value["comparator"] = measured.comparator
    if row["key"] == "heart-rate" and measured.when.second == 0 and measured.when.minute % 7 == 0:
        value["code"] = "{beats}/min"  # UCUM written loosely, as some monitors do
    written: Json = {"valueQuantity": value}
    low, high = (
        exact(Decimal(row[side]) * factor, places) if row[side] else None for side in ("low", "high")
    )
    if row["category"] == "laboratory" and (low is not None or high is not None):
        sides = {"low": low, "high": high}
        limits: Json = {k: quantity(v, unit, code) for k, v in sides.items() if v is not None}
        written["interpretation"] = [_interpretation(value["value"], low, high)]
        written["referenceRange"] = [limits]
    return written


def _interpretation(value: Decimal, low: Decimal | None, high: Decimal | None) -> Json:
    if low is not None and value < low:
        return hl7("v3-ObservationInterpretation", "L", "Low")
    if high is not None and value > high:
        return hl7("v3-ObservationInterpretation", "H", "High")
    return hl7("v3-ObservationInterpretation", "N", "Normal")


def _component(part: Measurement) -> Json:
    row = keyed("measures")[part.key]
    assert part.value is not None
    return {
        "code": concept(
            coding(LOINC, row["loinc"], row["display"]), coding(SNOMED, row["snomed"], row["snomed_display"])
        ),
        "valueQuantity": {"value": part.value, "unit": row["unit"], "system": UCUM, "code": row["ucum"]},
    }


def _device(record: Record, measured: Measurement, directory: Directory) -> Reference | None:
    if record.source == "gp" or not directory.devices or not record.draw.chance(0.3):
        return None
    return {"pressure": directory.devices[0], "saturation": directory.devices[-1]}.get(measured.key)
