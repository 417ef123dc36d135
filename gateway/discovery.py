"""`/.well-known/smart-configuration`: where a SMART app gets its tokens (SMART App Launch 2.2)."""

from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.authn.jwt import Issuer
from gateway.authn.metadata import MetadataUnavailable

FROM_ISSUER: Final = (
    "authorization_endpoint",
    "token_endpoint",
    "introspection_endpoint",
    "revocation_endpoint",
    "registration_endpoint",
    "token_endpoint_auth_methods_supported",
    "token_endpoint_auth_signing_alg_values_supported",
    "response_types_supported",
)
CAPABILITIES: Final = ("permission-v1", "permission-v2")
SCOPES: Final = ("system/*.rs", "user/*.rs", "patient/*.rs")


class SmartConfiguration:
    """What the first issuer says of itself, and what the gateway itself can do."""

    def __init__(self, issuer: Issuer) -> None:
        self._metadata = issuer.metadata

    async def publish(self, _: Request) -> Response:
        """The answer to a GET; always JSON, whatever Accept says."""
        try:
            document = await self._metadata.document()
            jwks_uri = await self._metadata.jwks_uri()
        except MetadataUnavailable:
            return JSONResponse({"error": "temporarily_unavailable"}, 503, {"Retry-After": "5"})
        return JSONResponse(configuration(document, self._metadata.issuer, jwks_uri))


def configuration(document: Mapping[str, Any], issuer: str, jwks_uri: str) -> dict[str, Any]:
    """The SMART configuration that follows from an issuer's own metadata."""
    capabilities = [one for one in document.get("capabilities", ()) if isinstance(one, str)]
    return {
        "issuer": issuer,
        "jwks_uri": jwks_uri,
        **{name: document[name] for name in FROM_ISSUER if name in document},
        "grant_types_supported": document.get("grant_types_supported", ["authorization_code"]),
        "scopes_supported": list(SCOPES),
        "code_challenge_methods_supported": ["S256"],
        "capabilities": list(dict.fromkeys([*capabilities, *CAPABILITIES])),
    }
