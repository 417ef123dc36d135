"""`/.well-known/smart-configuration`: where a SMART app gets its tokens (SMART App Launch 2.2).

The first configured issuer's own metadata, as far as they are what SMART wants: absolute addresses, S256 and
nothing weaker. What the gateway itself can do is added.
"""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.authn.bearer import Issuer
from gateway.authn.introspection import OpaqueIssuer
from gateway.authn.issuer import secure_url
from gateway.authn.metadata import MetadataUnavailable

log = logging.getLogger(__name__)

WAIT_MAX_S: Final = 3.0
ADDRESSES: Final = (
    "authorization_endpoint",
    "token_endpoint",
    "introspection_endpoint",
    "revocation_endpoint",
    "registration_endpoint",
    "management_endpoint",
)
LISTS: Final = (
    "token_endpoint_auth_methods_supported",
    "token_endpoint_auth_signing_alg_values_supported",
    "response_types_supported",
)
CAPABILITIES: Final = ("permission-patient", "permission-user", "permission-v1", "permission-v2")
SCOPES: Final = ("system/*.rs", "user/*.rs", "patient/*.rs")
GRANTS: Final = ("authorization_code",)
CLIENT_CAPABILITIES: Final = {
    "none": "client-public",
    "client_secret_basic": "client-confidential-symmetric",
    "client_secret_post": "client-confidential-symmetric",
    "private_key_jwt": "client-confidential-asymmetric",
}
"""The SMART word for a way in which an issuer lets clients show who they are."""


class SmartConfiguration:
    """What the first issuer says of itself, and what the gateway itself can do."""

    def __init__(self, issuer: Issuer) -> None:
        self._metadata = issuer.metadata
        introspection = issuer.settings.introspection if isinstance(issuer, OpaqueIssuer) else None
        self._configured = {
            "jwks_uri": None if isinstance(issuer, OpaqueIssuer) else issuer.settings.jwks_uri,
            "introspection_endpoint": introspection.endpoint if introspection else None,
        }

    async def publish(self, _: Request) -> Response:
        """The answer to a GET; always JSON, whatever Accept says."""
        try:
            async with asyncio.timeout(WAIT_MAX_S):
                document = await self._metadata.document()
            told = configuration(document, self._metadata.issuer, self._configured)
        except (MetadataUnavailable, TimeoutError) as problem:
            log.warning("no SMART configuration: %s", str(problem) or "the issuer is slow")
            return JSONResponse({"error": "temporarily_unavailable"}, 503, {"Retry-After": "5"})
        return JSONResponse(told)


def configuration(
    document: Mapping[str, Any], issuer: str, configured: Mapping[str, str | None] | None = None
) -> dict[str, Any]:
    """The SMART configuration that follows from an issuer's metadata, addresses of ours before its own.

    Raises `MetadataUnavailable` where there is no token endpoint, without which no app can do anything.
    """
    addresses = dict(_addresses({**document, **{k: v for k, v in (configured or {}).items() if v}}))
    if "token_endpoint" not in addresses:
        raise MetadataUnavailable("the issuer publishes no token_endpoint")
    return {
        "issuer": issuer,
        **addresses,
        **{name: words for name in LISTS if (words := _words(document, name))},
        "grant_types_supported": _words(document, "grant_types_supported") or list(GRANTS),
        "scopes_supported": _each_once(SCOPES, _words(document, "scopes_supported")),
        "code_challenge_methods_supported": ["S256"],
        "capabilities": _each_once(
            _words(document, "capabilities"), _client_capabilities(document), CAPABILITIES
        ),
    }


def _addresses(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in ("jwks_uri", *ADDRESSES):
        value = document.get(name)
        try:
            yield name, secure_url(value if isinstance(value, str) else "")
        except ValueError:
            continue


def _client_capabilities(document: Mapping[str, Any]) -> list[str]:
    methods = _words(document, "token_endpoint_auth_methods_supported")
    return [CLIENT_CAPABILITIES[one] for one in methods if one in CLIENT_CAPABILITIES]


def _words(document: Mapping[str, Any], name: str) -> list[str]:
    value = document.get(name)
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _each_once(*lists: "list[str] | tuple[str, ...]") -> list[str]:
    return list(dict.fromkeys(word for words in lists for word in words))
