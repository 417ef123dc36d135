"""Credentials made of the caller's own token: sent on as it is, or exchanged for one of the source.

It is sent on only to a source that is declared to trust the issuer of it, and exchanged only at the
configured token endpoint. A call without a caller, such as reading what a source can do, goes out bare.
"""

import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from resolvers.upstreams.caller import CallerToken
from resolvers.upstreams.credential import NoCredential, is_own
from resolvers.upstreams.credential_settings import TokenExchangeCredentials
from resolvers.upstreams.errors import UpstreamDenied
from resolvers.upstreams.renewal import RenewedToken, bearer
from resolvers.upstreams.token_endpoint import Token, TokenEndpoint
from resolvers.upstreams.upstream import Call

EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN: Final = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105
KEPT_MAX: Final = 10_000
"""Callers of one source whose exchanged tokens are kept; who was unheard of the longest goes first."""


class ForwardCredential(NoCredential):
    """The caller's own token, for a source that trusts `issuer`."""

    def __init__(self, source: str, issuer: str) -> None:
        self._source = source
        self._issuer = issuer

    async def headers(self, subject: str | None, call: Call) -> Mapping[str, str]:
        if is_own(call):
            return {}
        return bearer(callers_token(self._source, self._issuer, call).value)


class TokenExchangeCredential(NoCredential):
    """The caller's token, exchanged once (RFC 8693 section 2.1) and kept until before either token
    expires."""

    def __init__(
        self, endpoint: TokenEndpoint, settings: TokenExchangeCredentials, kept_max: int = KEPT_MAX
    ) -> None:
        self._endpoint = endpoint
        self._settings = settings
        self._kept: OrderedDict[bytes, RenewedToken] = OrderedDict()
        self._kept_max = kept_max

    async def headers(self, subject: str | None, call: Call) -> Mapping[str, str]:
        if is_own(call):
            return {}
        token = callers_token(self._endpoint.source, self._settings.trusted_issuer, call)
        return await self._exchanged(token, call.principal.expires_at).headers(call.deadline)

    async def renewed_after_rejection(self, used: Mapping[str, str], subject: str | None, call: Call) -> bool:
        kept = self._kept.get(call.token.digest) if call.token is not None else None
        return kept is not None and kept.renewed_after_rejection(used)

    async def close(self) -> None:
        for one in self._kept.values():
            await one.close()
        self._kept.clear()

    def _exchanged(self, token: CallerToken, expires_at: float) -> RenewedToken:
        kept = self._kept.get(token.digest)
        if kept is None:
            kept = RenewedToken(self._endpoint.source, lambda: self._exchange(token, expires_at))
            self._kept[token.digest] = kept
            if len(self._kept) > self._kept_max:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(token.digest)
        return kept

    async def _exchange(self, token: CallerToken, expires_at: float) -> Token:
        settings = self._settings
        given = await self._endpoint.token(
            EXCHANGE,
            subject_token=token.value,
            subject_token_type=ACCESS_TOKEN,
            requested_token_type=ACCESS_TOKEN,
            audience=settings.audience,
            resource=settings.resource,
            scope=settings.scope,
        )
        left_s = max(1.0, expires_at - time.time())
        return replace(given, lifetime_s=min(left_s, given.lifetime_s or left_s))


def callers_token(source: str, trusted_issuer: str | None, call: Call) -> CallerToken:
    """The caller's token, where its issuer is the one. Raises UpstreamDenied."""
    is_trusted = trusted_issuer is None or call.principal.issuer == trusted_issuer
    if call.token is None or not is_trusted:
        raise UpstreamDenied(source, f"{source} cannot be asked with this access token.")
    return call.token
