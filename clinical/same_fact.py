"""Whether two records of one type are one clinical fact, recorded twice.

They are where they carry the same business identifier and contradict each other in nothing, or where
all that the type's row of `same-fact-r4.tsv` names is equal. A row is `code` (a CodeableConcept of which
one coding must be shared), `required` (elements that must be there; `a|b`: either) and `equal` (elements
that must be the same, or be absent in both). A type without a row knows identifiers only.

Values are compared as recorded, without converting units: 5.10 and 5.1 are equal as numbers, 2019 and
2019-01-01 are not the same time. A performer is the same by business identifier or absolute address: `1` of
one source is nobody known to another. Text is never compared in the place of a code.
"""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from clinical.codec import DecimalInvalid, as_decimal
from clinical.dates import Interval, recorded_interval
from clinical.paths import choice_types
from clinical.tables import read_rows

Json = Mapping[str, Any]
_ERROR = "entered-in-error"
_UNSAID = ("id", "extension", "display", "userSelected", "text")
"""What says nothing of a fact, or in words only, inside of an element."""


@dataclass(frozen=True, slots=True)
class _Rule:
    code: str
    required: tuple[tuple[str, ...], ...]
    equal: tuple[str, ...]


_BY_IDENTIFIER = _Rule("code", (), ())


@dataclass(frozen=True, slots=True)
class Fact:
    """What a record says, as far as it tells facts apart. `marks`: two that share one may be the same."""

    marks: frozenset[Hashable]
    codes: frozenset[Hashable]
    says: Mapping[str, Hashable]
    is_error: bool

    def is_same(self, other: "Fact") -> bool:
        """Whether both are one fact."""
        return self.is_error == other.is_error and any(
            mark[0] == "rule" or not self._contradicts(other)  # type: ignore[index]
            for mark in self.marks & other.marks
        )

    def _contradicts(self, other: "Fact") -> bool:
        if self.codes and other.codes and not self.codes & other.codes:
            return True
        return any(
            _differ(name, said, other.says[name]) for name, said in self.says.items() if name in other.says
        )


def fact_of(resource: Json, source: str) -> Fact:
    """The fact in a record; `source` says where it is from: what is local there is the same nowhere else."""
    type_ = str(resource.get("resourceType"))
    rule = _rules().get(type_)
    named = rule or _BY_IDENTIFIER
    codes = frozenset(_codes(_value(resource, type_, named.code)))
    names = dict.fromkeys(name for part in named.required for name in part) | dict.fromkeys(named.equal)
    says = {name: said for name in names if (said := _said(resource, type_, name, source)) is not None}
    marks: set[Hashable] = {("identifier", *one) for one in _identifiers(resource)}
    if rule is not None and all(any(name in says for name in part) for part in rule.required):
        whole = tuple(says.get(name) for name in names)
        marks |= {("rule", code, whole) for code in codes}
    return Fact(frozenset(marks), codes, says, _is_error(resource))


@cache
def _rules() -> Mapping[str, _Rule]:
    return {
        row["type"]: _Rule(
            row["code"],
            tuple(tuple(part.split("|")) for part in (row["required"] or "").split()),
            tuple((row["equal"] or "").split()),
        )
        for row in read_rows("same-fact-r4.tsv")
    }


def _differ(name: str, one: Hashable, other: Hashable) -> bool:
    if name == "performer":
        return False  # who did it may be told by one alone, and is named differently by each
    if isinstance(one, Interval) and isinstance(other, Interval):
        return not one.overlaps(other)
    return one != other


def _identifiers(resource: Json) -> Iterator[tuple[str, str]]:
    held = resource.get("identifier")
    for one in held if isinstance(held, list) else [held]:
        if isinstance(one, dict) and one.get("use") != "old":
            system, value = one.get("system"), one.get("value")
            if isinstance(system, str) and isinstance(value, str) and system.strip() and value.strip():
                yield system.strip(), value.strip()


def _value(resource: Json, type_: str, element: str) -> Any:
    """The value of an element, in whichever of its types it is said."""
    for name in _names(type_, element):
        if resource.get(name) is not None:
            return resource[name]
    return None


@cache
def _names(type_: str, element: str) -> tuple[str, ...]:
    return (element, *(f"{element}{kind}" for kind in choice_types(f"{type_}.{element}")))


def _codes(concept: Any) -> Iterator[tuple[str, str]]:
    """The codings of a CodeableConcept that mean the same everywhere: with a system."""
    coding = concept.get("coding") if isinstance(concept, dict) else None
    for one in coding if isinstance(coding, list) else ():
        if isinstance(one, dict) and isinstance(one.get("system"), str) and isinstance(one.get("code"), str):
            yield one["system"], one["code"]


def _said(resource: Json, type_: str, element: str, source: str) -> Hashable | None:
    value = _value(resource, type_, element)
    if value is None or value == [] or value == {}:
        return None
    if f"{element}DateTime" in resource or f"{element}Period" in resource or element == "authoredOn":
        return recorded_interval(value) or ("unreadable", source, str(value))
    return _canonical(value, source)


def _canonical(value: Any, source: str) -> Hashable:
    """A value as it is compared: numbers as numbers, codes without their words, references as people know
    them."""
    if isinstance(value, dict):
        if isinstance(value.get("coding"), list) and (codes := frozenset(_codes(value))):
            return codes
        if "reference" in value:
            return _reference(value, source)
        kept = value if "coding" in value or set(value) <= {*_UNSAID} else _without(value)
        return frozenset((name, _canonical(one, source)) for name, one in kept.items())
    if isinstance(value, list):
        return tuple([_canonical(one, source) for one in value])
    if isinstance(value, str | bool) or value is None:
        return value
    try:
        return as_decimal(value)
    except DecimalInvalid:
        return str(value)


def _without(value: Json) -> Json:
    left_out = {*_UNSAID, "unit"} if value.get("code") is not None else {*_UNSAID}
    return {name: one for name, one in value.items() if name not in left_out}


def _reference(value: Json, source: str) -> Hashable:
    if known := frozenset(_identifiers(value)):
        return known
    text = value.get("reference")
    if isinstance(text, str) and text.startswith(("http:", "https:", "urn:")):
        return text
    return (source, text) if isinstance(text, str) else source


def _is_error(resource: Json) -> bool:
    verification = resource.get("verificationStatus")
    coding = verification.get("coding") if isinstance(verification, dict) else None
    said = [one.get("code") for one in coding if isinstance(one, dict)] if isinstance(coding, list) else []
    return _ERROR in (resource.get("status"), resource.get("lifecycleStatus"), *said)
