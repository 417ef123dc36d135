"""Issuers of a test's own over real HTTP: keys and introspection that misbehave in every documented way.

`<origin>/<name>` is an issuer; how its keys fare is in `KEYS`. Introspection is that of `<origin>/opaque`,
and what it says of a token is in `ANSWERS`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl

from joserfc import jwt
from joserfc.jwk import ECKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

AUDIENCE = "https://gateway.test"
LONG_S = 600.0

Json = dict[str, Any]


async def hanging() -> Response:
    await asyncio.sleep(LONG_S)
    return Response()


async def dripping() -> Response:
    async def drops() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.2)

    return StreamingResponse(drops(), media_type="application/json")


async def endless() -> Response:
    async def megabytes() -> AsyncIterator[bytes]:
        yield b'{"active": true, "keys": ["'
        while True:
            yield b"x" * 1_048_576
            await asyncio.sleep(0)

    return StreamingResponse(megabytes(), media_type="application/json")


async def failing() -> Response:
    return Response(status_code=500)


async def page() -> Response:
    return Response("<html>")


FAULTS = {
    "failing": failing,
    "page": page,
    "endless": endless,
    "dripping": dripping,
    "hanging": hanging,
}


def active(**changed: Any) -> Json:
    usual = {
        "active": True,
        "scope": "user/*.rs",
        "client_id": "some-app",
        "aud": AUDIENCE,
        "exp": int(time.time()) + 600,
    }
    return {name: value for name, value in (usual | changed).items() if value is not None}


class OddIssuers:
    """The application. `shown` are the tokens that introspection has been shown."""

    def __init__(self) -> None:
        self.key = ECKey.generate_key("P-384", {"kid": "k1"})
        self.answers: dict[str, Json] = {}
        self.shown: list[str] = []
        self.app = Starlette(
            routes=[
                Route("/{issuer}/jwks", self.jwks),
                Route("/opaque/introspect", self.introspect, methods=["POST"]),
            ]
        )

    async def jwks(self, request: Request) -> Response:
        issuer = request.path_params["issuer"]
        if issuer in FAULTS:
            return await FAULTS[issuer]()
        keys = [self.key]
        if issuer == "twins":
            keys.append(ECKey.generate_key("P-384", {"kid": "k1"}))
        return JSONResponse({"keys": [key.as_dict(private=False) for key in keys]})

    async def introspect(self, request: Request) -> Response:
        token = dict(parse_qsl((await request.body()).decode()))["token"]
        self.shown.append(token)
        if token in FAULTS:
            return await FAULTS[token]()
        return JSONResponse(self.answers.get(token, {"active": False}))

    def signed(self, issuer: str) -> str:
        """A good token of one of the issuers."""
        now = int(time.time())
        claims = {
            "iss": issuer,
            "aud": AUDIENCE,
            "sub": "somebody",
            "client_id": "some-app",
            "scope": "user/*.rs",
            "iat": now,
            "exp": now + 600,
        }
        return jwt.encode({"alg": "ES384", "typ": "at+jwt", "kid": "k1"}, claims, self.key, ["ES384"])
