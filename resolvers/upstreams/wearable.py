"""A Withings-like wearable API as a source: the kind `wearable`.

The vendor knows users, not patients, and no FHIR; wearable_mapping makes Observations, Devices and minimal
Patients of its rows. Searches are evaluated here, on whole resources, so what is declared is exact.
"""

from collections.abc import Sequence
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from clinical.identifiers import Token
from permissions.principal import Principal
from resolvers.resource import Location, Resource
from resolvers.upstreams.credentials_grant import FixedGrants, RenewedGrants
from resolvers.upstreams.errors import GrantMissing, SearchNotSupported, UpstreamError
from resolvers.upstreams.evaluation import exact_parameters, patients_asked
from resolvers.upstreams.exchange import Exchange
from resolvers.upstreams.one_by_one import answers, counts, pages
from resolvers.upstreams.settings import UpstreamSettings
from resolvers.upstreams.upstream import Abilities, Call, Filter, Page, Partition, Read, Search
from resolvers.upstreams.wearable_accounts import Accounts
from resolvers.upstreams.wearable_api import WearableApi
from resolvers.upstreams.wearable_history import History
from resolvers.upstreams.wearable_mapping import user_of
from resolvers.upstreams.wearable_read import read_user
from resolvers.upstreams.wearable_search import search_devices, search_observations, search_patients
from resolvers.upstreams.wiring import Wiring

_SORTS: Final = {
    "Device": frozenset(("_id",)),
    "Observation": frozenset(("_id", "date")),
    "Patient": frozenset(("_id",)),
}
_SEARCHES: Final = {
    "Device": search_devices,
    "Observation": search_observations,
    "Patient": search_patients,
}
_WHOLE: Final = Partition()


class WearableInvalid(ValueError):
    """Settings that a wearable source cannot work with."""


class WearableUpstream:
    """One wearable vendor (`resolvers.upstreams.upstream.Upstream`)."""

    def __init__(self, exchange: Exchange, accounts: Accounts, history: History) -> None:
        self.name = exchange.source
        self.types = frozenset(_SEARCHES)
        self.links_by_table = True
        self._exchange = exchange
        self._accounts = accounts
        self._history = history

    async def start(self) -> None:
        await self._exchange.start()

    async def close(self) -> None:
        await self._exchange.close()

    async def probe(self, call: Call) -> UpstreamError | None:
        return await self._history.api.probe(call)

    async def abilities(self, resource_type: str, call: Call) -> Abilities | UpstreamError:
        if resource_type not in self.types:
            return Abilities()
        return Abilities(
            exact_parameters(resource_type),
            _SORTS[resource_type],
            counts=True,
            needs_patient=resource_type != "Patient" and not self._accounts.are_few,
        )

    def locations(self) -> tuple[Location, ...]:
        return (self._accounts.location,)

    def locate(self, patient: Resource | None, principal: Principal) -> tuple[Location, ...]:
        return (self._accounts.location,)

    def partition(self, resource_type: str, filters: Sequence[Filter]) -> Partition:
        return _WHOLE

    async def read(self, reads: Sequence[Read], call: Call) -> Sequence[Resource | UpstreamError | None]:
        users = {user_of(one.id) for one in reads} & self._accounts.users()
        wanted = {user: {one for one in reads if user_of(one.id) == user} for user in users}
        found = await answers(
            read_user(self._accounts, self._history, user, some, call) for user, some in wanted.items()
        )
        by_user = dict(zip(wanted, found, strict=True))
        return [_answer_for(one, by_user.get(user_of(one.id), {})) for one in reads]

    async def search(self, searches: Sequence[Search], call: Call) -> Sequence[Page | UpstreamError]:
        return await pages(searches, lambda one: self._search(one, call))

    async def count(self, searches: Sequence[Search], call: Call) -> Sequence[int | UpstreamError | None]:
        return await counts(searches, lambda one: self._search(one, call))

    async def identify(
        self, identifiers: Sequence[Token], locations: Sequence[Location], call: Call
    ) -> Sequence[tuple[Resource, ...] | UpstreamError]:
        return [self._accounts.patients_of(token) for token in identifiers]

    async def _search(self, search: Search, call: Call) -> Page:
        answer = _SEARCHES.get(search.type)
        if answer is None:
            raise SearchNotSupported(self.name, f"{self.name} holds nothing of this type.")
        while True:
            asked = self._accounts.users()
            try:
                return await answer(self._accounts, self._history, search, call)
            except GrantMissing:
                # Somebody among several has withdrawn: that person is not linked, the others are.
                named = patients_asked(search)
                if (named is not None and len(named) == 1) or self._accounts.users() == asked:
                    raise


def open_wearable(settings: UpstreamSettings, wiring: Wiring) -> WearableUpstream:
    """A wearable source from its settings. Raises WearableInvalid, SecretMissing, SecretInvalid."""
    if settings.base_url is None:
        raise WearableInvalid("a wearable source has one base_url, and no locations")
    try:
        zone = ZoneInfo(settings.timezone)
    except (ZoneInfoNotFoundError, ValueError) as problem:
        raise WearableInvalid(f"the time zone {settings.timezone!r} is not known") from problem
    exchange = wiring.exchange(settings)
    grants = exchange.credential
    if not isinstance(grants, FixedGrants | RenewedGrants):
        raise WearableInvalid("a wearable source needs credentials of kind 'patient_grant'")
    location = Location(settings.base_url)
    accounts = Accounts(settings.name, location, wiring.links, grants, settings.walk_accounts_max)
    api = WearableApi(exchange, settings.base_url, settings.max_pages)
    return WearableUpstream(exchange, accounts, History(api, zone, settings.ambiguous))


def _answer_for(read: Read, answers: dict[Read, Resource] | UpstreamError) -> Resource | UpstreamError | None:
    return answers if isinstance(answers, UpstreamError) else answers.get(read)
