"""Which of the vendor's measures is which clinical code (wearable_measures.tsv), and exact values."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any, Final, TypeGuard

import msgspec

from resolvers.resource import Json

LOINC: Final = "http://loinc.org"
UCUM: Final = "http://unitsofmeasure.org"
_CATEGORIES: Final = "http://terminology.hl7.org/CodeSystem/observation-category"
_UNIT_MAX: Final = 20


@dataclass(frozen=True, slots=True)
class Measure:
    """One row of the table. A value not above `lowest`, or above `highest`, is how a device says nothing.

    `panel`: the key of the row whose component it is.
    """

    key: str
    type: int | None
    concept: Json
    unit: str
    ucum: str
    lowest: Decimal
    highest: Decimal
    panel: str | None

    def quantity(self, value: Decimal) -> Json | None:
        """The value as a FHIR Quantity with all its digits; None for a sentinel."""
        if not self.lowest < value <= self.highest:
            return None
        return {"value": number(value), "unit": self.unit, "system": UCUM, "code": self.ucum}


def scaled(value: object, unit: object) -> Decimal | None:
    """`value` x 10^`unit`, exactly and with its digits (510, -2 is 5.10); None for what is no such pair."""
    if not is_whole(value) or not is_whole(unit) or abs(unit) > _UNIT_MAX:
        return None
    return Decimal(value).scaleb(unit)


def number(value: Decimal) -> int | msgspec.Raw:
    """As decoded FHIR JSON carries a number: whole ones as int, others as their digits."""
    text = format(value, "f")
    return msgspec.Raw(text.encode()) if "." in text else int(text)


def category(code: str) -> Json:
    """An Observation category."""
    return {"coding": [{"system": _CATEGORIES, "code": code}]}


@cache
def measures() -> Mapping[str, Measure]:
    """The table by key."""
    text = resources.files("resolvers.upstreams").joinpath("wearable_measures.tsv").read_text("utf-8")
    rows = csv.DictReader(text.splitlines(), delimiter="\t")
    return {row["key"]: _measure(row) for row in rows}


@cache
def measures_by_type() -> Mapping[int, Measure]:
    """The vendor's measure types that are mapped."""
    return {row.type: row for row in measures().values() if row.type is not None}


def _measure(row: Mapping[str, Any]) -> Measure:
    codings = [{"system": LOINC, "code": row["code"], "display": row["display"]}]
    if row["also"]:
        code, _, display = row["also"].partition(" ")
        codings.append({"system": LOINC, "code": code, "display": display})
    return Measure(
        row["key"],
        int(row["type"]) if row["type"] else None,
        {"coding": codings, "text": row["display"]},
        row["unit"],
        row["ucum"],
        Decimal(row["lowest"] or 0),
        Decimal(row["highest"] or 0),
        row["panel"] or None,
    )


def is_whole(value: object) -> TypeGuard[int]:
    """Whether a JSON value is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)
