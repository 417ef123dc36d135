"""What an operator says about an issuer whose tokens are accepted: the `[[issuers]]` table."""

from ipaddress import ip_address
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519"
]  # asymmetric only: with a shared secret the gateway itself could forge tokens

_LOOPBACK_NAME: Final = "localhost"


def is_loopback(host: str | None) -> bool:
    """Whether a host name or address can only be this machine."""
    if host is None:
        return False
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == _LOOPBACK_NAME


def secure_url(text: str) -> str:
    """An https URL, or http to this machine; raises ValueError with a sentence for the operator."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"must be an https URL, and `{text}` is not")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError(f"must use https: keys read over http from `{parts.hostname}` could be anybody's")
    if parts.username or parts.password:
        raise ValueError("must not carry a user name or password")
    return text


SecureUrl = Annotated[str, AfterValidator(secure_url)]


class IssuerSettings(BaseModel):
    """One issuer. `jwks_uri` is discovered (RFC 8414, OpenID Connect) where it is not given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    issuer: SecureUrl
    audience: str = Field(min_length=1)
    algorithms: tuple[Algorithm, ...] = Field(("ES384", "RS384", "ES256", "RS256"), min_length=1)
    jwks_uri: SecureUrl | None = None
    types: tuple[str, ...] = Field(("at+jwt",), min_length=1)
    """Accepted `typ` headers (RFC 9068 section 2.1). An issuer that says only `JWT` needs it here."""
    patient_source: str | None = None
    """The upstream that a bare FHIR id in the `patient` claim belongs to."""
    leeway_s: float = Field(30.0, ge=0, le=300)
    fhir_user_required: bool = False
    """Whether `user/` scopes count only in a token that has the `fhirUser` claim."""
