"""An authorization server inside the test: real keys, JWK set, introspection, and tokens good or bad."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from gateway.authn.bearer import BearerAuthenticator, Issuer
from gateway.authn.issuer import JwtIssuerSettings, OpaqueIssuerSettings
from gateway.authn.issuers import open_issuers
from gateway.secrets import Secrets, variable_of

ISSUER = "https://issuer.test"
AUDIENCE = "https://gateway.test"
JWKS_URI = f"{ISSUER}/jwks"
INTROSPECTION = f"{ISSUER}/introspect"
SECRETS = Secrets(None, {variable_of("issuer_secret"): "hush:hush"})

AnyKey = ECKey | RSAKey | OctKey


def ec_key(kid: str, curve: str = "P-384") -> ECKey:
    return ECKey.generate_key(curve, {"kid": kid})


class Clock:
    """Time that stands still until a test moves it."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class AuthorizationServer:
    """Publishes `keys`, knows `opaque` tokens; counts and can refuse what it is asked for."""

    def __init__(self, *keys: AnyKey, issuer: str = ISSUER) -> None:
        self.issuer_name = issuer
        self.keys = list(keys) or [ec_key("k1")]
        self.asked: list[str] = []
        self.cache_control: str | None = "max-age=600"
        self.is_down = False
        self.delay_s = 0.0
        self.documents: dict[str, Any] = {}
        self.answers: dict[str, httpx.Response] = {}
        self.opaque: dict[str, Any] = {}
        self.proofs: list[tuple[str | None, dict[str, str]]] = []
        self.client = httpx.AsyncClient(transport=httpx.MockTransport(self._answer))

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(str(request.url))
        await asyncio.sleep(self.delay_s)
        if self.is_down:
            raise httpx.ConnectError("down")
        headers = {"Cache-Control": self.cache_control} if self.cache_control else {}
        if str(request.url) in self.answers:
            return self.answers[str(request.url)]
        if str(request.url) in self.documents:
            return httpx.Response(200, json=self.documents[str(request.url)], headers=headers)
        if str(request.url) == JWKS_URI:
            return httpx.Response(200, json=self.jwks(), headers=headers)
        if str(request.url) == f"{self.issuer_name}/introspect" and request.method == "POST":
            return self._introspected(request)
        return httpx.Response(404)

    def _introspected(self, request: httpx.Request) -> httpx.Response:
        form = dict(parse_qsl(request.content.decode()))
        self.proofs.append((request.headers.get("authorization"), form))
        answer = self.opaque.get(form["token"], {"active": False})
        return answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)

    def jwks(self) -> dict[str, Any]:
        return {"keys": [key.as_dict(private=False) for key in self.keys]}

    def token(
        self,
        header: Mapping[str, Any] | None = None,
        key: AnyKey | None = None,
        without: str = "",
        **claims: Any,
    ) -> str:
        key = key or self.keys[0]
        now = int(time.time())
        usual = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "somebody",
            "client_id": "an-app",
            "scope": "user/*.rs",
            "jti": "token-1",
            "iat": now,
            "nbf": now,
            "exp": now + 600,
        }
        usual.pop(without, None)
        headers = {"alg": "ES384", "typ": "at+jwt", "kid": key.kid, **(header or {})}
        headers = {name: value for name, value in headers.items() if value is not None}
        return jwt.encode(
            headers, {**usual, **claims}, key, algorithms=[str(headers["alg"])], default_type=None
        )

    def bearer(self, **claims: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(**claims)}"}

    def issuer(self, **settings: Any) -> Issuer:
        usual = {"issuer": ISSUER, "audience": AUDIENCE, "jwks_uri": JWKS_URI, "algorithms": ("ES384",)}
        return open_issuers([JwtIssuerSettings(**{**usual, **settings})], self.client, SECRETS)[0]

    def authenticator(self, **settings: Any) -> BearerAuthenticator:
        return BearerAuthenticator([self.issuer(**settings)])

    def give(self, token: str, without: str = "", **members: Any) -> str:
        """An opaque token that introspection knows from now on."""
        usual = {
            "active": True,
            "scope": "user/*.rs",
            "client_id": "an-app",
            "sub": "somebody",
            "token_type": "Bearer",
            "exp": int(time.time()) + 600,
        }
        usual.pop(without, None)
        self.opaque[token] = {**usual, **members}
        return token

    def opaque_issuer(self, introspection: Mapping[str, Any] | None = None, **settings: Any) -> Issuer:
        """This server as an issuer that is asked about its tokens."""
        asked = {
            "endpoint": f"{self.issuer_name}/introspect",
            "client_id": "gateway",
            "secret": "issuer_secret",
            **(introspection or {}),
        }
        usual = {"kind": "opaque", "issuer": self.issuer_name, "introspection": asked}
        return open_issuers([OpaqueIssuerSettings(**{**usual, **settings})], self.client, SECRETS)[0]
