"""The wearable vendor's users and their rows as FHIR R4 resources: what every mapping shares.

Ids are stable and name the user first: `<user>-<group>-<type>`, so that a read by id finds whom to ask for.
Two pressures of one group are one panel (`<user>-<group>-bp`); a day's steps are `<user>-<day>-steps`, a
night `<user>-<night>-sleep`, a device `<user>-<device>`.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from clinical.identifiers import Token
from resolvers.resource import Json
from resolvers.upstreams.wearable_measures import Measure, category

MEASURE_SYSTEM: Final = "https://wbsapi.withings.net/measure"
DEVICE_SYSTEM: Final = "https://wbsapi.withings.net/device"
AMBIGUOUS: Final = 1
_BY_HAND: Final = frozenset((2, 4))
_ID_LENGTH: Final = 64
_NOT_ID: Final = re.compile(r"[^A-Za-z0-9]+")

UNREADABLE: Final = "unreadable rows"


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
class User:
    """One user, in whose time zone the rows are, and what their rows are mapped into."""

    id: str
    zone: ZoneInfo
    into: Mapped

    def observation(
        self, suffix: str, identifiers: Sequence[str], row: Json, kind: str, concept: Json
    ) -> Json:
        """An Observation without its time and value. `kind` is its category."""
        is_ambiguous = row.get("attrib") == AMBIGUOUS
        modified = moment(row.get("modified"), UTC)
        resource: Json = {
            "resourceType": "Observation",
            "id": f"{self.id}-{suffix}",
            **({"meta": {"lastUpdated": modified}} if modified else {}),
            "identifier": [{"system": MEASURE_SYSTEM, "value": text} for text in identifiers],
            "status": "preliminary" if is_ambiguous else "final",
            "category": [category(kind)],
            "code": concept,
            "subject": {"reference": f"Patient/{self.id}"},
        }
        if row.get("attrib") in _BY_HAND:
            resource["performer"] = [{"reference": f"Patient/{self.id}"}]
        if is_ambiguous:
            resource["note"] = [{"text": "The device could not tell whose measurement this is."}]
        return resource

    def quantity(self, measure: Measure, value: Decimal | None) -> Json | None:
        """A value as a Quantity; None, and told, where it is no measurement."""
        quantity = None if value is None else measure.quantity(value)
        if quantity is None:
            self.into.dropped["values that are no measurements"] += 1
        return quantity

    def components(self, values: Iterable[tuple[Measure, Decimal | None]]) -> Json:
        """The element `component`, where any of the values is a measurement."""
        components = [
            {"code": measure.concept, "valueQuantity": quantity}
            for measure, value in values
            if value is not None and (quantity := self.quantity(measure, value)) is not None
        ]
        return {"component": components} if components else {}

    def add(self, resource: Json, row: Json) -> None:
        """Enters an Observation, with the device that took it."""
        if device := self._device(row):
            resource["device"] = {"reference": f"Device/{device}"}
        if self.into.observations.setdefault(resource["id"], resource) is not resource:
            self.into.dropped["repeated rows"] += 1

    def _device(self, row: Json) -> str | None:
        """The id of the Device that took a measurement; the Device itself is entered on the way."""
        serial = next((row[name] for name in ("deviceid", "hash_deviceid") if _is_text(row.get(name))), None)
        model = row["model"] if _is_text(row.get("model")) else None
        word = _NOT_ID.sub("-", serial or model or "").strip("-")
        if not word:
            return None
        own_id = f"{self.id}-{word}"[:_ID_LENGTH]
        device = self.into.devices.setdefault(
            own_id,
            {
                "resourceType": "Device",
                "id": own_id,
                **({"identifier": [{"system": DEVICE_SYSTEM, "value": serial}]} if serial else {}),
                "patient": {"reference": f"Patient/{self.id}"},
            },
        )
        if model:
            device.setdefault("deviceName", [{"name": model, "type": "model-name"}])
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


def zone_of(name: object, default: ZoneInfo) -> ZoneInfo:
    """The time zone of that name; the default where there is none."""
    try:
        return ZoneInfo(name) if isinstance(name, str) else default
    except (ValueError, OSError, KeyError):
        return default


def moment(seconds: object, zone: tzinfo) -> str | None:
    """Unix seconds as a dateTime in a time zone; None for what is none."""
    if not isinstance(seconds, int) or isinstance(seconds, bool):
        return None
    try:
        return datetime.fromtimestamp(seconds, zone).isoformat()
    except (OverflowError, ValueError, OSError):
        return None


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""
