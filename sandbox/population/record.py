"""Where resources are written: one register per source, one record per person in it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from sandbox.population.identity import Identity
from sandbox.population.model import Resource
from sandbox.population.stream import Stream

Reference = dict[str, Any]
LONDON = ZoneInfo("Europe/London")


@dataclass(slots=True)
class Register:
    """All resources of one place: the hospital, or one practice. `new_id` gives the next id of a type."""

    source: str
    place: str
    new_id: Callable[[str], str]
    resources: dict[str, list[Resource]]

    def add(self, type_name: str, recorded: date | datetime, content: dict[str, Any]) -> Reference:
        """Writes a resource, without the elements that are None or empty, and returns a reference to it."""
        return self.add_as(self.new_id(type_name), type_name, recorded, content)

    def add_as(
        self, local_id: str, type_name: str, recorded: date | datetime, content: dict[str, Any]
    ) -> Reference:
        """The same, under a given id."""
        written = content.pop("meta", {})
        resource: Resource = {"resourceType": type_name, "id": local_id, "meta": meta(recorded) | written}
        resource.update((name, value) for name, value in content.items() if value not in (None, [], {}))
        self.resources.setdefault(type_name, []).append(resource)
        return {"reference": f"{type_name}/{local_id}"}


@dataclass(frozen=True, slots=True)
class Record:
    """One person's record in a register."""

    register: Register
    person: Identity
    patient_id: str
    draw: Stream

    @property
    def source(self) -> str:
        """`ehr` or `gp`."""
        return self.register.source

    @property
    def patient(self) -> Reference:
        """The reference to this person's Patient."""
        return {"reference": f"Patient/{self.patient_id}"}

    def add(self, type_name: str, recorded: date | datetime, content: dict[str, Any]) -> Reference:
        """Writes a resource into the register and returns a reference to it."""
        return self.register.add(type_name, recorded, content)

    def moment(self, when: datetime) -> str:
        """A dateTime as this source writes it: the hospital in UTC, a practice in local time."""
        return instant(when) if self.source == "ehr" else local_time(when)


def meta(recorded: date | datetime) -> dict[str, Any]:
    """The meta of a resource that entered its source shortly after the day or moment of the event."""
    moment = recorded if isinstance(recorded, datetime) else datetime.combine(recorded, time(9), UTC)
    return {"versionId": "1", "lastUpdated": instant(moment + timedelta(minutes=7))}


def instant(moment: datetime) -> str:
    """A dateTime with seconds, in UTC."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def local_time(moment: datetime) -> str:
    """A dateTime with seconds, in London time with its offset."""
    shifted = moment + _offset(moment.date())
    hours = (shifted - moment).seconds // 3600
    return shifted.strftime("%Y-%m-%dT%H:%M:%S") + f"+{hours:02d}:00"


@lru_cache(maxsize=8192)
def _offset(day: date) -> timedelta:
    return datetime.combine(day, time(12), LONDON).utcoffset() or timedelta()
