"""A Cliniko-like practice management and billing API as a source: the kind `practice`.

The API key names its shard by its suffix; where the settings have `locations`, the one of that name is asked,
and a key of any other shard is refused at the start. Patients are linked by the link table alone.
"""

from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from clinical.identifiers import Token
from resolvers.resource import Json, Location
from resolvers.upstreams.accounts import LinkedAccounts
from resolvers.upstreams.credential_settings import BasicCredentials
from resolvers.upstreams.errors import UpstreamError
from resolvers.upstreams.exchange import Exchange
from resolvers.upstreams.once import OncePerRequest
from resolvers.upstreams.options import options_of, time_zone
from resolvers.upstreams.practice_api import Listed, PracticeApi
from resolvers.upstreams.practice_mapping import PracticeMapping, row_id
from resolvers.upstreams.record import Record
from resolvers.upstreams.record_upstream import RecordUpstream
from resolvers.upstreams.secret_source import required_secret
from resolvers.upstreams.settings import UpstreamSettings
from resolvers.upstreams.upstream import Call
from resolvers.upstreams.wiring import Wiring

_PARTS: Final = {"Appointment": "appointments", "Invoice": "invoices", "Patient": "patient"}


class PracticeInvalid(ValueError):
    """Settings that a practice cannot work with."""


class PracticeOptions(BaseModel):
    """`[upstreams.options]`. `currency` (ISO 4217) of all amounts; `user_agent`, which the API demands: who
    asks, with an address to write to; `patient_query`: narrows a list to one patient, with `{id}` in it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    currency: str = Field(pattern=r"^[A-Z]{3}$")
    user_agent: str = Field(min_length=1, max_length=200, pattern=r"^[\x20-\x7e]+$")
    patient_query: str | None = Field(default=None, pattern=r"^[^&#\s]*\{id\}[^#\s]*$")


class PracticeSource:
    """One practice (`resolvers.upstreams.record.RecordSource`)."""

    types = frozenset(_PARTS)
    links_by_table = True

    def __init__(
        self,
        exchange: Exchange,
        location: Location,
        accounts: LinkedAccounts,
        api: PracticeApi,
        mapping: PracticeMapping,
    ) -> None:
        self.name = exchange.source
        self.location = location
        self._exchange = exchange
        self._accounts = accounts
        self._api = api
        self._mapping = mapping
        self._walks: OncePerRequest[Listed] = OncePerRequest()

    async def start(self) -> None:
        await self._exchange.start()

    async def close(self) -> None:
        await self._exchange.close()

    async def probe(self, call: Call) -> UpstreamError | None:
        return await self._api.probe(call)

    async def owner(self, resource_type: str, own_id: str) -> str | None:
        patient = own_id.partition(".")[0]
        return patient if patient in self._accounts.all() else None

    def part(self, resource_type: str) -> str:
        return _PARTS[resource_type]

    def patients(self) -> frozenset[str]:
        return self._accounts.all()

    async def patients_of(self, identifier: Token, call: Call) -> tuple[str, ...]:
        return self._accounts.of(identifier)

    async def fetch(self, patient: str, part: str, call: Call) -> Record:
        if part == "patient":
            return Record({("Patient", patient): self._accounts.patient(patient)})
        asked = patient if self._api.is_narrow else None
        listed = await self._walks.get(call, (part, asked), lambda: self._api.rows(part, asked, call))
        rows: dict[tuple[str, str], Json] = {}
        dropped = 0
        for row in listed.by_patient.get(patient, ()):
            own_id = row_id(row)
            if own_id is None:
                dropped += 1
                continue
            to_fhir = self._mapping.invoice if part == "invoices" else self._mapping.appointment
            mapped = to_fhir(row, patient, own_id)
            rows[mapped["resourceType"], mapped["id"]] = mapped
        problems = [f"{self.name}: {dropped} rows without an id left out."] if dropped else []
        return Record(rows, (*listed.problems, *problems))


def open_practice(settings: UpstreamSettings, wiring: Wiring) -> RecordUpstream:
    """A practice from its settings. Raises PracticeInvalid, OptionsInvalid, SecretMissing, SecretInvalid."""
    options = options_of(PracticeOptions, settings)
    location = _shard(settings, wiring)
    zone = time_zone(settings)
    exchange = wiring.exchange(settings)
    api = PracticeApi(exchange, location, options.user_agent, settings.max_pages, options.patient_query)
    accounts = LinkedAccounts(settings.name, wiring.links)
    mapping = PracticeMapping(location.base_url, options.currency, zone)
    return RecordUpstream(PracticeSource(exchange, location, accounts, api, mapping))


def _shard(settings: UpstreamSettings, wiring: Wiring) -> Location:
    """The one base address, or the location that the suffix of the API key names. Nothing but the settings
    says where requests go."""
    if settings.base_url is not None:
        return Location(settings.base_url)
    credentials = settings.credentials
    if not isinstance(credentials, BasicCredentials) or credentials.user is not None:
        raise PracticeInvalid("`locations` of a practice need credentials of kind 'basic' without `user`")
    key = required_secret(wiring.secrets, credentials.secret or f"upstream_{settings.name}_token")
    shard = key.rpartition("-")[2]
    for location in wiring.locations(settings):
        if location.organization == shard:
            return location
    raise PracticeInvalid("the API key is of a shard that no location names as its `organization`")
