"""What an operator says about an issuer whose tokens are accepted: the `[[issuers]]` table.

Two kinds: `jwt` signs its tokens, and the gateway checks them by the issuer's keys (RFC 9068); `opaque` is
asked about each token (RFC 7662). An issuer that gives out both stands twice.
"""

from ipaddress import ip_address
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from resolvers.upstreams.credential_settings import Algorithm as SigningAlgorithm

Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519"
]  # asymmetric only: with a shared secret the gateway itself could forge tokens

ClientAuthentication = Literal["client_secret_basic", "client_secret_post", "private_key_jwt"]
INTROSPECTION_KEPT_MAX_S: Final = 60.0
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
ClaimPath = Annotated[str, Field(min_length=1, max_length=200)]
SecretName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ClaimSettings(_Table):
    """Which claim says what: a claim's name, or a path into nested claims with dots between.

    What SMART App Launch and RFC 8693 name is read without being asked for. A claim that gives more
    rights and has no agreed name is read only where it is named here.
    """

    scope: ClaimPath | None = None
    """`scope` or `scp` where nothing is said."""
    patient: ClaimPath = "patient"
    fhir_user: ClaimPath = "fhirUser"
    encounter: ClaimPath = "encounter"
    need_patient_banner: ClaimPath = "need_patient_banner"
    nhs_number: ClaimPath | None = None
    purposes: ClaimPath | None = None
    organization: ClaimPath | None = None
    care_team: ClaimPath | None = None
    actor: ClaimPath = "act.sub"
    tier: ClaimPath | None = None
    required: dict[ClaimPath, str | bool] = {}
    """Claims that a token must have, each with this value, or this value in its list."""


class _CommonSettings(_Table):
    issuer: SecureUrl
    claims: ClaimSettings = ClaimSettings()
    clients: tuple[str, ...] | None = None
    """The only clients whose tokens are accepted; all of the issuer's where nothing is said."""
    bound_tokens_required: bool = False
    """Whether a token must be bound to the client's certificate (RFC 8705 section 3)."""
    patient_source: str | None = None
    """The upstream that a bare FHIR id in the `patient` claim belongs to."""
    leeway_s: float = Field(30.0, ge=0, le=300)
    fhir_user_required: bool = False
    """Whether `user/` scopes count only in a token that has the `fhirUser` claim."""


class JwtIssuerSettings(_CommonSettings):
    """An issuer of signed tokens. `jwks_uri` is discovered where it is not given."""

    kind: Literal["jwt"] = "jwt"
    audience: str = Field(min_length=1)
    algorithms: tuple[Algorithm, ...] = Field(("ES384", "RS384", "ES256", "RS256"), min_length=1)
    jwks_uri: SecureUrl | None = None
    types: tuple[str, ...] = Field(("at+jwt",), min_length=1)
    """Accepted `typ` headers (RFC 9068 section 2.1). An issuer that says only `JWT` needs it here."""


class IntrospectionSettings(_Table):
    """How the issuer is asked about a token, and how the gateway shows who it is.

    `endpoint` is discovered (RFC 8414, OpenID Connect) where it is not given.
    """

    endpoint: SecureUrl | None = None
    client_id: str = Field(min_length=1)
    authentication: ClientAuthentication = "client_secret_basic"
    secret: SecretName | None = None
    """The name of the client secret."""
    algorithm: SigningAlgorithm = "ES384"
    """That of the gateway's own key, for `private_key_jwt`."""
    cache_s: float = Field(30.0, ge=0, le=INTROSPECTION_KEPT_MAX_S)
    timeout_s: float = Field(2.0, gt=0, le=10)
    takes_jwts: bool = False
    """Whether JWTs that name this issuer are introspected too."""

    @model_validator(mode="after")
    def _has_its_secret(self) -> Self:
        by_key = self.authentication == "private_key_jwt"
        if by_key and self.secret is not None:
            raise ValueError("`secret` is never read for `private_key_jwt`, which uses the gateway's own key")
        if not by_key and self.secret is None:
            raise ValueError("`secret` is missing: name the secret that holds the client secret")
        return self


class OpaqueIssuerSettings(_CommonSettings):
    """An issuer that is asked about its tokens."""

    kind: Literal["opaque"]
    audience: str | None = Field(None, min_length=1)
    introspection: IntrospectionSettings


def _kind_of(written: Any) -> Any:
    return written.get("kind", "jwt") if isinstance(written, dict) else getattr(written, "kind", None)


IssuerSettings = Annotated[
    Annotated[JwtIssuerSettings, Tag("jwt")] | Annotated[OpaqueIssuerSettings, Tag("opaque")],
    Discriminator(
        _kind_of,
        custom_error_type="issuer_kind",
        custom_error_message='`kind` must be "jwt" or "opaque"',
    ),
]
