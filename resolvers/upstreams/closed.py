"""Sources that may not be asked: by this caller, for this purpose of use, or about this person.

`SourceRules` says when; `ClosedUpstream` stands in the place of such a source for one request and answers
every question itself, so that lists, lookups, reads and references alike find it DENIED and nothing goes out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clinical.identifiers import Token
from permissions.principal import Principal
from resolvers.outcome import SourceOutcome
from resolvers.resource import Location, Resource
from resolvers.upstreams.credential_settings import ForwardCredentials, TokenExchangeCredentials
from resolvers.upstreams.errors import UpstreamDenied, UpstreamError
from resolvers.upstreams.settings import UpstreamSettings
from resolvers.upstreams.upstream import Abilities, Call, Filter, Page, Partition, Read, Search, Upstream


@dataclass(frozen=True, slots=True)
class SourceRules:
    """When a source may be asked. `purposes` of use, any where None; `trusted_issuer`: whose callers it can
    tell, anybody's where None; `is_closed_to_restricted`: not about a person whom a record marks as
    restricted."""

    purposes: frozenset[str] | None = None
    trusted_issuer: str | None = None
    is_closed_to_restricted: bool = False

    def refusal(
        self, source: str, principal: Principal, purpose_default: str | None
    ) -> UpstreamDenied | None:
        """Why a caller may not ask the source; None where the caller may.

        `purpose_default` counts for a caller whose token states no purpose of use.
        """
        if self.trusted_issuer is not None and principal.issuer != self.trusted_issuer:
            return UpstreamDenied(source, f"{source} cannot be asked with this access token.")
        if self.purposes is not None:
            usual = () if purpose_default is None else (purpose_default,)
            if self.purposes.isdisjoint(principal.purposes or usual):
                return UpstreamDenied(source, f"{source} may not be asked for this purpose of use.")
        return None


def rules_of(settings: UpstreamSettings) -> SourceRules:
    """The rules that the settings of a source come to."""
    issuer: str | None = None
    if isinstance(settings.credentials, ForwardCredentials | TokenExchangeCredentials):
        issuer = settings.credentials.trusted_issuer
    purposes = None if settings.purposes is None else frozenset(settings.purposes)
    return SourceRules(purposes, issuer, settings.restricted_patients == "deny")


def takes_callers_token(settings: UpstreamSettings) -> bool:
    """Whether a source is asked with the caller's own token, or with one that is made of it."""
    return isinstance(settings.credentials, ForwardCredentials | TokenExchangeCredentials)


class Doors:
    """Which sources are open to whom. `rules`: by the names of sources; a source without any is open to
    all."""

    def __init__(
        self,
        upstreams: Mapping[str, Upstream],
        rules: Mapping[str, SourceRules],
        purpose_default: str | None = None,
    ) -> None:
        self._upstreams = upstreams
        self._rules = {
            name: one for name, one in rules.items() if one.purposes is not None or one.trusted_issuer
        }
        self._purpose_default = purpose_default
        self.closed_to_restricted = frozenset(
            name for name, one in rules.items() if one.is_closed_to_restricted
        )

    def of(self, principal: Principal) -> Mapping[str, Upstream]:
        """Every source, one that the caller may not ask replaced by its closed door."""
        if not self._rules:
            return self._upstreams
        refused: dict[str, Upstream] = {}
        for name, rules in self._rules.items():
            refusal = rules.refusal(name, principal, self._purpose_default)
            if refusal is not None:
                refused[name] = ClosedUpstream(self._upstreams[name], refusal)
        return {**self._upstreams, **refused} if refused else self._upstreams


def restriction_outcome(source: str, whom: str | None = "this person") -> SourceOutcome:
    """How a source fared that may not be asked about a restricted person (None: about everybody at once)."""
    message = f"{source} may not be asked about {whom or 'people who are not named'}."
    return SourceOutcome(source, UpstreamDenied.status, message, code=UpstreamDenied.code)


class ClosedUpstream:
    """A source that is not asked (`resolvers.upstreams.upstream.Upstream`): it gives `refusal` to
    everything."""

    def __init__(self, upstream: Upstream, refusal: UpstreamDenied) -> None:
        self.name = upstream.name
        self.types = upstream.types
        self.links_by_table = upstream.links_by_table
        self._upstream = upstream
        self._refusal = refusal

    async def start(self) -> None:
        """Nothing: what it stands for has been started."""

    async def close(self) -> None:
        """Nothing: what it stands for goes on."""

    async def probe(self, call: Call) -> UpstreamError | None:
        return self._refusal

    async def abilities(self, resource_type: str, call: Call) -> Abilities | UpstreamError:
        return self._refusal

    def locations(self) -> tuple[Location, ...]:
        return self._upstream.locations()

    def locate(self, patient: Resource | None, principal: Principal) -> tuple[Location, ...]:
        return self._upstream.locate(patient, principal)

    def partition(self, resource_type: str, filters: Sequence[Filter]) -> Partition:
        return self._upstream.partition(resource_type, filters)

    async def read(self, reads: Sequence[Read], call: Call) -> Sequence[Resource | UpstreamError | None]:
        return [self._refusal] * len(reads)

    async def search(self, searches: Sequence[Search], call: Call) -> Sequence[Page | UpstreamError]:
        return [self._refusal] * len(searches)

    async def count(self, searches: Sequence[Search], call: Call) -> Sequence[int | UpstreamError | None]:
        return [self._refusal] * len(searches)

    async def identify(
        self, identifiers: Sequence[Token], locations: Sequence[Location], call: Call
    ) -> Sequence[tuple[Resource, ...] | UpstreamError]:
        return [self._refusal] * len(identifiers)
