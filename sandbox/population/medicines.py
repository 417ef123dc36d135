"""Prescriptions and what follows them, and immunisations."""

from datetime import date, timedelta
from typing import Any

from sandbox.population.concept import CVX, DMD, SNOMED, coding, concept, identifier, snomed
from sandbox.population.course import Course, Problem, Visit
from sandbox.population.directory import Directory
from sandbox.population.model import REFERENCE_DATE
from sandbox.population.record import Record, Reference
from sandbox.population.stream import Stream
from sandbox.population.tables import Row, keyed, table

ROUTES = {
    "oral": ("26643006", "Oral route"),
    "inhalation": ("447694001", "Respiratory tract route"),
    "subcutaneous": ("34206005", "Subcutaneous route"),
    "cutaneous": ("448598008", "Cutaneous route"),
}
PRESCRIPTION_SYSTEM = "https://fhir.nhs.uk/Id/prescription-order-item-number"
TRANSFER_DEGRADED = coding(SNOMED, "196421000000109", "Transfer-degraded medication entry")
VACCINATION_CODE = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-VaccinationProcedure"
Json = dict[str, Any]


def write_medicines(
    record: Record, course: Course, directory: Directory, conditions: dict[str, Reference]
) -> None:
    """Writes the prescriptions for the problems that a source holds, with dispenses and statements."""
    for problem in course.problems_of(record.source):
        condition = conditions[problem.token]
        for key in problem.row["medicines"].split():
            if not problem.is_mistaken:
                _write_course_of(record, keyed("medicines")[key], problem, directory, condition)
    if record.source == "ehr":
        for visit in course.visits_of("ehr"):
            if visit.row["key"] == "inpatient":
                _write_administration(record, visit, directory)


def _write_course_of(
    record: Record, row: Row, problem: Problem, directory: Directory, condition: Reference
) -> None:
    """One prescription of an acute medicine; of a repeat one, several over the years, and a statement."""
    first = max(problem.onset, record.person.since)
    is_repeat = row["kind"] != "acute"
    times = record.draw.number(1, 3) if is_repeat else 1
    days = sorted(record.draw.day(first, record.person.until) for _ in range(times)) if is_repeat else [first]
    for place, day in enumerate(days):
        is_current = is_repeat and place == len(days) - 1 and problem.ended is None
        request = _write_request(record, row, day, directory, condition, is_current)
        if record.source == "gp" and record.draw.chance(0.4):
            _write_dispense(record, row, day, directory, request)
    if is_repeat and record.source == "gp":
        _write_statement(record, row, days[0], condition)


def _write_request(
    record: Record, row: Row, day: date, directory: Directory, condition: Reference, is_current: bool
) -> Reference:
    medicine, contained = _medication(record, row, directory)
    content: Json = {
        "contained": contained,
        "identifier": identifier(PRESCRIPTION_SYSTEM, record.draw.uuid()),
        "status": _status(record, is_current),
        "intent": "order",
        **medicine,
        "subject": record.patient,
        "authoredOn": day.isoformat(),
        "requester": record.draw.pick(directory.practitioners),
        "reasonReference": [condition],
        "dosageInstruction": [_dosage(row)],
        "dispenseRequest": {"quantity": {"value": int(row["quantity"]), "unit": row["unit"]}},
    }
    return record.add("MedicationRequest", day, content)


def _status(record: Record, is_current: bool) -> str:
    if record.draw.chance(0.03):
        return record.draw.pick(("entered-in-error", "stopped"))
    return "active" if is_current else "completed"


def _medication(record: Record, row: Row, directory: Directory) -> tuple[Json, list[Json] | None]:
    """The medicine as a concept, a reference, or a reference to a contained resource."""
    if not row["dmd"]:
        return {"medicationCodeableConcept": concept(TRANSFER_DEGRADED, text=row["display"])}, None
    form = record.draw.pick_weighted(("concept", "reference", "contained"), (70.0, 20.0, 10.0))
    code = concept(coding(DMD, row["dmd"], row["display"]), text=row["display"])
    if form == "reference":
        return {"medicationReference": directory.medicines[row["key"]]}, None
    if form == "contained":
        return {"medicationReference": {"reference": "#med"}}, [
            {"resourceType": "Medication", "id": "med", "code": code}
        ]
    return {"medicationCodeableConcept": code}, None


