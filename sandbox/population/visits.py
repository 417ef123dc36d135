"""Encounters and what came of them: observations, laboratory requests, specimens, reports."""

from datetime import timedelta
from typing import Any

from sandbox.population.concept import (
    LOINC,
    READ,
    SNOMED,
    TERMINOLOGY,
    coding,
    concept,
    identifier,
    snomed,
)
from sandbox.population.course import Course, Panel, Visit
from sandbox.population.directory import Directory
from sandbox.population.observations import Setting, write_observation
from sandbox.population.record import Record, Reference
from sandbox.population.stream import Stream

REPORT_SYSTEM = "https://laboratory.sandbox.invalid/Id/report"
VISIT_SYSTEM = "https://ehr.sandbox.invalid/Id/visit"
SPECIMENS = {
    "blood": ("119297000", "Blood specimen"),
    "serum": ("119364003", "Serum specimen"),
    "urine": ("122575003", "Urine specimen"),
}
Json = dict[str, Any]


def write_visits(
    record: Record, course: Course, directory: Directory, conditions: dict[str, Reference]
) -> list[Reference]:
    """Writes the encounters of one source and the reports that it holds; returns the encounters."""
    encounters: list[Reference] = []
    for visit in course.visits:
        if visit.source == record.source:
            encounters.append(_write_visit(record, visit, directory, conditions))
        else:
            _write_foreign_panels(record, visit, directory)
    return encounters


def _write_visit(
    record: Record, visit: Visit, directory: Directory, conditions: dict[str, Reference]
) -> Reference:
    performer = record.draw.pick(directory.practitioners)
    encounter = record.add(
        "Encounter", visit.end, _encounter(record, visit, directory, performer, conditions)
    )
    referred = _as_referred(record, encounter)
    setting = Setting(referred, performer, directory)
    for measured in visit.vitals:
        write_observation(record, measured, setting)
    for panel in visit.panels:
        if record.source in panel.holders:
            _write_panel(record, panel, setting, visit)
    return encounter


def _encounter(
    record: Record, visit: Visit, directory: Directory, performer: Reference, conditions: dict[str, Reference]
) -> Json:
    row = visit.row
    condition = conditions.get(visit.problem.token) if visit.problem else None
    return {
        "identifier": identifier(VISIT_SYSTEM, visit.token[:13]) if record.source == "ehr" else None,
        "status": "finished",
        "class": coding(TERMINOLOGY + "v3-ActCode", row["class"], row["class_display"]),
        "type": [snomed(row["snomed"], row["display"])],
        "subject": record.patient,
        "participant": [{"individual": performer}],
        "period": {"start": record.moment(visit.start), "end": record.moment(visit.end)},
        "reasonReference": [condition] if condition else None,
        "location": [{"location": directory.location(row["key"])}],
        "serviceProvider": directory.departments.get(row["key"], directory.organization),
    }


def _as_referred(record: Record, encounter: Reference) -> Reference:
    """The encounter as observations refer to it: now and then by version."""
    if record.source == "ehr" and record.draw.chance(0.1):
        return {"reference": f"{encounter['reference']}/_history/1"}
    return encounter


def _write_foreign_panels(record: Record, visit: Visit, directory: Directory) -> None:
    """Reports of the other source's visits that this one has a copy of; it knows no encounter for them."""
    for panel in visit.panels:
        if record.source in panel.holders:
            setting = Setting(None, record.draw.pick(directory.practitioners), directory)
            _write_panel(record, panel, setting, visit)


def _write_panel(record: Record, panel: Panel, setting: Setting, visit: Visit) -> None:
    request = _write_request(record, panel, setting, visit) if visit.source == record.source else None
    specimen = _write_specimen(record, panel, visit)
    results = [write_observation(record, member, setting, panel) for member in panel.members]
    issued = visit.end + timedelta(hours=Stream(panel.token).number(2, 60))
    content: Json = {
        "identifier": identifier(REPORT_SYSTEM, panel.token),
        "basedOn": [request] if request else None,
        "status": "final",
        "category": [concept(coding(TERMINOLOGY + "v2-0074", "LAB", "Laboratory"))],
        "code": panel_code(record, panel),
        "subject": record.patient,
        "encounter": setting.encounter,
        "effectiveDateTime": record.moment(panel.members[0].when),
        "issued": record.moment(issued),
        "performer": [directory_laboratory(setting.directory)],
        "specimen": [specimen],
        "result": results,
    }
    record.add("DiagnosticReport", issued, content)


def panel_code(record: Record, panel: Panel) -> Json:
    """The panel's code as the source writes it."""
    row = panel.row
    loinc = coding(LOINC, row["loinc"], row["display"])
    clinical = coding(SNOMED, row["snomed"], row["snomed_display"])
    if record.source == "ehr":
        return concept(loinc, clinical, text=row["snomed_display"])
    return concept(coding(READ, row["read"], row["snomed_display"]), clinical, text=row["snomed_display"])


def directory_laboratory(directory: Directory) -> Reference:
    """Who performs laboratory tests: the hospital's laboratory, which a practice can only name."""
    if "laboratory" in directory.departments:
        return directory.departments["laboratory"]
    organization = {"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "RAE"}
    return {"type": "Organization", "identifier": organization, "display": "Blood Sciences"}


def _write_request(record: Record, panel: Panel, setting: Setting, visit: Visit) -> Reference:
    content: Json = {
        "status": "completed",
        "intent": "order",
        "category": [snomed("108252007", "Laboratory procedure")],
        "priority": "urgent" if visit.row["key"] == "emergency" else "routine",
        "code": panel_code(record, panel),
        "subject": record.patient,
        "encounter": setting.encounter,
        "authoredOn": record.moment(visit.start),
        "requester": setting.performer,
    }
    return record.add("ServiceRequest", visit.start, content)


def _write_specimen(record: Record, panel: Panel, visit: Visit) -> Reference:
    method = None if panel.row["specimen"] == "urine" else snomed("28520004", "Venipuncture for blood test")
    content: Json = {
        "status": "available",
        "type": snomed(*SPECIMENS[panel.row["specimen"]]),
        "subject": record.patient,
        "receivedTime": record.moment(visit.end + timedelta(hours=1)),
        "collection": {"collectedDateTime": record.moment(panel.members[0].when), "method": method}
        if method
        else {"collectedDateTime": record.moment(panel.members[0].when)},
    }
    return record.add("Specimen", visit.end, content)
