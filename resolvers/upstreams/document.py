"""A source that gives one Bundle for each patient and cannot be searched: the kind `fhir-document`.

One call for each patient and request; what a request asks beyond that is answered from the Bundle.
"""

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from clinical.identifiers import Token
from resolvers.resource import Location
from resolvers.upstreams.accounts import LinkedAccounts
from resolvers.upstreams.document_address import KEY_BYTES, AccountAddresses, Addresses, NumberAddresses
from resolvers.upstreams.document_bundle import CONVERSIONS, Conversion, DocumentReading
from resolvers.upstreams.errors import UpstreamError, UpstreamRejected
from resolvers.upstreams.exchange import Exchange
from resolvers.upstreams.http_answers import get_json
from resolvers.upstreams.options import options_of
from resolvers.upstreams.record import Record
from resolvers.upstreams.record_upstream import RecordUpstream
from resolvers.upstreams.secret_source import key_secret
from resolvers.upstreams.settings import UpstreamSettings
from resolvers.upstreams.upstream import Call
from resolvers.upstreams.wiring import Wiring

_HEADERS: Final = {"Accept": "application/fhir+json"}
_PLACES: Final = ("{nhs_number}", "{id}")


class DocumentsInvalid(ValueError):
    """Settings that a source of documents cannot work with."""


class DocumentOptions(BaseModel):
    """`[upstreams.options]`. `path`: the document's address below `base_url`, with `{nhs_number}` or
    `{id}` (an account of the link table) in it. `probe_path`: what answers while the source is up."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = Field(pattern=r"^/[^#\s]*$")
    probe_path: str = Field(default="/metadata", pattern=r"^/[^#\s]*$")
    fhir_version: Literal["R4"] = "R4"


class DocumentSource:
    """One source of documents (`resolvers.upstreams.record.RecordSource`)."""

    def __init__(
        self,
        exchange: Exchange,
        location: Location,
        types: frozenset[str],
        addresses: Addresses,
        options: DocumentOptions,
    ) -> None:
        self.name = exchange.source
        self.types = types
        self.links_by_table = isinstance(addresses, AccountAddresses)
        self.location = location
        self._exchange = exchange
        self._addresses = addresses
        self._probe_path = options.probe_path
        self._to_r4: Conversion = CONVERSIONS[options.fhir_version]

    async def start(self) -> None:
        await self._exchange.start()

    async def close(self) -> None:
        await self._exchange.close()

    async def probe(self, call: Call) -> UpstreamError | None:
        """A refusal is answer enough: the source is there."""
        address = self.location.base_url + self._probe_path
        try:
            await get_json(self._exchange, "probe", address, _HEADERS, call)
        except UpstreamRejected:
            return None
        except UpstreamError as problem:
            return problem
        return None

    async def owner(self, resource_type: str, own_id: str) -> str | None:
        patient = own_id.partition(".")[0]
        return patient if self._addresses.path(patient) is not None else None

    def part(self, resource_type: str) -> str:
        return "document"

    def patients(self) -> frozenset[str] | None:
        return None

    async def patients_of(self, identifier: Token, call: Call) -> tuple[str, ...]:
        return self._addresses.patients_of(identifier)

    async def fetch(self, patient: str, part: str, call: Call) -> Record:
        path = self._addresses.path(patient)
        if path is None:
            return Record()
        address = self.location.base_url + path
        bundle = await get_json(self._exchange, "document", address, _HEADERS, call)
        if bundle is None:
            return Record()
        base_url = self.location.base_url
        reading = DocumentReading(self.name, patient, self._addresses, self._to_r4, base_url)
        for _ in reading.steps(bundle):
            if call.turns is not None and call.turns.is_over:
                await call.turns.take()
        return Record(reading.rows, reading.problems())


def open_document(settings: UpstreamSettings, wiring: Wiring) -> RecordUpstream:
    """A source of documents from its settings. Raises DocumentsInvalid, OptionsInvalid, SecretMissing and
    SecretInvalid."""
    if settings.base_url is None:
        raise DocumentsInvalid("a source of documents has one base_url, and no locations")
    if not settings.capabilities.types:
        raise DocumentsInvalid("`capabilities.types` must name the types of resources in the documents")
    options = options_of(DocumentOptions, settings)
    exchange = wiring.exchange(settings)
    types = frozenset((*settings.capabilities.types, "Patient"))
    addresses = _addresses(options.path, settings, wiring)
    source = DocumentSource(exchange, Location(settings.base_url), types, addresses, options)
    return RecordUpstream(source)


def _addresses(path: str, settings: UpstreamSettings, wiring: Wiring) -> Addresses:
    places = [one for one in _PLACES if one in path]
    if len(places) != 1:
        raise DocumentsInvalid("`options.path` needs {nhs_number} or {id}, one of them")
    if places == ["{id}"]:
        return AccountAddresses(path, LinkedAccounts(settings.name, wiring.links))
    return NumberAddresses(path, key_secret(wiring.secrets, f"upstream_{settings.name}_id_key", KEY_BYTES))
