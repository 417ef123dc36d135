"""A laboratory marker's value, range and interpretation as FHIR R4 elements, nothing dropped.

What the tables laboratory_units.tsv and laboratory_interpretations.tsv do not know stays as the text it is.
"""

import csv
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, Final

import msgspec

from resolvers.resource import Json
from resolvers.upstreams.mapped_values import as_number, id_of, text_of

UCUM: Final = "http://unitsofmeasure.org"
LOINC: Final = "http://loinc.org"
_INTERPRETATIONS: Final = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
_ABSENT: Final = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
_BOUNDED: Final = re.compile(r"(<=|>=|<|>)\s*(\S+)")
_LOINC_CODE: Final = re.compile(r"[0-9]{1,7}-[0-9]")


def value_of(marker: Mapping[str, Any]) -> Json:
    """`valueQuantity` for a number, also one written as text or with `<`; `valueString` for other text;
    `dataAbsentReason` where there is none."""
    value, unit = marker.get("value"), text_of(marker.get("unit"))
    text = text_of(value)
    bounded = _BOUNDED.fullmatch(text) if text else None
    number = as_number(bounded[2] if bounded else value)
    if number is not None:
        return {"valueQuantity": quantity(number, unit, bounded[1] if bounded else None)}
    if text is not None:
        return {"valueString": text}
    if value is None or isinstance(value, str):
        return {
            "dataAbsentReason": {"coding": [{"system": _ABSENT, "code": "unknown", "display": "Unknown"}]}
        }
    return {"valueString": msgspec.json.encode(value).decode()}


def quantity(number: int | msgspec.Raw, unit: str | None, comparator: str | None = None) -> Json:
    """A Quantity with the digits as recorded; its unit is coded where the table knows it."""
    found: Json = {"value": number}
    if comparator:
        found["comparator"] = comparator
    if unit:
        found["unit"] = unit
    if unit and (code := _units().get(unit)):
        found |= {"system": UCUM, "code": code}
    return found


def concept_of(marker: Mapping[str, Any], system: str) -> Json:
    """The marker's code: LOINC where it is said, the laboratory's own id, its name as text."""
    name, loinc = text_of(marker.get("name")), text_of(marker.get("loinc_code"))
    own_id = " ".join((id_of(marker.get("id")) or "").split())
    codings: list[Json] = []
    if loinc:
        codings.append(
            {"system": LOINC, "code": loinc} if _LOINC_CODE.fullmatch(loinc) else {"display": loinc}
        )
    if own_id:
        codings.append({"system": system, "code": own_id, **({"display": name} if name else {})})
    text = name or loinc or f"marker {own_id or ''}".strip()
    return {**({"coding": codings} if codings else {}), "text": text}


def interpretation_of(marker: Mapping[str, Any]) -> Json:
    """The element `interpretation`, coded where the table knows the word."""
    said = text_of(marker.get("interpretation"))
    if said is None:
        return {}
    row = _interpretations().get(said.lower())
    coding = {"coding": [{"system": _INTERPRETATIONS, **row}]} if row else {}
    return {"interpretation": [{**coding, "text": said}]}


def range_of(marker: Mapping[str, Any]) -> Json:
    """The element `referenceRange`; either side may be open."""
    stated = marker.get("reference_range")
    if not isinstance(stated, dict):
        return {"referenceRange": [{"text": text}]} if (text := text_of(stated)) else {}
    unit = text_of(marker.get("unit"))
    found: Json = {}
    for name, side in (("low", "min"), ("high", "max")):
        number = as_number(stated.get(side))
        if number is not None:
            found[name] = quantity(number, unit)
    words = [text_of(stated.get("text"))]
    words += [text_of(stated.get(s)) for n, s in (("low", "min"), ("high", "max")) if n not in found]
    if said := "; ".join(word for word in words if word):
        found["text"] = said
    return {"referenceRange": [found]} if found else {}


@cache
def _units() -> Mapping[str, str]:
    return {row["unit"]: row["ucum"] for row in _rows("laboratory_units.tsv")}


@cache
def _interpretations() -> Mapping[str, Json]:
    return {
        row["said"]: {"code": row["code"], "display": row["display"]}
        for row in _rows("laboratory_interpretations.tsv")
    }


def _rows(name: str) -> list[dict[str, str]]:
    text = resources.files("resolvers.upstreams").joinpath(name).read_text("utf-8")
    return list(csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))
