"""A laboratory's orders and results, in the shape of its documented API (UPSTREAMS.md, Junction-like).

Traps among the markers: values that are texts (`<0.5`, `Negative`) or null, ranges open at one side, no unit,
no LOINC code, an interpretation in words of its own, a marker twice; and orders whose result has not come.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from sandbox.population.model import REFERENCE_DATE, Population
from sandbox.population.stream import Stream

Json = dict[str, Any]
FIRST_DAY = date(2025, 1, 6)
LAB = {"id": 14, "name": "Sandbox Laboratories"}

MARKERS: tuple[tuple[int, str, str | None, str | None, str, str | None, str | None, int], ...] = (
    (1042, "Hemoglobin A1c", "4548-4", "%", "5.4", "4.0", "5.7", 1),
    (1043, "Cholesterol", "2093-3", "mg/dL", "189.0", None, "200", 1),
    (1044, "HDL Cholesterol", "2085-9", "mg/dL", "52", "40", None, 0),
    (1045, "Vitamin D", "1989-3", "ng/mL", "31.50", "30", "100", 2),
    (1046, "C-Reactive Protein", "1988-5", "mg/L", "0.9", None, "5", 1),
    (1047, "Urine pH", None, None, "6.0", "4.5", "8.0", 1),
    (1048, "Omega-3 Index", None, "% of fatty acids", "4.7", None, None, 1),
)
"""id, name, LOINC, unit, usual value, lower and upper end of the range, decimal places."""


@dataclass(frozen=True, slots=True)
class LaboratoryUser:
    """One user: `orders` by id in the order in which they were made; None where no result has come."""

    user_id: str
    nhs_number: str
    orders: dict[str, Json | None]


def laboratory_users(population: Population, seed: int = 1) -> dict[str, LaboratoryUser]:
    """The users of a population: every other person with a verified NHS number, by user id."""
    known = [one for one in population.people if one.nhs_number is not None][::2]
    users = [_user(one.index, one.nhs_number or "", seed) for one in known]
    return {one.user_id: one for one in users}


def _user(index: int, number: str, seed: int) -> LaboratoryUser:
    draw = Stream(seed, index, "laboratory")
    user = draw.uuid()
    days = sorted({draw.day(FIRST_DAY, REFERENCE_DATE - timedelta(days=3)) for _ in range(draw.number(2, 5))})
    orders: dict[str, Json | None] = {}
    for day in days:
        order = draw.uuid()
        orders[order] = _result(draw, order, user, day)
    orders[draw.uuid()] = None
    return LaboratoryUser(user, number, orders)


def _result(draw: Stream, order: str, user: str, day: date) -> Json:
    drawn = draw.some(MARKERS, draw.number(3, len(MARKERS)))
    markers = [_marker(draw, *row) for row in drawn]
    markers.append(_said("1090", "Urine nitrite", draw.pick(("Negative", "Positive", "Trace"))))
    if draw.chance(0.3):
        markers.append(_said("1091", "Sample comment", None) | {"notes": "Haemolysed; please repeat."})
    if draw.chance(0.2):
        markers.append(_marker(draw, *drawn[0]))
    return {
        "order_id": order,
        "user_id": user,
        "lab": LAB,
        "collected_at": f"{day.isoformat()}T08:{draw.number(10, 59)}:00+00:00",
        "reported_at": f"{(day + timedelta(days=2)).isoformat()}T15:30:00+00:00",
        "markers": markers,
        "pdf_url": f"https://results.sandbox.invalid/{order}.pdf",
    }


def _marker(
    draw: Stream,
    number: int,
    name: str,
    loinc: str | None,
    unit: str | None,
    usual: str,
    low: str | None,
    high: str | None,
    places: int,
) -> Json:
    measured = draw.decimal(float(usual), float(usual) / 8, places)
    value: Decimal | str | None = "<1.0" if number == 1046 and measured < 1 else measured
    said: str | None = _interpretation(measured, low, high)
    if draw.chance(0.05):
        value = said = None
    marker: Json = {
        "id": number,
        "name": name,
        "value": value,
        "reference_range": {
            "min": Decimal(low) if low else None,
            "max": Decimal(high) if high else None,
            "text": None if low and high else "see report",
        },
        "interpretation": said,
        "type": "blood",
        "notes": None,
    }
    return marker | ({"unit": unit} if unit else {}) | ({"loinc_code": loinc} if loinc else {})


def _interpretation(value: Decimal, low: str | None, high: str | None) -> str:
    if low is None and high is None:
        return "no reference population"
    if low is not None and value < Decimal(low):
        return "low"
    return "high" if high is not None and value > Decimal(high) else "normal"


def _said(number: str, name: str, value: str | None) -> Json:
    """A marker without unit, range or code; its id is a text, for once."""
    return {
        "id": number,
        "name": name,
        "value": value,
        "unit": None,
        "reference_range": None,
        "interpretation": None,
        "loinc_code": None,
        "type": "urine",
        "notes": None,
    }
