"""The configured issuers, opened: what each kind of settings becomes."""

from collections.abc import Iterable
from typing import Final

import httpx

from gateway.authn.bearer import Issuer
from gateway.authn.introspection import OpaqueIssuer
from gateway.authn.issuer import JwtIssuerSettings, OpaqueIssuerSettings
from gateway.authn.jwt import JwtIssuer
from gateway.secrets import Secrets

CLIENT_TIMEOUT_S: Final = 3.0

IssuerClient = httpx.AsyncClient
"""The connections over which issuers are asked."""


def issuer_client() -> IssuerClient:
    """The HTTP client for issuers: no redirects, nothing taken from the environment."""
    return httpx.AsyncClient(timeout=CLIENT_TIMEOUT_S, follow_redirects=False, trust_env=False)


def open_issuers(
    settings: Iterable[JwtIssuerSettings | OpaqueIssuerSettings], client: IssuerClient, secrets: Secrets
) -> tuple[Issuer, ...]:
    """Issuers that are asked over `client` when a token first needs it; raises `SecretInvalid`."""
    return tuple(_opened(one, client, secrets) for one in settings)


def _opened(
    settings: JwtIssuerSettings | OpaqueIssuerSettings, client: IssuerClient, secrets: Secrets
) -> Issuer:
    if isinstance(settings, OpaqueIssuerSettings):
        return OpaqueIssuer(settings, client, secrets)
    return JwtIssuer(settings, client)
