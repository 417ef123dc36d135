"""Single measured values: what a body gives at a moment, with the digits an instrument would report."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from sandbox.population.identity import Identity
from sandbox.population.stream import Stream
from sandbox.population.tables import Row, keyed

SMOKING = (
    ("266919005", "Never smoked tobacco"),
    ("8517006", "Ex-smoker"),
    ("77176002", "Smoker"),
)
PRESENCE = (("260385009", "Negative"), ("10828004", "Positive"))
FIRST_PERSON_DIGITS = {
    "cholesterol": Decimal("5.10"),
    "urine-ph": Decimal("7.0"),
    "potassium": Decimal("4.0"),
}
"""What the first person of every population always has, so that a test can look for a digit."""


class _HasRow(Protocol):
    @property
    def row(self) -> Row:
        """A row of problems.tsv."""


@dataclass(frozen=True, slots=True)
class Body:
    """A person's usual values, by measure."""

    usual: dict[str, float]
    smoking: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measured thing: a number, a coded answer, or parts (of a blood pressure).

    `absent` says why there is no value; `comparator` is `<` below what the instrument can tell.
    """

    key: str
    when: datetime
    value: Decimal | None = None
    code: tuple[str, str] | None = None
    parts: tuple["Measurement", ...] = ()
    comparator: str | None = None
    absent: str | None = None


def draw_body(person: Identity, problems_of: Iterable[_HasRow], draw: Stream) -> Body:
    """The person's usual values, moved by their problems."""
    problems = {problem.row["key"] for problem in problems_of}
    age = person.age_on(person.until)
    usual = {
        key: draw.normal(float(row["mean"]), float(row["spread"]))
        for key, row in keyed("measures").items()
        if row["mean"]
    }
    usual["height"] = draw.normal(176.0 if person.sex == "male" else 163.0, 5.0) - (max(0, 18 - age) * 5.5)
    bmi = draw.normal(32.5 if "obesity" in problems else 25.5, 1.8) - max(0, 18 - age) * 0.5
    usual["bmi"] = bmi
    usual["weight"] = bmi * (usual["height"] / 100) ** 2
    usual["systolic"] += 16 if "hypertension" in problems else 0
    usual["hba1c"] = draw.normal(58.0 if "diabetes2" in problems or "diabetes1" in problems else 37.0, 3.0)
    usual["glucose"] += 3.5 if "diabetes2" in problems else 0.0
    return Body(usual, draw.pick_weighted(SMOKING, (55.0, 30.0, 15.0)))


def draw_measurement(key: str, person: Identity, draw: Stream, body: Body, when: datetime) -> Measurement:
    """One measurement of a kind. `pressure` is the pair of systolic and diastolic."""
    if key == "pressure":
        parts = (_number("systolic", draw, body, when), _number("diastolic", draw, body, when))
        return Measurement(key, when, parts=parts)
    if key == "smoking":
        return Measurement(key, when, code=body.smoking)
    if key in ("urine-nitrite", "urine-protein"):
        return Measurement(key, when, code=draw.pick_weighted(PRESENCE, (85.0, 15.0)))
    if key in ("news2", "phq9"):
        return Measurement(key, when, value=Decimal(draw.number(0, 7 if key == "news2" else 18)))
    if "first" in person.traits and key in FIRST_PERSON_DIGITS:
        return Measurement(key, when, value=FIRST_PERSON_DIGITS[key])
    if draw.chance(0.012):
        return Measurement(key, when, absent="not-performed")
    return _number(key, draw, body, when)


def _number(key: str, draw: Stream, body: Body, when: datetime) -> Measurement:
    row = keyed("measures")[key]
    spread, places = float(row["spread"]) / 2, int(row["places"])
    value = draw.decimal(body.usual[key], spread, places)
    if key == "crp" and value < 1:
        return Measurement(key, when, value=Decimal("1.0"), comparator="<")
    return Measurement(key, when, value=value)
