"""Codes as FHIR writes them: Coding, CodeableConcept, Quantity, Identifier."""

from decimal import Decimal
from typing import Any

Json = dict[str, Any]

SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
DMD = "https://dmd.nhs.uk"
READ = "http://read.info/readv2"
ICD10 = "http://hl7.org/fhir/sid/icd-10"
OPCS = "https://fhir.hl7.org.uk/CodeSystem/OPCS-4"
CVX = "http://hl7.org/fhir/sid/cvx"
UCUM = "http://unitsofmeasure.org"
LOCAL_LABORATORY = "https://ehr.sandbox.invalid/CodeSystem/laboratory"
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"


def coding(system: str, code: str, display: str | None = None) -> Json:
    """A Coding."""
    written: Json = {"system": system, "code": code}
    if display:
        written["display"] = display
    return written


def concept(*codings: Json, text: str | None = None) -> Json:
    """A CodeableConcept; the codings stay in the given order, those without a code fall away."""
    kept = [one for one in codings if one["code"]]
    written: Json = {"coding": kept} if kept else {}
    if text:
        written["text"] = text
    return written


def snomed(code: str, display: str) -> Json:
    """A concept with one SNOMED CT code."""
    return concept(coding(SNOMED, code, display))


def hl7(system: str, code: str, display: str | None = None) -> Json:
    """A concept of one of HL7's own code systems, by the last part of its URL."""
    return concept(coding(TERMINOLOGY + system, code, display))


def quantity(value: Decimal | int, unit: str, code: str) -> Json:
    """A Quantity in UCUM; the value keeps its digits."""
    return {"value": value, "unit": unit, "system": UCUM, "code": code}


def identifier(system: str, value: str) -> list[Json]:
    """One business identifier, as the list in which resources carry it."""
    return [{"system": system, "value": value}]
