"""Texts to show for FHIR's data types: a concept, a person's name, an amount.

Each reads plain JSON as recorded. What is misshapen counts as absent, and nothing is made up: where there is
no text, there is None.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from clinical.codec import DecimalInvalid, digits

Json = Mapping[str, Any]

PREFERRED_SYSTEMS: Final = ("http://snomed.info/sct",)
"""The code systems whose words are taken first: SNOMED CT, which the NHS writes records in."""

_UNIT_ONE: Final = "1"
"""UCUM's code for no unit."""


def concept_text(concept: Json, preferred: Iterable[str] = PREFERRED_SYSTEMS) -> str | None:
    """A CodeableConcept in words (R4 datatypes 2.24.0.4): the display of the first preferred system that has
    one, else `text`, else the coding that a person chose, else the first that has a display."""
    codings = [one for one in _list(concept.get("coding")) if isinstance(one, dict)]
    shown = [(one, text) for one in codings if (text := _text(one.get("display")))]
    for system in preferred:
        for one, text in shown:
            if one.get("system") == system:
                return text
    if text := _text(concept.get("text")):
        return text
    chosen = (text for one, text in shown if one.get("userSelected") is True)
    return next(chosen, None) or next((text for _, text in shown), None)


def name_text(name: Json) -> str | None:
    """A HumanName on one line (R4 datatypes 2.24.0.13): `text` where it is given, else its parts in order."""
    if text := _text(name.get("text")):
        return text
    return " ".join(_parts(name)) or None


def quantity_text(quantity: Json) -> str | None:
    """An amount as it was recorded, comparator and unit with it: `5.10 mmol/L`, `<3 mg/L`; None without a
    value. The unit is the words that stand there, else the code (R4 datatypes 2.24.0.8)."""
    try:
        number = digits(quantity.get("value"))
    except DecimalInvalid:
        return None
    comparator = _text(quantity.get("comparator")) or ""
    unit = _text(quantity.get("unit")) or _text(quantity.get("code"))
    return f"{comparator}{number} {unit}" if unit and unit != _UNIT_ONE else f"{comparator}{number}"


def _parts(name: Json) -> Iterator[str]:
    for one in (*_list(name.get("prefix")), *_list(name.get("given"))):
        if text := _text(one):
            yield text
    if text := _text(name.get("family")):
        yield text
    for one in _list(name.get("suffix")):
        if text := _text(one):
            yield text


def _text(value: Any) -> str | None:
    return (value.strip() or None) if isinstance(value, str) else None


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()
