"""The authorization server: RFC 8414 and SMART discovery, JWKS, client credentials, the sandbox's mint."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from joserfc.jwk import ECKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.issuer.clients import Client, authenticate
from sandbox.issuer.keys import ALGORITHM, public_keys
from sandbox.issuer.tokens import AUDIENCE, Grant, mint

CLIENT_TTL_S = 300
NOT_STORED = {"Cache-Control": "no-store", "Pragma": "no-cache"}
JWKS_AGE = {"Cache-Control": "max-age=300"}


@dataclass(frozen=True, slots=True)
class Issuer:
    """The server's endpoints. `clients` by client id; `audience` is that of minted tokens."""

    issuer: str
    key: ECKey
    clients: Mapping[str, Client]
    audience: str = AUDIENCE

    def routes(self) -> list[Route]:
        return [
            Route("/.well-known/openid-configuration", self.discovery),
            Route("/.well-known/oauth-authorization-server", self.discovery),
            Route("/.well-known/smart-configuration", self.discovery),
            Route("/jwks", self.jwks),
            Route("/token", self.token, methods=["POST"]),
            Route("/_sandbox/token", self.sandbox_token, methods=["POST"]),
        ]

    async def discovery(self, request: Request) -> Response:
        return JSONResponse(_metadata(self.issuer))

    async def jwks(self, request: Request) -> Response:
        return JSONResponse(public_keys(self.key), headers=JWKS_AGE)

    async def token(self, request: Request) -> Response:
        """RFC 6749 section 4.4. `resource` (RFC 8707) may name the client's own audience, no other."""
        form = dict(parse_qsl((await request.body()).decode("utf-8", "replace")))
        proved = authenticate(self.clients, request.headers.get("authorization"), form)
        if proved is None:
            return _refused("invalid_client", 401, {"WWW-Authenticate": 'Basic realm="sandbox"'})
        client_id, client = proved
        if form.get("grant_type") != "client_credentials":
            return _refused("unsupported_grant_type")
        if form.get("resource", client.audience) != client.audience:
            return _refused("invalid_target")
        if not (scope := client.granted(form.get("scope", ""))):
            return _refused("invalid_scope")
        return self._issued(Grant(scope=scope, client=client_id, ttl_s=CLIENT_TTL_S), client.audience)

    async def sandbox_token(self, request: Request) -> Response:
        """Any token that is asked for, to anybody on this machine: a sandbox's means to try every case."""
        try:
            grant = msgspec.json.decode(await request.body(), type=Grant)
        except msgspec.DecodeError as problem:
            return _refused("invalid_request", description=str(problem))
        return self._issued(grant, self.audience)

    def _issued(self, grant: Grant, audience: str) -> Response:
        token = mint(self.key, self.issuer, audience, grant)
        answer = {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": grant.ttl_s,
            "scope": grant.scope,
        }
        return JSONResponse(answer, headers=NOT_STORED)


def build_issuer(
    issuer: str, key: ECKey, clients: Mapping[str, Client], audience: str = AUDIENCE
) -> Starlette:
    """The authorization server as an ASGI application. `issuer` is its own URL, as in the tokens' `iss`."""
    return Starlette(routes=Issuer(issuer, key, clients, audience).routes())


def _metadata(issuer: str) -> dict[str, Any]:
    return {
        "issuer": issuer,
        "jwks_uri": f"{issuer}/jwks",
        "token_endpoint": f"{issuer}/token",
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": [],
        "subject_types_supported": ["public"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "code_challenge_methods_supported": ["S256"],
        "scopes_supported": ["patient/*.rs", "user/*.rs", "system/*.rs"],
        "capabilities": ["client-confidential-symmetric", "permission-v1", "permission-v2"],
    }


def _refused(
    error: str, status: int = 400, headers: Mapping[str, str] | None = None, description: str | None = None
) -> Response:
    answer = {"error": error} | ({"error_description": description} if description else {})
    return JSONResponse(answer, status, NOT_STORED | dict(headers or {}))
