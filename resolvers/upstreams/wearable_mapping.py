"""The wearable vendor's rows as FHIR R4 resources: Observation, Device, Patient.

Ids are stable and name the user first: `<user>-<group>-<type>`, so that a read by id finds whom to ask for.
Two pressures of one group are one panel (`<user>-<group>-bp`); a day's steps are `<user>-<day>-steps`, a
night `<user>-<night>-sleep`, a device `<user>-<device>`. Goals (category 2) are no observations.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from clinical.identifiers import Token
from resolvers.resource import Json
from resolvers.upstreams.wearable_api import Rows
from resolvers.upstreams.wearable_measures import Measure, category, measures, measures_by_type, scaled

MEASURE_SYSTEM: Final = "https://wbsapi.withings.net/measure"
DEVICE_SYSTEM: Final = "https://wbsapi.withings.net/device"
_GOAL: Final = 2
_AMBIGUOUS: Final = 1
_BY_HAND: Final = frozenset((2, 4))
_SLEEP_PHASES: Final = ("lightsleepduration", "deepsleepduration", "remsleepduration")
_NOT_ID: Final = re.compile(r"[^A-Za-z0-9]+")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(slots=True)
class Mapped:
    """Resources by id, and how often what was dropped and why."""

    observations: dict[str, Json] = field(default_factory=dict)
    devices: dict[str, Json] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)

    def problems(self, source: str) -> list[str]:
        """Sentences, safe to show."""
        return [f"{source}: {count} {reason} left out." for reason, count in sorted(self.dropped.items())]


@dataclass(frozen=True, slots=True)
class Mapping:
    """The mapping of one user's rows. `ambiguous`: what becomes of a measurement that may be another
    person's (`attrib` 1)."""

    user: str
    zone: ZoneInfo
    ambiguous: str
    into: Mapped

    def measures(self, found: Rows) -> None:
        """Measure groups: one Observation for each measure, pressures together."""
        zone = _zone(found.timezone, self.zone)
        for group in found.rows:
            if not isinstance(group, dict) or not _is_whole(group.get("grpid")):
                self.into.dropped["unreadable rows"] += 1
            elif group.get("category") == _GOAL:
                continue
            elif group.get("attrib") == _AMBIGUOUS and self.ambiguous == "withhold":
                self.into.dropped["measurements that may be another person's"] += 1
            else:
                self._group(group, zone)

    def activities(self, found: Rows) -> None:
        """Days of activity: the steps of each."""
        steps = measures()["steps"]
        for row in found.rows:
            day = row.get("date") if isinstance(row, dict) else None
            if not isinstance(day, str) or _DAY.fullmatch(day) is None:
                self.into.dropped["unreadable rows"] += 1
                continue
            if "steps" not in row or (quantity := self._quantity(steps, scaled(row["steps"], 0))) is None:
                continue
            resource = self._observation(f"{day}-steps", [f"{day}:steps"], row, "activity", steps.concept)
            resource |= {"effectiveDateTime": day, "valueQuantity": quantity}
            self._add(resource, row)

    def nights(self, found: Rows) -> None:
        """Nights of sleep: how long, and how long in each phase."""
        sleep = measures()["sleep"]
        for row in found.rows:
            data = row.get("data") if isinstance(row, dict) else None
            if not isinstance(data, dict) or not _is_whole(row.get("id")):
                self.into.dropped["unreadable rows"] += 1
                continue
            zone = _zone(row.get("timezone"), self.zone)
            period = {"start": _moment(row.get("startdate"), zone), "end": _moment(row.get("enddate"), zone)}
            if (quantity := self._quantity(sleep, _slept(data))) is None or None in period.values():
                continue
            night = row["id"]
            resource = self._observation(f"{night}-sleep", [f"{night}:sleep"], row, "activity", sleep.concept)
            resource |= {"effectivePeriod": period, "valueQuantity": quantity}
            self._put_components(
                resource, ((measures()[name], scaled(data.get(name), 0)) for name in _SLEEP_PHASES)
            )
            self._add(resource, row)

    def _group(self, group: Json, zone: ZoneInfo) -> None:
        moment = _moment(group.get("date"), zone)
        listed = group.get("measures")
        if moment is None or not isinstance(listed, list):
            self.into.dropped["unreadable rows"] += 1
            return
        values = dict(self._values(listed))
        panel = {key: value for key, value in values.items() if measures()[key].panel == "bp"}
        for key, value in values.items():
            if key not in panel and (quantity := self._quantity(measures()[key], value)) is not None:
                row = measures()[key]
                resource = self._measured(group, moment, str(row.type), [row.type], row.concept)
                self._add(resource | {"valueQuantity": quantity}, group)
        if panel:
            self._pressure(group, moment, panel)

    def _pressure(self, group: Json, moment: str, panel: dict[str, Decimal]) -> None:
        types = sorted(measures()[key].type or 0 for key in panel)
        resource = self._measured(group, moment, "bp", types, measures()["bp"].concept)
        self._put_components(
            resource, ((measures()[key], value) for key, value in sorted(panel.items(), reverse=True))
        )
        if "component" in resource:
            self._add(resource, group)

    def _values(self, listed: Sequence[object]) -> Iterator[tuple[str, Decimal]]:
        for one in listed:
            row = measures_by_type().get(one.get("type", 0)) if isinstance(one, dict) else None
            if isinstance(one, dict) and row is None:
                continue  # a measure that nobody asked for
            value = scaled(one.get("value"), one.get("unit")) if isinstance(one, dict) else None
            if row is None or value is None:
                self.into.dropped["unreadable values"] += 1
            else:
                yield row.key, value

    def _measured(
        self, group: Json, moment: str, suffix: str, types: Iterable[int | None], concept: Json
    ) -> Json:
        identifiers = [f"{group['grpid']}:{kind}" for kind in types]
        resource = self._observation(f"{group['grpid']}-{suffix}", identifiers, group, "vital-signs", concept)
        return resource | {"effectiveDateTime": moment}

    def _observation(
        self, suffix: str, identifiers: Sequence[str], row: Json, kind: str, concept: Json
    ) -> Json:
        is_ambiguous = row.get("attrib") == _AMBIGUOUS
        resource: Json = {
            "resourceType": "Observation",
            "id": f"{self.user}-{suffix}",
            "identifier": [{"system": MEASURE_SYSTEM, "value": text} for text in identifiers],
            "status": "preliminary" if is_ambiguous else "final",
            "category": [category(kind)],
            "code": concept,
            "subject": {"reference": f"Patient/{self.user}"},
        }
        if modified := _moment(row.get("modified"), UTC):
            resource["meta"] = {"lastUpdated": modified}
        if row.get("attrib") in _BY_HAND:
            resource["performer"] = [{"reference": f"Patient/{self.user}"}]
        if is_ambiguous:
            resource["note"] = [{"text": "The device could not tell whose measurement this is."}]
        return resource

    def _put_components(self, resource: Json, values: Iterable[tuple[Measure, Decimal | None]]) -> None:
        components = [
            {"code": row.concept, "valueQuantity": quantity}
            for row, value in values
            if value is not None and (quantity := self._quantity(row, value)) is not None
        ]
        if components:
            resource["component"] = components

    def _quantity(self, row: Measure, value: Decimal | None) -> Json | None:
        quantity = None if value is None else row.quantity(value)
        if quantity is None:
            self.into.dropped["values that are no measurements"] += 1
        return quantity

    def _add(self, resource: Json, row: Json) -> None:
        if device := self._device(row):
            resource["device"] = {"reference": f"Device/{device}"}
        if self.into.observations.setdefault(resource["id"], resource) is not resource:
            self.into.dropped["repeated rows"] += 1

    def _device(self, row: Json) -> str | None:
        """The id of the Device that took a measurement; the Device itself is entered on the way."""
        serial = next((row[n] for n in ("deviceid", "hash_deviceid") if isinstance(row.get(n), str)), None)
        model = row.get("model") if isinstance(row.get("model"), str) else None
        word = _NOT_ID.sub("-", serial or model or "").strip("-")
        if not word:
            return None
        own_id = f"{self.user}-{word}"[:64]
        device = self.into.devices.setdefault(
            own_id,
            {
                "resourceType": "Device",
                "id": own_id,
                **({"identifier": [{"system": DEVICE_SYSTEM, "value": serial}]} if serial else {}),
                "patient": {"reference": f"Patient/{self.user}"},
            },
        )
        if model and "deviceName" not in device:
            device["deviceName"] = [{"name": model, "type": "model-name"}]
        return own_id


