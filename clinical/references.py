"""Reference texts: what `Reference.reference` points to (R4 references 2.3.0)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

ReferenceKind = Literal["relative", "absolute", "contained", "urn", "logical"]

_ID = r"[A-Za-z0-9\-.]{1,64}"
_LOCAL = rf"(?P<type>[A-Z][A-Za-z]{{0,63}})/(?P<id>{_ID})(?:/_history/(?P<version>{_ID}))?"
_RELATIVE = re.compile(_LOCAL)
_ABSOLUTE = re.compile(rf"(?P<base>https?://[^?#\s]+?)/{_LOCAL}")
_WEB = re.compile(r"https?://", re.IGNORECASE)
_ID_TEXT = re.compile(_ID)
_PATH_STEPS = frozenset((".", ".."))
# A source decides how long its references are, not how much memory they take here.
_LONGEST_REMEMBERED = 300
_PROFILES = "http://hl7.org/fhir/StructureDefinition/"


@dataclass(frozen=True, slots=True)
class ParsedReference:
    """A reference taken apart.

    relative: `type`, `id`, perhaps `version`. absolute: `base` as well; all None where the address is
    not that of a FHIR resource. contained: `id` without the `#` (None for the container itself).
    urn: none of them. logical: a text that addresses nothing.
    """

    kind: ReferenceKind
    base: str | None = None
    type: str | None = None
    id: str | None = None
    version: str | None = None

    @property
    def local(self) -> str | None:
        """`Type/id` without base and version; None where the reference does not say both."""
        return f"{self.type}/{self.id}" if self.type and self.id else None


def parse_reference(text: str) -> ParsedReference:
    """The parts of a reference text; never raises, a text that says nothing is `logical`."""
    return _remembered(text) if len(text) <= _LONGEST_REMEMBERED else _parsed(text)


def _parsed(text: str) -> ParsedReference:
    if text.startswith("#"):
        return ParsedReference("contained", id=text[1:] or None)
    if text.startswith("urn:"):
        return ParsedReference("urn")
    if found := _RELATIVE.fullmatch(text):
        return _resource("relative", None, found)
    if _WEB.match(text):
        found = _ABSOLUTE.fullmatch(text)
        return _resource("absolute", found["base"], found) if found else ParsedReference("absolute")
    return ParsedReference("logical")


_remembered = lru_cache(maxsize=16384)(_parsed)


def reference_text(reference: object) -> str | None:
    """The text of a Reference (or of a canonical, which is a text itself); None where there is none."""
    text = reference.get("reference") if isinstance(reference, dict) else reference
    return text if isinstance(text, str) and text else None


def contained_resource(local_id: str | None, resource: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The resource in `contained` with that id, as `#id` points to it."""
    candidates = resource.get("contained") if isinstance(resource, dict) else None
    for candidate in candidates if isinstance(candidates, list) else []:
        if local_id and isinstance(candidate, dict) and candidate.get("id") == local_id:
            return candidate
    return None


def target_type(reference: object, resource: Mapping[str, Any]) -> str | None:
    """The type of the resource a reference in `resource` points to, as far as the records say it.

    What the text says counts before `Reference.type`.
    """
    text = reference_text(reference)
    if text is not None:
        parsed = parse_reference(text)
        if parsed.kind == "contained":
            target = contained_resource(parsed.id, resource)
            return _text(target.get("resourceType")) if target else None
        if parsed.type is not None:
            return parsed.type
    stated = _text(reference.get("type")) if isinstance(reference, dict) else None
    return stated.removeprefix(_PROFILES) if stated else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def is_resource_id(text: str) -> bool:
    """Whether the text may stand as a FHIR id in an address (R4 datatypes, id)."""
    return _ID_TEXT.fullmatch(text) is not None and text not in _PATH_STEPS


def _resource(
    kind: Literal["relative", "absolute"], base: str | None, found: re.Match[str]
) -> ParsedReference:
    version = found["version"]
    # `.` and `..` fit FHIR's id pattern but would climb in the path of an address.
    if not is_resource_id(found["id"]) or (version is not None and not is_resource_id(version)):
        return ParsedReference("absolute" if kind == "absolute" else "logical")
    return ParsedReference(kind, base, found["type"], found["id"], version)
