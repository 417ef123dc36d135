"""Documents, compositions, lists, questionnaires answered, and where entries came from."""

import base64
import hashlib
from datetime import timedelta
from typing import Any

from sandbox.population.concept import LOINC, coding, concept, hl7, snomed
from sandbox.population.course import Course, Visit
from sandbox.population.directory import CHOICES, Directory
from sandbox.population.model import EHR_BASE
from sandbox.population.pdf import pdf_of
from sandbox.population.record import Record, Reference, instant
from sandbox.population.tables import document

KINDS = {
    "inpatient": (LOINC, "18842-5", "Discharge summary"),
    "clinic": (LOINC, "11488-4", "Consult note"),
    "emergency": (LOINC, "34133-9", "Summary of episode note"),
}
Json = dict[str, Any]


def write_documents(
    record: Record,
    course: Course,
    directory: Directory,
    encounters: list[Reference],
    conditions: dict[str, Reference],
    allergies: list[Reference],
) -> None:
    """Writes letters, discharge summaries, lists, an answered form, and provenance."""
    for visit, encounter in zip(course.visits_of(record.source), encounters, strict=True):
        if visit.row["key"] in KINDS and record.draw.chance(0.5):
            _write_letter(record, visit, encounter, directory)
        if visit.row["key"] == "inpatient":
            _write_summary(record, visit, encounter, directory, list(conditions.values()))
    _write_allergy_list(record, allergies, directory)
    if record.person.age_on(record.person.until) >= 16 and record.draw.chance(0.5):
        _write_answers(record, directory)
    if conditions:
        _write_provenance(record, next(iter(conditions.values())), directory)


def _write_letter(record: Record, visit: Visit, encounter: Reference, directory: Directory) -> None:
    system, code, display = KINDS[visit.row["key"]]
    text = f"{display}. Seen on {visit.start.date().isoformat()}. Synthetic letter, no real person."
    local_id = record.register.new_id("DocumentReference")
    plain = _attachment("text/plain; charset=utf-8", text.encode(), display, visit)
    plain["data"] = base64.b64encode(text.encode()).decode()
    content: Json = {
        "status": "current",
        "docStatus": "final",
        "type": concept(coding(system, code, display)),
        "subject": record.patient,
        "date": instant(visit.end),
        "author": [record.draw.pick(directory.practitioners)],
        "content": [{"attachment": plain}],
        "context": {"encounter": [encounter]},
    }
    if record.source == "ehr":
        content["content"].append({"attachment": _scan(record, local_id, text, display, visit)})
    record.register.add_as(local_id, "DocumentReference", visit.end, content)


def _scan(record: Record, local_id: str, text: str, display: str, visit: Visit) -> Json:
    """The letter as a PDF, which the hospital keeps as a Binary and names by its address."""
    data = pdf_of(text.split(". "))
    encoded = base64.b64encode(data).decode()
    binary: Json = {"contentType": "application/pdf", "data": encoded}
    named = record.register.add_as(f"letter-{local_id}", "Binary", visit.end, binary)["reference"]
    is_absolute = int(local_id) % 2 == 0  # both forms occur
    address = f"{EHR_BASE}/{named}" if is_absolute else named
    return {**_attachment("application/pdf", data, display, visit), "url": address}


def _attachment(media_type: str, data: bytes, title: str, visit: Visit) -> Json:
    return {
        "contentType": media_type,
        "size": len(data),
        "hash": base64.b64encode(hashlib.sha1(data, usedforsecurity=False).digest()).decode(),
        "title": title,
        "creation": visit.end.date().isoformat(),
    }


def _write_summary(
    record: Record, visit: Visit, encounter: Reference, directory: Directory, conditions: list[Reference]
) -> None:
    section: Json = {
        "title": "Diagnoses",
        "code": concept(coding(LOINC, "11450-4", "Problem list - Reported")),
    }
    if conditions:
        section["entry"] = conditions[:4]
    else:
        section["emptyReason"] = hl7("list-empty-reason", "nilknown", "Nil Known")
    content: Json = {
        "status": "final",
        "type": concept(
            coding(LOINC, "18842-5", "Discharge summary"),
            coding("http://snomed.info/sct", "373942005", "Discharge summary"),
        ),
        "subject": record.patient,
        "encounter": encounter,
        "date": instant(visit.end),
        "author": [record.draw.pick(directory.practitioners)],
        "title": "Discharge summary",
        "custodian": directory.organization,
        "section": [section],
    }
    record.add("Composition", visit.end, content)


def _write_allergy_list(record: Record, allergies: list[Reference], directory: Directory) -> None:
    content: Json = {
        "status": "current",
        "mode": "snapshot",
        "title": "Allergies and adverse reactions",
        "code": snomed("886921000000105", "Allergies and adverse reactions"),
        "subject": record.patient,
        "date": record.person.until.isoformat(),
        "source": record.draw.pick(directory.practitioners),
        "entry": [{"item": item} for item in allergies],
        "emptyReason": None if allergies else hl7("list-empty-reason", "nilknown", "Nil Known"),
    }
    record.add("List", record.person.until, content)


def _write_answers(record: Record, directory: Directory) -> None:
    form = document("staff")["questionnaire"]
    answered = record.draw.time_on(record.draw.day(record.person.since, record.person.until))
    content: Json = {
        "questionnaire": f"{form['url']}|1.0",
        "status": "completed",
        "subject": record.patient,
        "authored": record.moment(answered),
        "source": record.patient,
        "item": [
            {
                "linkId": item["code"],
                "text": item["text"],
                "answer": [{"valueString": record.draw.pick(CHOICES)}],
            }
            for item in form["item"]
        ],
    }
    record.add("QuestionnaireResponse", answered, content)


def _write_provenance(record: Record, target: Reference, directory: Directory) -> None:
    recorded = record.draw.time_on(record.person.until - timedelta(days=1))
    content: Json = {
        "target": [target, record.patient],
        "recorded": instant(recorded),
        "activity": hl7("v3-DataOperation", "CREATE", "create"),
        "agent": [
            {
                "type": hl7("provenance-participant-type", "author", "Author"),
                "who": record.draw.pick(directory.practitioners),
                "onBehalfOf": directory.organization,
            }
        ],
    }
    record.add("Provenance", recorded, content)