def patient(user: str, identifiers: Sequence[Token]) -> Json:
    """The user as a Patient. Only the link table says who it is; the vendor does not."""
    resource: Json = {"resourceType": "Patient", "id": user, "active": True}
    if identifiers:
        resource["identifier"] = [{"system": token.system, "value": token.code} for token in identifiers]
    return resource


def user_of(resource_id: str) -> str:
    """Whose resource an id is."""
    return resource_id.partition("-")[0]


def _slept(data: Json) -> Decimal | None:
    """The total where it is given, else the phases together."""
    if (total := scaled(data.get("total_sleep_time"), 0)) is not None:
        return total
    phases = [value for name in _SLEEP_PHASES if (value := scaled(data.get(name), 0)) is not None]
    return sum(phases, Decimal()) if phases else None


def _zone(name: object, default: ZoneInfo) -> ZoneInfo:
    try:
        return ZoneInfo(name) if isinstance(name, str) else default
    except (ValueError, OSError, KeyError):
        return default


def _moment(seconds: object, zone: Any) -> str | None:
    """Unix seconds as an instant in a time zone; None for what is none."""
    if not isinstance(seconds, int) or isinstance(seconds, bool):
        return None
    try:
        return datetime.fromtimestamp(seconds, zone).isoformat()
    except (OverflowError, ValueError, OSError):
        return None


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
