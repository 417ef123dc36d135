"""The FHIR records of the measurement: made by index, so that every process knows the same ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from clinical.identifiers import NHS_NUMBER_SYSTEM, nhs_check_digit

Json = dict[str, Any]

PATIENTS: Final = 100
PER_PATIENT: Final = {
    "Observation": 100,
    "Condition": 10,
    "AllergyIntolerance": 4,
    "MedicationRequest": 10,
    "Immunization": 10,
    "Procedure": 10,
    "DiagnosticReport": 10,
    "Encounter": 10,
}
"""How many of each type a patient has."""

_NEWEST: Final = datetime(2026, 10, 30, 9, 15, tzinfo=UTC)
_FAMILIES: Final = ("Okafor", "Llewellyn", "Brontë", "Haddad", "O'Neill", "Szymańska", "Patel", "Whitlock")
_GIVENS: Final = ("Amara", "Siân", "Edith", "Yusuf", "Niamh", "Zofia", "Ravi", "Thomas")
_MEASURED: Final = (
    ("8867-4", "Heart rate", "364075005", "72", "beats/minute", "/min"),
    ("29463-7", "Body weight", "27113001", "81.40", "kg", "kg"),
    ("4548-4", "Hemoglobin A1c", "43396009", "5.10", "%", "%"),
    ("2345-7", "Glucose", "36048009", "7.0", "mmol/L", "mmol/L"),
    ("2160-0", "Creatinine", "113075003", "84", "umol/L", "umol/L"),
)


def nhs_numbers() -> Iterator[str]:
    """Made-up NHS numbers (999...), in order, each with the right check digit."""
    for number in range(999_000_000, 1_000_000_000):
        digit = nhs_check_digit(str(number))
        if digit is not None:
            yield f"{number}{digit}"


_NUMBERS: Final = [number for number, _ in zip(nhs_numbers(), range(PATIENTS), strict=False)]


def patient_id(index: int) -> str:
    """Ids sort as the numbers do, because equal rows are ordered by id."""
    return f"pat-{index:05d}"


def patient_index(id_: str) -> int | None:
    number = id_.removeprefix("pat-")
    return int(number) if number.isdecimal() and int(number) < PATIENTS else None


def nhs_number(index: int) -> str:
    return _NUMBERS[index]


def index_of_number(value: str) -> int | None:
    return _NUMBERS.index(value) if value in _NUMBERS else None


def patient(index: int) -> Json:
    family, given = _FAMILIES[index % 8], _GIVENS[index // 8 % 8]
    return {
        "resourceType": "Patient",
        "id": patient_id(index),
        "meta": {"versionId": "3", "lastUpdated": "2026-11-01T08:30:00Z"},
        "identifier": [
            {"use": "official", "system": NHS_NUMBER_SYSTEM, "value": nhs_number(index)},
            {"use": "usual", "system": "https://bench.invalid/Id/hospital", "value": f"H{index:06d}"},
        ],
        "active": True,
        "name": [{"use": "official", "family": family, "given": [given, "Isla"], "prefix": ["Dr"]}],
        "telecom": [{"system": "phone", "value": "07700 900930", "use": "mobile"}],
        "gender": "female" if index % 2 else "male",
        "birthDate": f"{1930 + index % 80}-0{index % 9 + 1}-16",
        "address": [
            {"use": "home", "line": ["155 Skipton Road"], "city": "Harrogate", "postalCode": "HG1 2EU"}
        ],
        "generalPractitioner": [
            {
                "type": "Organization",
                "identifier": {"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "A81001"},
            }
        ],
    }


def _observation(at: str, row: int) -> Json:
    loinc, text, snomed, value, unit, code = _MEASURED[row % 5]
    return {
        "status": "final",
        "category": [_concept("http://terminology.hl7.org/CodeSystem/observation-category", "vital-signs")],
        "code": {
            "coding": [
                _coding("http://loinc.org", loinc, text),
                _coding("http://snomed.info/sct", snomed, text),
            ],
            "text": text,
        },
        "effectiveDateTime": at,
        "issued": at,
        "performer": [{"reference": "Practitioner/77", "display": "Dr Hale"}],
        # A number goes out with the digits of its text: 5.10 stays 5.10.
        "valueQuantity": {
            "value": Digits(value),
            "unit": unit,
            "system": "http://unitsofmeasure.org",
            "code": code,
        },
    }


class Digits(str):
    """A decimal as it shall stand in the JSON."""


def _condition(at: str, row: int) -> Json:
    system = "http://terminology.hl7.org/CodeSystem/condition-clinical"
    return {
        "clinicalStatus": _concept(system, "active" if row % 3 else "resolved"),
        "code": _snomed("38341003", "Hypertensive disorder"),
        "onsetDateTime": at[:7],
        "recordedDate": at,
    }


def _allergy(at: str, row: int) -> Json:
    return {
        "clinicalStatus": _concept(
            "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "active"
        ),
        "type": "allergy",
        "criticality": "high" if row % 2 else "low",
        "code": _snomed("91936005", "Allergy to penicillin"),
        "recordedDate": at,
    }


def _medication_request(at: str, row: int) -> Json:
    return {
        "status": "active" if row % 2 else "completed",
        "intent": "order",
        "medicationCodeableConcept": _snomed("319775004", "Aspirin 75 mg tablet"),
        "authoredOn": at,
        "dosageInstruction": [{"text": "One tablet once a day", "patientInstruction": "With food"}],
    }


def _immunization(at: str, row: int) -> Json:
    return {
        "status": "completed",
        "vaccineCode": _snomed("1119349007", "COVID-19 mRNA vaccine"),
        "occurrenceDateTime": at,
        "lotNumber": f"L{row:04d}",
    }


def _procedure(at: str, row: int) -> Json:
    return {
        "status": "completed",
        "code": _snomed("80146002", "Appendectomy"),
        "performedDateTime": at,
        "note": [{"text": f"Uneventful, day {row}"}],
    }


def _report(at: str, row: int) -> Json:
    return {
        "status": "final",
        "code": _snomed("26604007", "Complete blood count"),
        "effectiveDateTime": at,
        "issued": at,
        "conclusion": f"Within range ({row})",
    }


def _encounter(at: str, row: int) -> Json:
    return {
        "status": "finished",
        "class": _coding("http://terminology.hl7.org/CodeSystem/v3-ActCode", "AMB", "ambulatory"),
        "type": [_snomed("185349003", f"Check-up {row}")],
        "period": {"start": at, "end": at},
    }


_MADE: Final[dict[str, tuple[str, Callable[[str, int], Json]]]] = {
    "Observation": ("subject", _observation),
    "Condition": ("subject", _condition),
    "AllergyIntolerance": ("patient", _allergy),
    "MedicationRequest": ("subject", _medication_request),
    "Immunization": ("patient", _immunization),
    "Procedure": ("subject", _procedure),
    "DiagnosticReport": ("subject", _report),
    "Encounter": ("subject", _encounter),
}


def rows(kind: str, patient_index: int, count: int, source: int = 0) -> list[Json]:
    """The newest `count` of a patient's resources of a type. Sources hold different ones in turn."""
    subject, make = _MADE[kind]
    made = []
    for row in range(min(count, PER_PATIENT[kind])):
        at = (_NEWEST - timedelta(hours=7 * row + source)).strftime("%Y-%m-%dT%H:%M:%SZ")
        one = {
            "resourceType": kind,
            "id": f"{kind[:3].lower()}-{patient_index:05d}-{row:03d}",
            "meta": {"versionId": "1", "lastUpdated": at},
            subject: {"reference": f"Patient/{patient_id(patient_index)}"},
            **make(at, row),
        }
        made.append(one)
    return made


def _coding(system: str, code: str, display: str) -> Json:
    return {"system": system, "code": code, "display": display}


def _concept(system: str, code: str) -> Json:
    return {"coding": [{"system": system, "code": code}]}


def _snomed(code: str, text: str) -> Json:
    return {"coding": [_coding("http://snomed.info/sct", code, text)], "text": text}
