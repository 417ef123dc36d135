"""Conditions, allergies, family history and flags."""

from datetime import timedelta
from html import escape
from typing import Any

from sandbox.population.concept import ICD10, READ, SNOMED, coding, concept, hl7, identifier, snomed
from sandbox.population.course import Course, Problem, onset_text
from sandbox.population.directory import Directory
from sandbox.population.record import Record, Reference
from sandbox.population.stream import Stream
from sandbox.population.tables import Row, table

PROBLEM_SYSTEM = "https://fhir.sandbox.invalid/Id/problem"
RELATIVES = (("MTH", "mother"), ("FTH", "father"), ("BRO", "brother"), ("SIS", "sister"))
Json = dict[str, Any]


def write_conditions(record: Record, course: Course, directory: Directory) -> dict[str, Reference]:
    """Writes the problems that a source holds; returns them by token."""
    return {
        problem.token: record.add("Condition", problem.onset, _condition(record, problem, directory))
        for problem in course.problems_of(record.source)
    }


def _condition(record: Record, problem: Problem, directory: Directory) -> Json:
    mistaken = problem.is_mistaken
    status = None if mistaken else ("resolved" if problem.ended else "active")
    verification = "entered-in-error" if mistaken else "confirmed"
    asserter = _as_contained(record, directory)
    return {
        "text": _narrative(problem.row["display"]) if record.draw.chance(0.3) else None,
        "contained": [asserter[1]] if asserter[1] else None,
        "identifier": identifier(PROBLEM_SYSTEM, problem.token),
        "clinicalStatus": hl7("condition-clinical", status) if status else None,
        "verificationStatus": hl7("condition-ver-status", verification),
        "category": [hl7("condition-category", "problem-list-item", "Problem List Item")],
        "code": _condition_code(record, problem.row),
        "subject": record.patient,
        "onsetDateTime": onset_text(problem),
        "abatementDateTime": problem.ended.isoformat() if problem.ended and not mistaken else None,
        "recordedDate": (problem.onset + timedelta(days=record.draw.number(0, 20))).isoformat(),
        "asserter": asserter[0],
    }


def _narrative(text: str) -> Json:
    """A generated narrative (R4 narrative.html), escaped as XHTML."""
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{escape(text)}</div>'}


def _as_contained(record: Record, directory: Directory) -> tuple[Reference, Json | None]:
    """Who asserted it: mostly a practitioner; now and then one who stands in the resource itself."""
    if not record.draw.chance(0.12):
        return record.draw.pick(directory.practitioners), None
    person: Json = {"resourceType": "Practitioner", "id": "asserter", "name": [{"text": "Dr J Visiting"}]}
    return {"reference": "#asserter"}, person


def _condition_code(record: Record, row: Row) -> Json:
    clinical, read = coding(SNOMED, row["snomed"], row["display"]), coding(READ, row["read"], row["display"])
    if record.source == "gp":
        return concept(read, clinical, text=row["display"])
    return concept(clinical, *([coding(ICD10, row["icd10"])] if record.draw.chance(0.6) else []))


def write_allergies(record: Record, directory: Directory, mother: Reference | None) -> list[Reference]:
    """Writes the allergies of a person: the same ones in each source, more or less completely."""
    shared = Stream("allergies", record.person.index)
    count = shared.pick_weighted((0, 1, 2), (45.0, 38.0, 17.0)) if mother is None else 2
    rows = shared.some(table("allergies"), count)
    since = record.person.since
    written: list[Reference] = []
    for row in rows:
        day = shared.day(since, record.person.until)
        status = record.draw.pick_weighted(("active", "inactive", "resolved"), (85.0, 8.0, 7.0))
        is_mistaken = mother is None and record.draw.chance(0.05)
        content: Json = {
            "clinicalStatus": None if is_mistaken else hl7("allergyintolerance-clinical", status),
            "verificationStatus": hl7(
                "allergyintolerance-verification", "entered-in-error" if is_mistaken else "confirmed"
            ),
            "type": row["kind"],
            "category": [row["category"]],
            "criticality": "high" if row["manifestation"] == "39579001" else "low",
            "code": snomed(row["snomed"], row["display"]),
            "patient": record.patient,
            "onsetDateTime": day.isoformat()[: record.draw.pick((4, 7, 10))],
            "recordedDate": day.isoformat(),
            "recorder": record.draw.pick(directory.practitioners),
            "asserter": mother,
            "reaction": [{"manifestation": [snomed(row["manifestation"], row["manifestation_display"])]}],
        }
        written.append(record.add("AllergyIntolerance", day, content))
    return written


def write_family_history(record: Record, course: Course) -> None:
    """Writes what is known of a relative's illness; the relative is no patient."""
    if not record.draw.chance(0.55):
        return
    row = record.draw.pick([one for one in table("problems") if one["course"] == "chronic"])
    code, name = record.draw.pick(RELATIVES)
    content: Json = {
        "status": "completed",
        "patient": record.patient,
        "date": record.person.since.isoformat()[:7],
        "relationship": hl7("v3-RoleCode", code, name),
        "condition": [{"code": snomed(row["snomed"], row["display"])}],
    }
    record.add("FamilyMemberHistory", record.person.since, content)


def write_flags(record: Record, directory: Directory) -> None:
    """Writes a flag for the frail, and one for a restricted record."""
    person = record.person
    flags: list[tuple[str, Json]] = []
    if person.age_on(person.until) > 74:
        flags.append(("safety", snomed("129839007", "At risk for falls")))
    if "restricted" in person.traits and record.source == "ehr":
        flags.append(("admin", {"text": "Access to this record is restricted"}))
    for category, code in flags:
        content: Json = {
            "status": "active",
            "category": [hl7("flag-category", category)],
            "code": code,
            "subject": record.patient,
            "period": {"start": person.until.isoformat()[:7]},
            "author": directory.organization,
        }
        record.add("Flag", person.until, content)
