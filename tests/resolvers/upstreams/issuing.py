"""Token endpoints inside the test: Starlette applications that check what a real one checks."""

import asyncio
import time
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

import httpx
from joserfc import jwt
from joserfc.jwk import KeySet
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from resolvers.upstreams.transport_httpx import HttpxTransport

ORIGIN = "https://issuer.test"
TOKEN_URL = f"{ORIGIN}/token"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"

Form = dict[str, str]


@dataclass
class TokenServer:
    """Gives T1, T2, ... `answers`: told instead, one after the other; an exception breaks the connection.
    `hold`: no answer is given before it is set."""

    lifetime_s: float | None = 300
    answers: list[Response | Exception] = field(default_factory=list)
    forms: list[Form] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    hold: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.hold.set()
        self.app = Starlette(routes=[Route("/token", self.token, methods=["POST"])])

    def transport(self, source: str = "ehr") -> HttpxTransport:
        return HttpxTransport(source, 1_000_000, httpx.ASGITransport(self.app))

    async def token(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        self.forms.append(form)
        self.headers.append(request.headers)
        number = len(self.forms)
        await self.hold.wait()
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        return self.answer(form, f"T{number}")

    def answer(self, form: Form, access_token: str) -> Response:
        return JSONResponse(self.given(access_token))

    def given(self, access_token: str, **more: Any) -> dict[str, Any]:
        lifetime = {} if self.lifetime_s is None else {"expires_in": self.lifetime_s}
        return {"access_token": access_token, "token_type": "Bearer", **lifetime, **more}


def refused(error: str, status: int = 400) -> Response:
    return JSONResponse({"error": error}, status)


@dataclass
class BackendServices(TokenServer):
    """Takes clients by `private_key_jwt` alone (SMART Backend Services, RFC 7523 section 3)."""

    keys: KeySet | None = None
    algorithm: str = "ES384"
    seen: set[str] = field(default_factory=set)
    claims: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, form: Form, access_token: str) -> Response:
        if form.get("client_assertion_type") != ASSERTION_TYPE or "client_secret" in form:
            return refused("invalid_client", 401)
        assert self.keys is not None
        told = jwt.decode(form["client_assertion"], self.keys, [self.algorithm])
        claims, now = told.claims, time.time()
        self.claims.append({**told.header, **claims})
        is_good = (
            claims["iss"] == claims["sub"] == "gateway"
            and claims["aud"] == TOKEN_URL
            and now < claims["exp"] <= now + 300
            and claims["jti"] not in self.seen
        )
        self.seen.add(claims["jti"])
        return super().answer(form, access_token) if is_good else refused("invalid_client", 401)


@dataclass
class Rotating(TokenServer):
    """A vendor's: each refresh token is good once, and using it twice ends the grant (RFC 9700 section
    4.14.2).

    `good`: the refresh tokens in force, with the account of each.
    """

    good: dict[str, str] = field(default_factory=dict)
    used: list[str] = field(default_factory=list)
    rotates: bool = True
    delay_s: float = 0.0

    async def token(self, request: Request) -> Response:
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        return await super().token(request)

    def answer(self, form: Form, access_token: str) -> Response:
        if form.get("grant_type") != "refresh_token":
            return refused("unsupported_grant_type")
        refresh = form["refresh_token"]
        self.used.append(refresh)
        account = self.good.get(refresh)
        if account is None:
            return refused("invalid_grant")
        if not self.rotates:
            return super().answer(form, f"{account}-{access_token}")
        del self.good[refresh]
        following = f"{account}-R{len(self.used)}"
        self.good[following] = account
        return JSONResponse(self.given(f"{account}-{access_token}", refresh_token=following))


def basic(headers: Mapping[str, str]) -> tuple[str, str]:
    """The user and the password of a request."""
    user, _, password = b64decode(headers["authorization"].removeprefix("Basic ")).decode().partition(":")
    return unquote_plus(user), unquote_plus(password)
