"""One source's record of one person, while it is being written: local ids, references, meta."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sandbox.population.identity import Identity
from sandbox.population.model import Resource
from sandbox.population.stream import Stream

Reference = dict[str, Any]


@dataclass(slots=True)
class Record:
    """Where one source's resources of a person are collected; `new_id` gives the next id of a type."""

    source: str
    person: Identity
    patient_id: str
    new_id: Callable[[str], str]
    resources: dict[str, list[Resource]]
    draw: Stream

    @property
    def patient(self) -> Reference:
        """The reference to this person's Patient."""
        return {"reference": f"Patient/{self.patient_id}"}

    def add(self, type_name: str, recorded: date | datetime, content: dict[str, Any]) -> Reference:
        """Writes a resource, without the elements that are None, and returns the reference to it."""
        local_id = self.new_id(type_name)
        resource: Resource = {"resourceType": type_name, "id": local_id, "meta": meta(recorded)}
        resource.update((name, value) for name, value in content.items() if value is not None)
        self.resources.setdefault(type_name, []).append(resource)
        return {"reference": f"{type_name}/{local_id}"}


def meta(recorded: date | datetime) -> dict[str, Any]:
    """The meta of a resource that entered its source shortly after the day or moment of the event."""
    moment = recorded if isinstance(recorded, datetime) else datetime.combine(recorded, time(9), UTC)
    return {"versionId": "1", "lastUpdated": instant(moment + timedelta(minutes=7))}


def instant(moment: datetime) -> str:
    """A dateTime with seconds and zone."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
