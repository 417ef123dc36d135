"""What the authorization server says of itself (RFC 8414, OpenID Connect Discovery, SMART App Launch 2.2)."""

from typing import Any

from sandbox.issuer.keys import ID_ALGORITHM

CAPABILITIES = (
    *("launch-standalone", "client-public", "client-confidential-symmetric", "authorize-post"),
    *("sso-openid-connect", "context-standalone-patient", "context-banner"),
    *("permission-patient", "permission-user", "permission-offline", "permission-online"),
    *("permission-v1", "permission-v2"),
)

SCOPES = (
    *("launch/patient", "openid", "fhirUser", "profile", "online_access", "offline_access"),
    *("patient/*.rs", "user/*.rs", "system/*.rs"),
)

SECRET_METHODS = ("client_secret_basic", "client_secret_post")


def metadata(issuer: str) -> dict[str, Any]:
    """The one document that answers at all three well-known addresses."""
    return {
        "issuer": issuer,
        "jwks_uri": f"{issuer}/jwks",
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "registration_endpoint": f"{issuer}/register",
        "introspection_endpoint": f"{issuer}/introspect",
        "revocation_endpoint": f"{issuer}/revoke",
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "subject_types_supported": ["public"],
        "prompt_values_supported": ["none"],
        "token_endpoint_auth_methods_supported": [*SECRET_METHODS, "none"],
        "introspection_endpoint_auth_methods_supported": list(SECRET_METHODS),
        "revocation_endpoint_auth_methods_supported": [*SECRET_METHODS, "none"],
        "id_token_signing_alg_values_supported": [ID_ALGORITHM],
        "claims_supported": ["iss", "sub", "aud", "exp", "iat", "nonce", "fhirUser"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "scopes_supported": list(SCOPES),
        "capabilities": list(CAPABILITIES),
    }