def _coded(row: Row) -> Json:
    codings = [coding(DMD, row["dmd"], row["display"])] if row["dmd"] else [TRANSFER_DEGRADED]
    return concept(*codings, text=row["display"])


def _dosage(row: Row) -> Json:
    return {"text": row["dose"], "route": snomed(*ROUTES[row["route"]])}


def _write_dispense(record: Record, row: Row, day: date, directory: Directory, request: Reference) -> None:
    content: Json = {
        "status": "completed",
        "medicationCodeableConcept": _coded(row),
        "subject": record.patient,
        "authorizingPrescription": [request],
        "quantity": {"value": int(row["quantity"]), "unit": row["unit"]},
        "whenHandedOver": (day + timedelta(days=record.draw.number(0, 4))).isoformat(),
        "performer": [{"actor": directory.organization}],
        "dosageInstruction": [_dosage(row)],
    }
    record.add("MedicationDispense", day, content)


def _write_statement(record: Record, row: Row, day: date, condition: Reference) -> None:
    content: Json = {
        "status": "active",
        "medicationCodeableConcept": _coded(row),
        "subject": record.patient,
        "effectivePeriod": {"start": day.isoformat()[: record.draw.pick((7, 10, 10))]},
        "dateAsserted": day.isoformat(),
        "informationSource": record.patient,
        "reasonReference": [condition],
        "dosage": [_dosage(row)],
    }
    record.add("MedicationStatement", day, content)


def _write_administration(record: Record, visit: Visit, directory: Directory) -> None:
    row = keyed("medicines")["paracetamol"]
    content: Json = {
        "status": "completed",
        "medicationCodeableConcept": _coded(row),
        "subject": record.patient,
        "effectiveDateTime": record.moment(visit.start + timedelta(hours=2)),
        "performer": [{"actor": record.draw.pick(directory.practitioners)}],
        "dosage": {"text": "1 g", "route": snomed(*ROUTES["oral"]), "dose": {"value": 1, "unit": "g"}},
    }
    record.add("MedicationAdministration", visit.end, content)


def write_immunizations(record: Record, directory: Directory) -> None:
    """Writes vaccinations: a practice holds all of them, the hospital a few."""
    shared = Stream("vaccines", record.person.index)
    for row in table("vaccines"):
        for day in _vaccination_days(record, row, shared):
            if record.source == "gp" or record.draw.chance(0.3):
                record.add("Immunization", day, _immunization(record, row, day, directory))


def _vaccination_days(record: Record, row: Row, shared: Stream) -> list[date]:
    person = record.person
    years = range(max(person.since.year, person.born.year + int(row["from_age"])), person.until.year + 1)
    years = range(years.start, min(years.stop, person.born.year + int(row["to_age"]) + 1))
    if not years:
        return []
    chosen = (
        [year for year in years if shared.chance(0.6)] if row["every_years"] == "1" else [shared.pick(years)]
    )
    days = [shared.day(date(year, 9, 15), date(year, 12, 10)) for year in chosen]
    return [day for day in days if person.since <= day <= min(person.until, REFERENCE_DATE)]


def _immunization(record: Record, row: Row, day: date, directory: Directory) -> Json:
    procedure = concept(coding(SNOMED, row["procedure"], row["procedure_display"]))
    is_gp = record.source == "gp"
    product = coding(DMD, row["product"], row["product_display"])
    cvx = coding(CVX, row["cvx"], row["cvx_display"])
    return {
        "extension": [{"url": VACCINATION_CODE, "valueCodeableConcept": procedure}]
        if is_gp and procedure
        else None,
        "status": "entered-in-error" if record.draw.chance(0.02) else "completed",
        "vaccineCode": concept(product if is_gp and row["product"] else cvx, text=row["cvx_display"]),
        "patient": record.patient,
        "occurrenceDateTime": day.isoformat(),
        "primarySource": is_gp,
        "lotNumber": f"{record.draw.pick('ABCDEFGH')}{record.draw.number(1000, 9999)}",
        "site": snomed("368208006", "Left upper arm structure"),
        "route": snomed("78421000", "Intramuscular route"),
        "performer": [{"actor": record.draw.pick(directory.practitioners)}],
        "protocolApplied": [
            {
                "targetDisease": [snomed(row["disease"], row["disease_display"])],
                "doseNumberPositiveInt": 1,
            }
        ],
    }
