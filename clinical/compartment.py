"""Whose record a resource belongs to.

FHIR's patient compartment also holds what a patient wrote or performed. A reverse connection must
not: a mother's record does not list the allergies she reported for her child. Hence one parameter
per type says who a resource is *about*.
"""

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any

from clinical.parameters import parameters
from clinical.paths import compile_path
from clinical.references import reference_text, target_type
from clinical.tables import read_json, read_rows

_PLAIN_SUBJECT = re.compile(r"[A-Z]\w+\.(?P<element>[a-z]\w*)(?:\.where\(resolve\(\) is Patient\))?")
_SUBJECT_CODES = ("patient", "subject")
_MAY_BE_PATIENT = frozenset(("Patient", "Any"))


def compartment_parameters(resource_type: str) -> tuple[str, ...]:
    """The parameters that place a type in the patient compartment (R4 CompartmentDefinition/patient)."""
    return _compartment().get(resource_type, ())


@lru_cache(maxsize=512)
def patient_parameter(resource_type: str) -> str | None:
    """The search parameter that says which patient a resource is about.

    The reviewed row of `patient-parameters-r4.tsv` where there is one, else `patient`, else `subject`;
    never an author, asserter, recorder or performer. None for a type that is about no patient.
    """
    known = parameters(resource_type)
    reviewed = _reviewed().get(resource_type)
    for code in _SUBJECT_CODES if reviewed is None else (reviewed,):
        if code in known and known[code].targets & _MAY_BE_PATIENT:
            return code
    return None


@lru_cache(maxsize=512)
def subject_element(resource_type: str) -> str | None:
    """The element that holds the patient's reference, where it is one element of the resource itself."""
    code = patient_parameter(resource_type)
    if code is None:
        return None
    found = _PLAIN_SUBJECT.fullmatch(parameters(resource_type)[code].expression)
    return found["element"] if found else None


def patient_references(resource: Mapping[str, Any]) -> list[str]:
    """The reference texts of the patients a resource is about, as recorded; of a Patient its own.

    They may be absolute (perhaps to another server), versioned, or contained (`#id`). Empty where there
    is none: the resource is then nobody's, not everybody's.
    """
    resource_type = resource.get("resourceType") if isinstance(resource, dict) else None
    if not isinstance(resource_type, str):
        return []
    if resource_type == "Patient":
        return [f"Patient/{resource['id']}"] if isinstance(resource.get("id"), str) else []
    code = patient_parameter(resource_type)
    if code is None:
        return []
    found = compile_path(parameters(resource_type)[code].expression)(resource)
    about = [value.value for value in found if target_type(value.value, resource) == "Patient"]
    return [text for value in about if (text := reference_text(value))]


@cache
def _compartment() -> Mapping[str, tuple[str, ...]]:
    return {name: tuple(codes) for name, codes in read_json("patient-compartment-r4.json").items()}


@cache
def _reviewed() -> Mapping[str, str]:
    return {row["type"]: row["parameter"] for row in read_rows("patient-parameters-r4.tsv")}
