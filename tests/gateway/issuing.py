"""An authorization server inside the test: real keys, a JWK set over httpx, and tokens good or bad."""

import time
from collections.abc import Mapping
from typing import Any

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from gateway.authn.issuer import IssuerSettings
from gateway.authn.jwt import Issuer, JwtAuthenticator, open_issuers

ISSUER = "https://issuer.test"
AUDIENCE = "https://gateway.test"
JWKS_URI = f"{ISSUER}/jwks"

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
    """Publishes `keys`; counts and can refuse what it is asked for."""

    def __init__(self, *keys: AnyKey) -> None:
        self.keys = list(keys) or [ec_key("k1")]
        self.asked: list[str] = []
        self.cache_control: str | None = "max-age=600"
        self.is_down = False
        self.documents: dict[str, Any] = {}
        self.client = httpx.AsyncClient(transport=httpx.MockTransport(self._answer))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(str(request.url))
        if self.is_down:
            raise httpx.ConnectError("down")
        headers = {"Cache-Control": self.cache_control} if self.cache_control else {}
        if str(request.url) in self.documents:
            return httpx.Response(200, json=self.documents[str(request.url)], headers=headers)
        if str(request.url) == JWKS_URI:
            return httpx.Response(200, json=self.jwks(), headers=headers)
        return httpx.Response(404)

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
        return open_issuers([IssuerSettings(**{**usual, **settings})], self.client)[0]

    def authenticator(self, **settings: Any) -> JwtAuthenticator:
        return JwtAuthenticator([self.issuer(**settings)])
