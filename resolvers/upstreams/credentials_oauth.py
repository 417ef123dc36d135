"""Tokens of the gateway's own: OAuth 2.0 client credentials (RFC 6749 4.4), however the client proves
itself."""

from collections.abc import Mapping

from resolvers.upstreams.credential import NoCredential
from resolvers.upstreams.renewal import RenewedToken
from resolvers.upstreams.token_endpoint import TokenEndpoint
from resolvers.upstreams.upstream import Call


class OAuthClientCredential(NoCredential):
    """One bearer token for every call to a source."""

    def __init__(self, endpoint: TokenEndpoint, scope: str | None) -> None:
        self.token = RenewedToken(endpoint.source, lambda: endpoint.token("client_credentials", scope=scope))

    async def headers(self, subject: str | None, call: Call) -> Mapping[str, str]:
        return await self.token.headers(call.deadline)

    async def renewed_after_rejection(self, used: Mapping[str, str], subject: str | None, call: Call) -> bool:
        return self.token.renewed_after_rejection(used)

    async def close(self) -> None:
        await self.token.close()
