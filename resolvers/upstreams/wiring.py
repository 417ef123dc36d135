"""What every kind of source is built with, besides its own settings."""

from collections.abc import Callable
from dataclasses import dataclass, field

from opentelemetry.trace import Tracer, get_tracer

from resolvers.resource import Location
from resolvers.upstreams.addresses import origin_of
from resolvers.upstreams.assertions import KeyRing
from resolvers.upstreams.call_rate import CallRate, CallRateSettings, MemoryCallRate
from resolvers.upstreams.client_tls import client_tls
from resolvers.upstreams.credentials import CredentialParts, open_credential
from resolvers.upstreams.exchange import Exchange
from resolvers.upstreams.grant_store import GrantStore, MemoryGrantStore
from resolvers.upstreams.links import LinkTable
from resolvers.upstreams.secret_source import SecretSource, header_secret
from resolvers.upstreams.settings import UpstreamSettings
from resolvers.upstreams.transport import Transport
from resolvers.upstreams.transport_aiohttp import AiohttpTransport


@dataclass(frozen=True, slots=True)
class Wiring:
    """Secrets, the link table, the tracer (does nothing unless telemetry is configured), and how to reach a
    source: tests put an in-process transport here. `keys`: the gateway's own; `grants`: where what users
    granted is kept; `rates`: makes the rate of a source that has one."""

    secrets: SecretSource
    links: LinkTable = field(default_factory=LinkTable)
    tracer: Tracer = field(default_factory=lambda: get_tracer("clinical_gateway.upstreams"))
    transport: Callable[[UpstreamSettings], Transport] | None = None
    keys: KeyRing | None = None
    grants: GrantStore = field(default_factory=MemoryGrantStore)
    rates: Callable[[str, CallRateSettings], CallRate] = lambda _, settings: MemoryCallRate(settings)

    def exchange(self, settings: UpstreamSettings) -> Exchange:
        """The way to a source. Raises SecretMissing, SecretInvalid."""
        transport = self.transport(settings) if self.transport is not None else self._pooled(settings)
        parts = CredentialParts(settings.name, self.secrets, transport, self.grants, self.keys)
        credential = open_credential(settings.credentials, parts)
        origins = frozenset(origin_of(place.base_url) for place in self.locations(settings))
        limit = settings.rate_limit
        rate = self.rates(settings.name, limit) if limit is not None else None
        return Exchange(settings, transport, credential, self.tracer, origins, rate)

    def locations(self, settings: UpstreamSettings) -> tuple[Location, ...]:
        """Every place of a source, with its headers. Raises SecretMissing, SecretInvalid."""
        if settings.base_url is not None:
            return (Location(settings.base_url),)
        return tuple(
            Location(
                place.base_url,
                (
                    *place.headers.items(),
                    *((name, header_secret(self.secrets, key)) for name, key in place.secret_headers.items()),
                ),
                place.organization,
            )
            for place in settings.locations
        )

    def _pooled(self, settings: UpstreamSettings) -> Transport:
        """The transport of production."""
        tls = client_tls(settings.name, settings.credentials, self.secrets)
        return AiohttpTransport(settings.name, settings.max_response_bytes, settings.max_concurrency, tls)
