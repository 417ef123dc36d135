"""A laboratory's result as FHIR R4: one DiagnosticReport, and one Observation for each marker.

Ids are stable: the report has its order's, a marker `<order>.<marker>` (and `.2` where an order has two).
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from zoneinfo import ZoneInfo

from resolvers.resource import Json
from resolvers.upstreams.laboratory_values import LOINC, concept_of, interpretation_of, range_of, value_of
from resolvers.upstreams.mapped_values import as_datetime, as_instant, id_of, text_of

_CATEGORY: Final = {
    "system": "http://terminology.hl7.org/CodeSystem/observation-category",
    "code": "laboratory",
    "display": "Laboratory",
}
_SECTION: Final = {
    "system": "http://terminology.hl7.org/CodeSystem/v2-0074",
    "code": "LAB",
    "display": "Laboratory",
}
_REPORT: Final = {
    "coding": [{"system": LOINC, "code": "11502-2", "display": "Laboratory report"}],
    "text": "Laboratory report",
}
_NOT_ID: Final = re.compile(r"[^A-Za-z0-9-]+")
_MARKER_LENGTH: Final = 18


@dataclass(slots=True)
class MappedResults:
    """Resources by type and id, and how often what was left out and why."""

    base_url: str
    zone: ZoneInfo
    rows: dict[tuple[str, str], Json] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)

    def add(self, order: str, user: str, result: Mapping[str, Any]) -> None:
        """Enters the result of an order. One that says it is another user's is left out and told."""
        if result.get("user_id") != user:
            self.dropped["results of somebody else"] += 1
            return
        shared = self._shared(user, result)
        markers = result.get("markers")
        if not isinstance(markers, list):
            self.dropped["results without a list of markers"] += 1
            markers = []
        observations = [self._observation(order, one, shared) for one in markers]
        references = [{"reference": f"Observation/{one['id']}"} for one in observations if one]
        self._add(self._report(order, result, shared, references))

    def problems(self, source: str) -> tuple[str, ...]:
        """Sentences, safe to show."""
        return tuple(
            f"{source}: {count} {reason} left out." for reason, count in sorted(self.dropped.items())
        )

    def _shared(self, user: str, result: Mapping[str, Any]) -> Json:
        """What the report and its Observations have in common."""
        reported = as_instant(result.get("reported_at"), self.zone)
        shared: Json = {
            "status": "final" if reported else "preliminary",
            "subject": {"reference": f"Patient/{user}"},
        }
        if collected := as_datetime(result.get("collected_at"), self.zone):
            shared["effectiveDateTime"] = collected
        if reported:
            shared["issued"] = reported
        for name, element in (("collected_at", "effectiveDateTime"), ("reported_at", "issued")):
            if result.get(name) is not None and element not in shared:
                self.dropped["times that are none"] += 1
        lab = result.get("lab")
        if isinstance(lab, dict) and (name_of_lab := text_of(lab.get("name"))):
            shared["performer"] = [{"display": name_of_lab}]
        return shared

    def _observation(self, order: str, marker: object, shared: Json) -> Json | None:
        if not isinstance(marker, dict):
            self.dropped["markers that cannot be read"] += 1
            return None
        own_id = self._own_id(order, marker)
        notes, specimen = text_of(marker.get("notes")), text_of(marker.get("type"))
        row: Json = {
            "resourceType": "Observation",
            "id": own_id,
            "identifier": [{"system": f"{self.base_url}/marker", "value": own_id}],
            **shared,
            "category": [{"coding": [_CATEGORY]}],
            "code": concept_of(marker, f"{self.base_url}/marker"),
            **value_of(marker),
            **interpretation_of(marker),
            **({"note": [{"text": notes}]} if notes else {}),
            **({"specimen": {"display": specimen}} if specimen else {}),
            **range_of(marker),
        }
        return self._add(row)

    def _own_id(self, order: str, marker: Mapping[str, Any]) -> str:
        said = id_of(marker.get("id")) or text_of(marker.get("name")) or "marker"
        word = _NOT_ID.sub("-", said).strip("-")[:_MARKER_LENGTH] or "marker"
        own_id, count = f"{order}.{word}", 1
        while ("Observation", own_id) in self.rows:
            count += 1
            own_id = f"{order}.{word}.{count}"
        return own_id

    def _report(self, order: str, result: Mapping[str, Any], shared: Json, references: list[Json]) -> Json:
        address = text_of(result.get("pdf_url"))
        form = {"contentType": "application/pdf", "url": address, "title": "Laboratory report"}
        return {
            "resourceType": "DiagnosticReport",
            "id": order,
            "identifier": [{"system": f"{self.base_url}/order", "value": order}],
            **shared,
            "category": [{"coding": [_SECTION]}],
            "code": _REPORT,
            **({"result": references} if references else {}),
            **({"presentedForm": [form]} if address else {}),
        }

    def _add(self, row: Json) -> Json:
        self.rows[row["resourceType"], row["id"]] = row
        return row
