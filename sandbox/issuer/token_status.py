"""What became of a token: introspection (RFC 7662) and revocation (RFC 7009)."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.issuer.clients import Client, authenticate
from sandbox.issuer.forms import read_form
from sandbox.issuer.keys import ALGORITHM, SigningKeys
from sandbox.issuer.ledger import Ledger
from sandbox.issuer.refusals import NOT_STORED, ClientUnproven, RequestRefused


@dataclass(frozen=True, slots=True)
class TokenStatus:
    """`/introspect` for confidential clients, `/revoke` for the client that holds the token."""

    issuer: str
    keys: SigningKeys
    clients: Mapping[str, Client]
    ledger: Ledger

    async def introspect(self, request: Request) -> Response:
        """All that the token says, or `active: false` and no reason (RFC 7662 section 2.2)."""
        form = await read_form(request)
        _, client = self._proved(request, form)
        if client.secret is None:
            raise ClientUnproven  # section 2.1: or anybody could try tokens here
        token = form.get("token", "")
        told = self._access(token) or self._refresh(token) or {}
        return JSONResponse({"active": bool(told), **told}, headers=NOT_STORED)

    async def revoke(self, request: Request) -> Response:
        """A refresh token goes with all that came of its authorization, an access token alone. What is no
        token is as good as revoked (RFC 7009 section 2.2)."""
        form = await read_form(request)
        client_id, _ = self._proved(request, form)
        token = form.get("token", "")
        if (claims := self._access(token)) is not None:
            _check_own(claims.get("client_id"), client_id)
            self.ledger.revoke_token(str(claims.get("jti")))
        elif (authorization := self.ledger.find_refresh(token)) is not None:
            _check_own(authorization.grant.client, client_id)
            authorization.is_revoked = True
        return Response(status_code=200, headers=NOT_STORED)

    def _proved(self, request: Request, form: Mapping[str, str]) -> tuple[str, Client]:
        proved = authenticate(self.clients, request.headers.get("authorization"), form)
        if proved is None:
            raise ClientUnproven
        return proved

    def _access(self, token: str) -> dict[str, Any] | None:
        """The claims of an access token of this server that is good now."""
        try:
            claims = jwt.decode(token, self.keys.access, [ALGORITHM]).claims
        except (JoseError, ValueError):
            return None
        if claims.get("exp", 0) <= time.time() or self.ledger.is_revoked(str(claims.get("jti"))):
            return None
        return {**claims, "token_type": "Bearer"}

    def _refresh(self, token: str) -> dict[str, Any] | None:
        """What there is to say of a refresh token that is good now."""
        if (authorization := self.ledger.find_refresh(token)) is None:
            return None
        grant = authorization.grant
        return {
            "scope": grant.scope,
            "client_id": grant.client,
            "sub": grant.subject,
            "iss": self.issuer,
            "exp": int(authorization.refresh_until),
        }


def _check_own(holder: str | None, client_id: str) -> None:
    if holder != client_id:
        raise RequestRefused("unauthorized_client", "The token is another client's.")
