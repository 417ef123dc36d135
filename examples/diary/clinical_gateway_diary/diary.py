"""The kind `diary`: patients write their peak flow down, an app gathers it in one CSV file.

    account,taken_at,litres_per_minute
    d1,2026-10-01T07:30:00+01:00,420

A source that gives whole records needs little: what it holds, whose an id is, and how a record is fetched.
`RecordUpstream` filters, sorts and pages. Accounts are people's by the gateway's link table.
"""

import asyncio
import csv
from pathlib import Path
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict

from clinical.identifiers import Token
from resolvers.resource import Json, Location
from resolvers.upstreams.accounts import LinkedAccounts
from resolvers.upstreams.errors import UpstreamError, UpstreamUnavailable
from resolvers.upstreams.mapped_values import as_instant, as_number
from resolvers.upstreams.options import options_of, time_zone
from resolvers.upstreams.record import Record
from resolvers.upstreams.record_upstream import RecordUpstream
from resolvers.upstreams.settings import UpstreamSettings
from resolvers.upstreams.upstream import Call
from resolvers.upstreams.wiring import Wiring

PEAK_FLOW = {
    "coding": [
        {
            "system": "http://loinc.org",
            "code": "33452-4",
            "display": "Maximum expiratory gas flow Respiratory system airway by Peak flow meter",
        }
    ],
    "text": "Peak flow",
}
VITAL_SIGNS = {
    "coding": [
        {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}
    ]
}


class DiaryInvalid(ValueError):
    """Settings that a diary cannot work with; the gateway's start shows the sentence."""


class DiaryOptions(BaseModel):
    """`[upstreams.options]`: what this kind takes beside what every source does."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: Path


class DiarySource:
    """`resolvers.upstreams.record.RecordSource`."""

    types = frozenset(("Observation", "Patient"))
    links_by_table = True

    def __init__(self, name: str, location: Location, accounts: LinkedAccounts, file: Path, zone: ZoneInfo):
        self.name = name
        self.location = location
        self._accounts = accounts
        self._file = file
        self._zone = zone

    async def start(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to end."""

    async def probe(self, call: Call) -> UpstreamError | None:
        try:
            await self._rows()
        except UpstreamError as problem:
            return problem
        return None

    async def owner(self, resource_type: str, own_id: str) -> str | None:
        """Ids begin with the account: `d1.3` is in the diary of `d1`."""
        account = own_id.partition(".")[0]
        return account if account in self._accounts.all() else None

    def part(self, resource_type: str) -> str:
        return "patient" if resource_type == "Patient" else "diary"

    def patients(self) -> frozenset[str]:
        return self._accounts.all()

    async def patients_of(self, identifier: Token, call: Call) -> tuple[str, ...]:
        return self._accounts.of(identifier)

    async def fetch(self, patient: str, part: str, call: Call) -> Record:
        if part == "patient":
            return Record({("Patient", patient): self._accounts.patient(patient)})
        found: dict[tuple[str, str], Json] = {}
        unreadable = 0
        own = [row for row in await self._rows() if row.get("account") == patient]
        for number, row in enumerate(own, 1):
            mapped = self._observation(patient, number, row)
            if mapped is None:
                unreadable += 1
            else:
                found["Observation", mapped["id"]] = mapped
        problems = (f"{self.name}: {unreadable} lines left out.",) if unreadable else ()
        return Record(found, problems)

    async def _rows(self) -> list[dict[str, str]]:
        """Every line. A file that cannot be read is a source that is down, never an empty diary."""
        try:
            text = await asyncio.to_thread(self._file.read_text, "utf-8")
        except (OSError, UnicodeError) as problem:
            raise UpstreamUnavailable(
                self.name, f"{self.name} cannot be read.", type(problem).__name__
            ) from problem
        return list(csv.DictReader(text.splitlines()))

    def _observation(self, account: str, number: int, row: dict[str, str]) -> Json | None:
        """A line as FHIR R4; its number keeps the digits that were written."""
        value = as_number(row.get("litres_per_minute"))
        taken_at = as_instant(row.get("taken_at"), self._zone)
        if value is None or taken_at is None:
            return None
        own_id = f"{account}.{number}"
        return {
            "resourceType": "Observation",
            "id": own_id,
            "identifier": [{"system": f"{self.location.base_url}/line", "value": own_id}],
            "status": "final",
            "category": [VITAL_SIGNS],
            "code": PEAK_FLOW,
            "subject": {"reference": f"Patient/{account}"},
            "performer": [{"reference": f"Patient/{account}"}],
            "effectiveDateTime": taken_at,
            "valueQuantity": {
                "value": value,
                "unit": "L/min",
                "system": "http://unitsofmeasure.org",
                "code": "L/min",
            },
        }


def open_diary(settings: UpstreamSettings, wiring: Wiring) -> RecordUpstream:
    """A diary from its settings; the entry point. Opens nothing yet."""
    if settings.base_url is None:
        raise DiaryInvalid("a diary has one base_url, which is what its identifiers begin with")
    options = options_of(DiaryOptions, settings)
    accounts = LinkedAccounts(settings.name, wiring.links)
    zone = time_zone(settings)
    return RecordUpstream(
        DiarySource(settings.name, Location(settings.base_url), accounts, options.file, zone)
    )
