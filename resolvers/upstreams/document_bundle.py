"""A patient's document, one Bundle, as resources of that patient alone.

Such Bundles (`collection`) have no fullUrl to speak of, and ids that count inside them only. Every id is
therefore put behind the patient's, `<patient>.<id>`, and references to something in the Bundle are led there.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from clinical.codec import encode_json
from clinical.compartment import patient_parameter, patient_references
from clinical.references import is_resource_id, parse_reference
from resolvers.resource import Json
from resolvers.upstreams.document_address import Addresses
from resolvers.upstreams.http_answers import strange_answer

_ID_LENGTH: Final = 64
_DIGEST_LENGTH: Final = 24
_KINDS: Final = frozenset(("collection", "document", "searchset"))

Conversion = Callable[[Json], Json]
"""A resource as the source writes it -> as FHIR R4."""


def _as_it_is(resource: Json) -> Json:
    return resource


CONVERSIONS: Final[Mapping[str, Conversion]] = {"R4": _as_it_is}
"""By the FHIR version that a source speaks: here, and nowhere else, a document's resources become R4."""


@dataclass(slots=True)
class DocumentReading:
    """The reading of one document. `rows`: resources by type and id; `dropped`: what was left out, and how
    often."""

    source: str
    patient: str
    addresses: Addresses
    to_r4: Conversion
    base_url: str
    rows: dict[tuple[str, str], Json] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)
    _new: dict[str, str] = field(default_factory=dict)

    def steps(self, bundle: Mapping[str, Any]) -> Iterator[None]:
        """Reads the document, resource by resource, so that others may have a turn in between. Raises
        UpstreamInvalidResponse for what is no Bundle, or not this patient's."""
        found = self._entries(bundle)
        if not found:
            return
        own = self._own_patient([row for row, _ in found if row["resourceType"] == "Patient"])
        for row, address in found:
            self._rename(row, address, row is own)
        for row, _ in found:
            yield
            self._enter(row, row is own)

    def problems(self) -> tuple[str, ...]:
        """Sentences, safe to show."""
        said = sorted((what, count) for what, count in self.dropped.items() if count)
        return tuple(f"{self.source}: {count} {what} left out." for what, count in said)

    def _entries(self, bundle: Mapping[str, Any]) -> list[tuple[Json, str | None]]:
        """The resources as R4, each with its address as it goes in references of the Bundle."""
        listed = bundle.get("entry") or []
        if bundle.get("resourceType") != "Bundle" or bundle.get("type") not in _KINDS:
            raise strange_answer(self.source, "no document")
        if not isinstance(listed, list):
            raise strange_answer(self.source, "no entries")
        links = bundle.get("link")
        links = links if isinstance(links, list) else []
        if any(isinstance(one, dict) and one.get("relation") == "next" for one in links):
            self.dropped["further pages"] += 1
        found = []
        for entry in listed:
            row = entry.get("resource") if isinstance(entry, dict) else None
            if not isinstance(row, dict) or not isinstance(row.get("resourceType"), str):
                self.dropped["entries that cannot be read"] += 1
            elif row["resourceType"] == "OperationOutcome":
                self.dropped["parts that the source could not give"] += _has_failed(row)
            else:
                found.append((self.to_r4(row), _address(entry.get("fullUrl"), self.base_url)))
        return found

    def _own_patient(self, patients: list[Json]) -> Json | None:
        """The Patient whose document this is. Raises UpstreamInvalidResponse where it is somebody else's."""
        own = [one for one in patients if self.addresses.is_of(self.patient, one)]
        if len(own) != 1:
            raise strange_answer(self.source, "a document of somebody else")
        return own[0]

    def _rename(self, row: Json, address: str | None, is_own: bool) -> None:
        kind, old = row["resourceType"], row.get("id")
        old = old if isinstance(old, str) and is_resource_id(old) else None
        row["id"] = self.patient if is_own else own_id(self.patient, old, row)
        new = f"{kind}/{row['id']}"
        for text in (f"{kind}/{old}" if old else None, address):
            if text is not None:
                self._new.setdefault(text, new)

    def _enter(self, row: Json, is_own: bool) -> None:
        row = self._led(row)
        if is_own:
            row["identifier"] = _joined(row.get("identifier"), self.addresses.identifiers(self.patient))
        elif not self._is_about_own(row):
            self.dropped["entries about nobody, or about somebody else,"] += 1
            return
        if self.rows.setdefault((row["resourceType"], row["id"]), row) != row:
            self.dropped["repeated entries"] += 1

    def _is_about_own(self, row: Json) -> bool:
        """Whether a resource is about the patient, or of a type that is about no patient at all."""
        if row["resourceType"] == "Patient":
            return False
        if patient_parameter(row["resourceType"]) is None:
            return True
        return set(patient_references(row)) == {f"Patient/{self.patient}"}

    def _local(self, text: str) -> str | None:
        """`Type/id` where a reference, perhaps versioned, leads to this source."""
        parsed = parse_reference(text)
        return parsed.local if parsed.base in (None, self.base_url) else None

    def _led(self, value: Any) -> Any:
        """The same, its references leading to the new ids."""
        if isinstance(value, list):
            return [self._led(one) for one in value]
        if not isinstance(value, dict):
            return value
        led = {name: self._led(one) for name, one in value.items()}
        if isinstance(text := led.get("reference"), str):
            led["reference"] = self._new.get(text) or self._new.get(self._local(text) or "") or text
        return led


def own_id(patient: str, old: str | None, row: Json) -> str:
    """An id of a resource in a patient's document: the old one behind the patient's. One too long for that is
    told by its digest, and a resource without an id by its content."""
    if old is not None and len(patient) + 1 + len(old) <= _ID_LENGTH:
        return f"{patient}.{old}"
    content = old.encode() if old is not None else encode_json(row)
    return f"{patient}.{hashlib.sha256(content).hexdigest()[:_DIGEST_LENGTH]}"


def _has_failed(outcome: Json) -> bool:
    issues = outcome.get("issue")
    rows = [row for row in issues if isinstance(row, dict)] if isinstance(issues, list) else []
    return any(row.get("severity") in ("error", "fatal") for row in rows)


def _address(full_url: object, base_url: str) -> str | None:
    """A fullUrl as references name it."""
    if not isinstance(full_url, str):
        return None
    return full_url.removeprefix(f"{base_url}/")


def _joined(stated: object, known: list[Json]) -> list[Json]:
    """The identifiers that a record states, and those that are known beside."""
    rows = [row for row in stated if isinstance(row, dict)] if isinstance(stated, list) else []
    values = {(row.get("system"), row.get("value")) for row in rows}
    return rows + [row for row in known if (row["system"], row["value"]) not in values]
