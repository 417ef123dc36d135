"""The `[upstreams.credentials]` tables: one model for each kind.

Secrets never stand here; a setting that needs one names it.
"""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from resolvers.upstreams.addresses import web_address

WebAddress = Annotated[str, AfterValidator(web_address)]
SecretName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")]
Algorithm = Literal["ES384", "RS384"]
"""What SMART Backend Services asks of clients and servers."""


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NoCredentials(_Table):
    """The source asks for none."""

    kind: Literal["none"] = "none"


class StaticCredentials(_Table):
    """One secret for every call, in one header. `secret` defaults to `upstream_<name>_token`."""

    kind: Literal["static"]
    header: str = "Authorization"
    prefix: str = "Bearer "
    secret: str | None = None


class BasicCredentials(_Table):
    """HTTP Basic (RFC 7617). `secret`, the password, defaults to `upstream_<name>_password`.

    Without a `user` the secret, by default `upstream_<name>_token`, is an API key that goes out as the user,
    with an empty password.
    """

    kind: Literal["basic"]
    user: str | None = Field(default=None, pattern=r"^[^:\x00-\x1f\x7f]+$")
    secret: str | None = None


class ClientCredentials(_Table):
    """OAuth 2.0 client credentials (RFC 6749 4.4). `secret` defaults to `upstream_<name>_client_secret`."""

    kind: Literal["client_credentials"]
    token_url: WebAddress
    client_id: str
    scope: str | None = None
    authentication: Literal["client_secret_basic", "client_secret_post"] = "client_secret_basic"
    secret: str | None = None


class PrivateKeyJwtCredentials(_Table):
    """Client credentials proved by a JWT of the gateway's own key (RFC 7523 section 2.2, SMART Backend
    Services)."""

    kind: Literal["private_key_jwt"]
    token_url: WebAddress
    client_id: str
    scope: str | None = None
    algorithm: Algorithm = "ES384"


class MtlsCredentials(_Table):
    """A client certificate, for the source and, where `token_url` stands, for its tokens (RFC 8705 section
    2.1: `tls_client_auth`).

    The secrets default to `upstream_<name>_certificate` and `upstream_<name>_key`; each is PEM, or the path
    of a PEM file. `ca_secret` likewise: whom to trust instead of the system's authorities.
    """

    kind: Literal["mtls"]
    certificate_secret: SecretName | None = None
    key_secret: SecretName | None = None
    ca_secret: SecretName | None = None
    token_url: WebAddress | None = None
    client_id: str | None = None
    scope: str | None = None

    @model_validator(mode="after")
    def _has_client(self) -> Self:
        _check_client(self.token_url, self.client_id)
        return self


class TokenExchangeCredentials(_Table):
    """The caller's token is exchanged for one of the source (RFC 8693). `secret` defaults to
    `upstream_<name>_client_secret`; `trusted_issuer`: whose tokens the token endpoint takes, all where none
    is named."""

    kind: Literal["token_exchange"]
    token_url: WebAddress
    client_id: str
    authentication: Literal["client_secret_basic", "client_secret_post", "private_key_jwt"] = (
        "client_secret_basic"
    )
    algorithm: Algorithm = "ES384"
    secret: str | None = None
    scope: str | None = None
    audience: str | None = None
    resource: str | None = None
    trusted_issuer: str | None = None


class ForwardCredentials(_Table):
    """The caller's own token, for a source that trusts the issuer of it."""

    kind: Literal["forward"]
    trusted_issuer: str


class PatientGrantCredentials(_Table):
    """What each user of the source has granted: `grants_secret`, by default `upstream_<name>_grants`, holds a
    JSON object of account to token (`resolvers.upstreams.grants`).

    With `token_url` grants are renewed by their refresh tokens and kept in the store, sealed with the secret
    `grant_key`. `secret` is the client's, by default `upstream_<name>_client_secret`. `reuse_s`: for how long
    the vendor takes a refresh token again whose answer was lost; 0: never.
    """

    kind: Literal["patient_grant"]
    grants_secret: SecretName | None = None
    token_url: WebAddress | None = None
    client_id: str | None = None
    authentication: Literal["client_secret_basic", "client_secret_post", "none"] = "client_secret_post"
    secret: str | None = None
    reuse_s: float = Field(default=0.0, ge=0, le=86_400)

    @model_validator(mode="after")
    def _has_client(self) -> Self:
        _check_client(self.token_url, self.client_id)
        return self


CredentialSettings = Annotated[
    NoCredentials
    | StaticCredentials
    | BasicCredentials
    | ClientCredentials
    | PrivateKeyJwtCredentials
    | MtlsCredentials
    | TokenExchangeCredentials
    | ForwardCredentials
    | PatientGrantCredentials,
    Field(discriminator="kind"),
]


def _check_client(token_url: str | None, client_id: str | None) -> None:
    if token_url is not None and not client_id:
        raise ValueError("`token_url` needs `client_id`, by which the token endpoint knows the gateway")
    if token_url is None and client_id is not None:
        raise ValueError("`client_id` is never used without `token_url`")
