"""A Junction-like laboratory API as a source: the kind `laboratory`.

Results are had one by one, by their order (UPSTREAMS: `GET /v3/order/{id}/result`); laboratory_orders knows
which there are. Users are linked to people by the link table alone.
"""

import asyncio
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field

from clinical.identifiers import Token
from resolvers.resource import Location
from resolvers.upstreams.accounts import LinkedAccounts
from resolvers.upstreams.errors import UpstreamError, UpstreamUnavailable
from resolvers.upstreams.exchange import Exchange
from resolvers.upstreams.http_answers import get_json, strange_answer
from resolvers.upstreams.laboratory_mapping import MappedResults
from resolvers.upstreams.laboratory_orders import OrderLedger, Orders
from resolvers.upstreams.options import options_of, time_zone
from resolvers.upstreams.record import Record
from resolvers.upstreams.record_upstream import RecordUpstream
from resolvers.upstreams.settings import UpstreamSettings
from resolvers.upstreams.upstream import Call
from resolvers.upstreams.wiring import Wiring

_HEADERS: Final = {"Accept": "application/json"}
_PROBED: Final = "00000000-0000-0000-0000-000000000000"


class LaboratoryInvalid(ValueError):
    """Settings that a laboratory source cannot work with."""


class LaboratoryOptions(BaseModel):
    """`[upstreams.options]`. `orders`: the file of the orders that webhooks told of. `orders_max`: the newest
    of a person that one request asks for; more make the source PARTIAL."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    orders: Path
    orders_max: int = Field(default=100, ge=1, le=10_000)


class LaboratorySource:
    """One laboratory (`resolvers.upstreams.record.RecordSource`)."""

    types = frozenset(("DiagnosticReport", "Observation", "Patient"))
    links_by_table = True

    def __init__(
        self,
        exchange: Exchange,
        location: Location,
        accounts: LinkedAccounts,
        ledger: OrderLedger,
        options: LaboratoryOptions,
        zone: ZoneInfo,
    ) -> None:
        self.name = exchange.source
        self.location = location
        self._exchange = exchange
        self._accounts = accounts
        self._ledger = ledger
        self._orders_max = options.orders_max
        self._zone = zone

    async def start(self) -> None:
        await self._exchange.start()

    async def close(self) -> None:
        await self._exchange.close()

    async def probe(self, call: Call) -> UpstreamError | None:
        """An order that cannot be: that there is none is answer enough."""
        try:
            await self._result(_PROBED, call)
        except UpstreamError as problem:
            return problem
        return None

    async def owner(self, resource_type: str, own_id: str) -> str | None:
        if resource_type != "Patient":
            own_id = (await self._orders()).users.get(own_id.partition(".")[0], "")
        return own_id if own_id in self._accounts.all() else None

    def part(self, resource_type: str) -> str:
        return "patient" if resource_type == "Patient" else "results"

    def patients(self) -> frozenset[str]:
        return self._accounts.all()

    async def patients_of(self, identifier: Token, call: Call) -> tuple[str, ...]:
        return self._accounts.of(identifier)

    async def fetch(self, patient: str, part: str, call: Call) -> Record:
        if part == "patient":
            return Record({("Patient", patient): self._accounts.patient(patient)})
        orders = (await self._orders()).by_user.get(patient, ())
        asked = orders[-self._orders_max :]
        results = await asyncio.gather(*(self._result(one, call) for one in asked))
        mapped = MappedResults(self.location.base_url, self._zone)
        for order, result in zip(asked, results, strict=True):
            if result is not None:
                mapped.add(order, patient, result)
        if len(orders) > len(asked):
            mapped.dropped["older orders"] = len(orders) - len(asked)
        return Record(mapped.rows, mapped.problems(self.name))

    async def _result(self, order: str, call: Call) -> dict[str, Any] | None:
        """The result of an order, None where it has not come yet."""
        address = f"{self.location.base_url}/v3/order/{order}/result"
        result = await get_json(self._exchange, "result", address, _HEADERS, call)
        if result is not None and result.get("order_id") != order:
            raise strange_answer(self.name, "the result of another order")
        return result

    async def _orders(self) -> Orders:
        try:
            return await self._ledger.orders()
        except (OSError, UnicodeError) as problem:
            raise UpstreamUnavailable(
                self.name, f"{self.name}: the list of orders cannot be read.", type(problem).__name__
            ) from problem


def open_laboratory(settings: UpstreamSettings, wiring: Wiring) -> RecordUpstream:
    """A laboratory from its settings. Raises LaboratoryInvalid, OptionsInvalid, SecretMissing and
    SecretInvalid."""
    if settings.base_url is None:
        raise LaboratoryInvalid("a laboratory has one base_url, and no locations")
    options = options_of(LaboratoryOptions, settings)
    zone = time_zone(settings)
    ledger = OrderLedger(options.orders)
    try:
        ledger.look()
    except (OSError, UnicodeError) as problem:
        raise LaboratoryInvalid(f"`options.orders`: {options.orders} cannot be read") from problem
    source = LaboratorySource(
        wiring.exchange(settings),
        Location(settings.base_url),
        LinkedAccounts(settings.name, wiring.links),
        ledger,
        options,
        zone,
    )
    return RecordUpstream(source)
