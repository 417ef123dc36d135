"""The authorization server: its endpoints, and what they share."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.issuer.authorize import AuthorizationEndpoint
from sandbox.issuer.clients import Client
from sandbox.issuer.keys import SigningKeys, public_keys
from sandbox.issuer.ledger import Ledger
from sandbox.issuer.metadata import metadata
from sandbox.issuer.refusals import NOT_STORED, RequestRefused
from sandbox.issuer.registration import Clients, Registration
from sandbox.issuer.sharing import SharedWithPages
from sandbox.issuer.token_endpoint import TokenEndpoint
from sandbox.issuer.token_status import TokenStatus
from sandbox.issuer.tokens import AUDIENCE, Grant

JWKS_AGE = {"Cache-Control": "max-age=300"}
AUTHORIZE, MINT = "/authorize", "/_sandbox/token"


@dataclass(frozen=True, slots=True)
class Issuer:
    """What the server publishes, and the sandbox's mint. `audience` is that of minted tokens."""

    issuer: str
    keys: SigningKeys
    tokens: TokenEndpoint
    audience: str

    async def discovery(self, request: Request) -> Response:
        return JSONResponse(metadata(self.issuer))

    async def jwks(self, request: Request) -> Response:
        return JSONResponse(public_keys(self.keys.access, self.keys.identity), headers=JWKS_AGE)

    async def sandbox_token(self, request: Request) -> Response:
        """Any token that is asked for, to anybody on this machine: a sandbox's means to try every case."""
        try:
            grant = msgspec.json.decode(await request.body(), type=Grant)
        except msgspec.DecodeError as problem:
            raise RequestRefused("invalid_request", str(problem)) from problem
        return JSONResponse(self.tokens.issued(grant, self.audience), headers=NOT_STORED)


def build_issuer(
    issuer: str,
    keys: SigningKeys,
    registered: Mapping[str, Client],
    directory: Path,
    audience: str = AUDIENCE,
    clock: Callable[[], float] = time.time,
) -> Starlette:
    """The authorization server as an ASGI application. `issuer` is its own URL, as in the tokens' `iss`;
    `directory` is where sandbox.json will lie; `clock` ages codes and refresh tokens."""
    clients, ledger = Clients(registered), Ledger(clock)
    tokens = TokenEndpoint(issuer, keys, clients, ledger)
    published = Issuer(issuer, keys, tokens, audience)
    status = TokenStatus(issuer, keys, clients, ledger)
    authorization = AuthorizationEndpoint(issuer, clients, ledger, directory)
    routes = [
        Route("/.well-known/openid-configuration", published.discovery),
        Route("/.well-known/oauth-authorization-server", published.discovery),
        Route("/.well-known/smart-configuration", published.discovery),
        Route("/jwks", published.jwks),
        Route(AUTHORIZE, authorization.authorize, methods=["GET", "POST"]),
        Route("/token", tokens.token, methods=["POST"]),
        Route("/introspect", status.introspect, methods=["POST"]),
        Route("/revoke", status.revoke, methods=["POST"]),
        Route("/register", Registration(clients, audience).register, methods=["POST"]),
        Route(MINT, published.sandbox_token, methods=["POST"]),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(SharedWithPages, closed=(AUTHORIZE, MINT))],
        exception_handlers={RequestRefused: _refused},
    )


async def _refused(request: Request, problem: Exception) -> Response:
    """The answer to what an endpoint refuses."""
    if not isinstance(problem, RequestRefused):
        raise problem
    return problem.response()
