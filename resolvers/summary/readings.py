"""What stands in FHIR's data types, as the plain text and dates of a compact view."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from clinical.codec import DecimalInvalid, digits
from clinical.dates import EARLIEST, DateInvalid, interval
from clinical.display import PREFERRED_SYSTEMS, concept_text
from resolvers.resource import Json


def objects(value: Any) -> Iterator[Json]:
    """The objects in what should be one or a list of them."""
    listed = value if isinstance(value, list) else (value,)
    return (one for one in listed if isinstance(one, dict))


def text(value: Any) -> str | None:
    """A text that is there and not empty."""
    return value if isinstance(value, str) and value.strip() else None


def words(value: Any, preferred: Sequence[str] = PREFERRED_SYSTEMS) -> str | None:
    """The first CodeableConcept of an element in words (`clinical.display`), or else by its code."""
    for concept in objects(value):
        found = concept_text(concept, preferred) or code(concept)
        if found is not None:
            return found
    return None


def codes(value: Any) -> Iterator[tuple[str, str]]:
    """System (empty where there is none) and code of every coding."""
    for concept in objects(value):
        for coding in objects(concept.get("coding")):
            code = text(coding.get("code"))
            if code is not None:
                yield text(coding.get("system")) or "", code


def code(value: Any) -> str | None:
    """The first code of a CodeableConcept."""
    return next((one for _, one in codes(value)), None)


def date(resource: Json, *elements: str) -> str | None:
    """The first date among some elements as recorded: of a choice the dateTime, of a Period its start."""
    for element in elements:
        for name in (element, f"{element}DateTime", f"{element}Date"):
            if found := text(resource.get(name)):
                return found
        for name in (element, f"{element}Period"):
            for period in objects(resource.get(name)):
                if found := text(period.get("start")):
                    return found
    return None


def moment(recorded: str | None) -> datetime:
    """When a date began, for sorting; before all others where there is none that can be read."""
    try:
        return interval(recorded).low if recorded else EARLIEST
    except DateInvalid:
        return EARLIEST


def quantity(value: Any) -> tuple[str | None, str | None]:
    """A Quantity's number with its comparator and its digits as recorded, and its unit."""
    for one in objects(value):
        try:
            number = digits(one["value"])
        except (KeyError, DecimalInvalid):
            continue
        return (text(one.get("comparator")) or "") + number, text(one.get("unit")) or text(one.get("code"))
    return None, None


def joined(parts: Sequence[str | None], by: str) -> str | None:
    """The parts that are there, None where none is."""
    there = [one for one in parts if one]
    return by.join(there) if there else None
