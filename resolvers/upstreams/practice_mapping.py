"""A practice's invoices and appointments as FHIR R4.

Ids name the patient first: `<patient>.<id>`. Money is text without a currency, which the settings say. What
the tables practice_statuses.tsv and practice_appointments.tsv do not know is kept as text.
"""

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final
from zoneinfo import ZoneInfo

from resolvers.resource import Json
from resolvers.upstreams.mapped_values import as_datetime, as_instant, as_number, id_of, text_of

_ID: Final = re.compile(r"[A-Za-z0-9-]{1,23}")
_LAST_STEP: Final = re.compile(r"[^?#]*/([A-Za-z0-9-]{1,40})/?")
_UNKNOWN: Final = {
    "extension": [
        {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}
    ]
}


@dataclass(frozen=True, slots=True)
class PracticeMapping:
    """How one practice's rows become resources."""

    base_url: str
    currency: str
    zone: ZoneInfo

    def invoice(self, row: Mapping[str, Any], patient: str, own_id: str) -> Json:
        """A row of `invoices`."""
        said = text_of(row.get("status_description"))
        status = _invoice_status(row)
        mapped: Json = {
            "resourceType": "Invoice",
            "id": f"{patient}.{own_id}",
            "identifier": self._identifiers("invoices", own_id, row),
            **({"status": status} if status else {"_status": _UNKNOWN}),
            "subject": {"reference": f"Patient/{patient}"},
            **self._appointment_of(row, patient),
        }
        if date := as_datetime(row.get("issue_date"), self.zone):
            mapped["date"] = date
        notes = [] if status else [f"Status: {' '.join(filter(None, (said, id_of(row.get('status')))))}"]
        for name, element in (("net_amount", "totalNet"), ("total_amount", "totalGross")):
            if money := self._money(row, name, notes):
                mapped[element] = money
        if money := self._money(row, "tax_amount", notes):
            mapped["totalPriceComponent"] = [{"type": "tax", "amount": money}]
        if notes:
            mapped["note"] = [{"text": note} for note in notes]
        return mapped

    def appointment(self, row: Mapping[str, Any], patient: str, own_id: str) -> Json:
        """A row of `appointments`."""
        mapped: Json = {
            "resourceType": "Appointment",
            "id": f"{patient}.{own_id}",
            "identifier": self._identifiers("appointments", own_id, row),
            "status": _appointment_status(row),
            "participant": [{"actor": {"reference": f"Patient/{patient}"}, "status": "accepted"}],
        }
        for meaning in ("start", "end"):
            stated = row.get(_fields()[meaning])
            if moment := as_instant(stated, self.zone):
                mapped[meaning] = moment
            elif text := text_of(stated):
                mapped["comment"] = "; ".join(filter(None, (mapped.get("comment"), f"{meaning}: {text}")))
        return mapped

    def _identifiers(self, kind: str, own_id: str, row: Mapping[str, Any]) -> list[Json]:
        number = id_of(row.get("number"))
        stated = [{"system": f"{self.base_url}/{kind}", "value": own_id}]
        return stated + ([{"system": f"{self.base_url}/{kind}/number", "value": number}] if number else [])

    def _money(self, row: Mapping[str, Any], name: str, notes: list[str]) -> Json | None:
        """An amount as Money; one that is no number goes into the notes."""
        number = as_number(row.get(name))
        if number is not None:
            return {"value": number, "currency": self.currency}
        if text := text_of(row.get(name)):
            notes.append(f"{name}: {text}")
        return None

    def _appointment_of(self, row: Mapping[str, Any], patient: str) -> Json:
        """R4 has no element for the appointment that was charged for."""
        own_id = linked_id(row, "appointment")
        if own_id is None:
            return {}
        reference = {"reference": f"Appointment/{patient}.{own_id}"}
        return {"extension": [{"url": f"{self.base_url}/appointment", "valueReference": reference}]}


def row_id(row: Mapping[str, Any]) -> str | None:
    """The row's own id, a text or a number; None where it has none that can stand in an id."""
    own_id = id_of(row.get("id"))
    return own_id if own_id is not None and _ID.fullmatch(own_id) else None


def linked_id(row: Mapping[str, Any], name: str) -> str | None:
    """The id of a related record, of which the API gives the address alone: its last step."""
    related = row.get(name)
    links = related.get("links") if isinstance(related, dict) else None
    address = links.get("self") if isinstance(links, dict) else None
    found = _LAST_STEP.fullmatch(address) if isinstance(address, str) else None
    return found[1] if found else None


def _invoice_status(row: Mapping[str, Any]) -> str | None:
    if row.get("deleted_at"):
        return "entered-in-error"
    return _statuses().get(id_of(row.get("status")) or "")


def _appointment_status(row: Mapping[str, Any]) -> str:
    """The table's fields tell; a row that is deleted but kept is one entered in error."""
    fields = _fields()
    if row.get("deleted_at"):
        return "entered-in-error"
    for meaning, status in (("cancelled", "cancelled"), ("missed", "noshow"), ("arrived", "fulfilled")):
        if row.get(fields[meaning]):
            return status
    return "booked"


@cache
def _statuses() -> Mapping[str, str]:
    return {row["status"]: row["invoice"] for row in _rows("practice_statuses.tsv")}


@cache
def _fields() -> Mapping[str, str]:
    return {row["meaning"]: row["field"] for row in _rows("practice_appointments.tsv")}


def _rows(name: str) -> list[dict[str, str]]:
    text = resources.files("resolvers.upstreams").joinpath(name).read_text("utf-8")
    return list(csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))
