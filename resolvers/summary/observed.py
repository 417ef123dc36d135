"""Observations in a summary: recent laboratory results, and the latest of each vital sign."""

from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any, Final

from clinical.display import PREFERRED_SYSTEMS
from resolvers.resource import Json
from resolvers.summary.readings import code, codes, date, joined, objects, quantity, text, words
from resolvers.summary.rows import Preferred, Row

_CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/observation-category"
_SEEN: Final = frozenset({"final", "amended", "corrected", "preliminary", "unknown", None})


class Trend(Enum):
    """A measurement against the one before it, of the same code and in the same unit."""

    UP = "UP"
    DOWN = "DOWN"
    STEADY = "STEADY"


def result(json: Json, preferred: Preferred = PREFERRED_SYSTEMS) -> Row | None:
    """A laboratory result."""
    if not _is_of(json, "laboratory"):
        return None
    value, unit = value_of(json, preferred)
    at = date(json, "effective", "issued")
    flag = code(json.get("interpretation")) or words(json.get("interpretation"), preferred)
    name = words(json.get("code"), preferred)
    return {"name": name, "value": value, "unit": unit, "date": at, "flag": flag, "_at": at}


def vital(json: Json, preferred: Preferred = PREFERRED_SYSTEMS) -> Row | None:
    """A measurement of a vital sign; `_code` is what its trend is told by."""
    if not _is_of(json, "vital-signs"):
        return None
    value, unit = value_of(json, preferred)
    at = date(json, "effective", "issued")
    name = words(json.get("code"), preferred)
    row = {"name": name, "value": value, "unit": unit, "at": at, "trend": None, "_at": at}
    return {**row, "_code": next(codes(json.get("code")), ("", name or ""))}


def latest(rows: Sequence[Row]) -> list[Row]:
    """The newest of each code that has a value, with its trend. `rows`: the newest first."""
    found: dict[tuple[str, str], Row] = {}
    for row in rows:
        if row["value"] is None:
            continue
        newer = found.setdefault(row["_code"], row)
        if newer is row or newer["trend"] is not None or newer["unit"] != row["unit"]:
            continue
        newer["trend"] = _trend(newer["value"], row["value"])
    return list(found.values())


def value_of(json: Json, preferred: Preferred = PREFERRED_SYSTEMS) -> tuple[str | None, str | None]:
    """The value in words, with the digits as recorded, and its unit. Values of components (blood pressure)
    stand one after the other; a unit that they do not share is not told."""
    own = _value(json, preferred)
    if own[0] is not None:
        return own
    parts = [_value(one, preferred) for one in objects(json.get("component"))]
    units = {unit for value, unit in parts if value is not None}
    return joined([value for value, _ in parts], "/"), units.pop() if len(units) == 1 else None


def _value(json: Json, preferred: Preferred) -> tuple[str | None, str | None]:
    if "valueQuantity" in json:
        return quantity(json["valueQuantity"])
    if "valueCodeableConcept" in json:
        return words(json["valueCodeableConcept"], preferred), None
    if "valueRange" in json:
        return _span(json["valueRange"], ("low", "high"), "-")
    if "valueRatio" in json:
        return _span(json["valueRatio"], ("numerator", "denominator"), ":")
    return next(_plain(json), None), None


def _plain(json: Json) -> Iterator[str]:
    for name in ("valueString", "valueDateTime", "valueTime"):
        if found := text(json.get(name)):
            yield found
    for name in ("valueBoolean", "valueInteger"):
        if type(json.get(name)) in (bool, int):
            yield str(json[name]).lower()


def _span(value: Any, ends: tuple[str, str], by: str) -> tuple[str | None, str | None]:
    for one in objects(value):
        (first, unit), (second, other) = (quantity(one.get(end)) for end in ends)
        return joined([first, second], by), unit if unit == other or second is None else None
    return None, None


def _is_of(json: Json, category: str) -> bool:
    named = codes(json.get("category"))
    return json.get("status") in _SEEN and any(
        two in ((_CATEGORY, category), ("", category)) for two in named
    )


def _trend(newer: str | None, older: str | None) -> Trend | None:
    """By the first number of each: of a blood pressure the systolic."""
    try:
        one, other = (Decimal((value or "").split("/")[0]) for value in (newer, older))
    except InvalidOperation:
        return None
    if one == other:
        return Trend.STEADY
    return Trend.UP if one > other else Trend.DOWN
