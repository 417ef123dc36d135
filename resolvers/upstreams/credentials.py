"""The kinds of credentials, from the settings of a source."""

from base64 import b64encode
from dataclasses import dataclass
from typing import Any

from resolvers.upstreams.assertions import KeyRing, assertion_proof
from resolvers.upstreams.credential import Credential, NoCredential, StaticCredential
from resolvers.upstreams.credential_settings import (
    Algorithm,
    BasicCredentials,
    ClientCredentials,
    CredentialSettings,
    ForwardCredentials,
    MtlsCredentials,
    PatientGrantCredentials,
    PrivateKeyJwtCredentials,
    StaticCredentials,
    TokenExchangeCredentials,
)
from resolvers.upstreams.credentials_caller import ForwardCredential, TokenExchangeCredential
from resolvers.upstreams.credentials_grant import FixedGrants, PatientGrants, RenewedGrants
from resolvers.upstreams.credentials_oauth import OAuthClientCredential
from resolvers.upstreams.grant_renewal import GrantRenewal
from resolvers.upstreams.grant_store import GrantStore
from resolvers.upstreams.grants import KEY_BYTES, HandedIn, Seal
from resolvers.upstreams.secret_source import (
    SecretMissing,
    SecretSource,
    header_secret,
    key_secret,
    required_secret,
)
from resolvers.upstreams.token_endpoint import Client, TokenEndpoint
from resolvers.upstreams.transport import Transport

SIGNING_KEYS = "signing_keys"
"""The secret that holds the gateway's own keys."""
GRANT_KEY = "grant_key"
"""The secret that seals grants in the store."""


@dataclass(frozen=True, slots=True)
class CredentialParts:
    """What credentials are made of, besides their settings. `transport` reaches the token endpoint."""

    source: str
    secrets: SecretSource
    transport: Transport
    grants: GrantStore
    keys: KeyRing | None = None

    def secret_name(self, named: str | None, usual: str) -> str:
        """The name that the settings give a secret, else the usual one."""
        return named or f"upstream_{self.source}_{usual}"

    def endpoint(self, url: str, client: Client) -> TokenEndpoint:
        """A token endpoint."""
        return TokenEndpoint(self.source, url, client, self.transport)

    def client(self, settings: Any) -> Client:
        """A client that shows its secret, or has none. Raises SecretMissing."""
        if settings.authentication == "none":
            return Client(settings.client_id, "none")
        secret = required_secret(self.secrets, self.secret_name(settings.secret, "client_secret"))
        return Client(settings.client_id, settings.authentication, secret)

    def signing_client(self, client_id: str, token_url: str, algorithm: Algorithm) -> Client:
        """A client that proves itself with the gateway's key. Raises SecretMissing."""
        key = self.keys.signing_key(algorithm) if self.keys is not None else None
        if key is None:
            raise SecretMissing(
                f"private_key_jwt needs a key for {algorithm} of the gateway's own: put one into the secret "
                f"{SIGNING_KEYS!r}"
            )
        return Client(
            client_id, "private_key_jwt", None, assertion_proof(key, algorithm, client_id, token_url)
        )


def open_credential(settings: CredentialSettings, parts: CredentialParts) -> Credential:
    """The credential that the settings of a source describe. Raises SecretMissing and SecretInvalid."""
    match settings:
        case StaticCredentials():
            value = header_secret(parts.secrets, parts.secret_name(settings.secret, "token"))
            return StaticCredential(settings.header, settings.prefix + value)
        case BasicCredentials():
            return StaticCredential("Authorization", f"Basic {_basic(settings, parts)}")
        case ClientCredentials():
            endpoint = parts.endpoint(settings.token_url, parts.client(settings))
            return OAuthClientCredential(endpoint, settings.scope)
        case PrivateKeyJwtCredentials():
            client = parts.signing_client(settings.client_id, settings.token_url, settings.algorithm)
            return OAuthClientCredential(parts.endpoint(settings.token_url, client), settings.scope)
        case MtlsCredentials():
            return _of_certificate(settings, parts)
        case TokenExchangeCredentials():
            return _exchanging(settings, parts)
        case ForwardCredentials():
            return ForwardCredential(parts.source, settings.trusted_issuer)
        case PatientGrantCredentials():
            return _granted(settings, parts)
        case _:
            return NoCredential()


def _basic(settings: BasicCredentials, parts: CredentialParts) -> str:
    """User and password, or an API key as user (RFC 7617 section 2)."""
    if settings.user is None:
        pair = required_secret(parts.secrets, parts.secret_name(settings.secret, "token")) + ":"
    else:
        password = required_secret(parts.secrets, parts.secret_name(settings.secret, "password"))
        pair = f"{settings.user}:{password}"
    return b64encode(pair.encode()).decode()


def _of_certificate(settings: MtlsCredentials, parts: CredentialParts) -> Credential:
    """The certificate is the transport's; here are the tokens that it brings (RFC 8705 section 2.1)."""
    if settings.token_url is None or settings.client_id is None:
        return NoCredential()
    endpoint = parts.endpoint(settings.token_url, Client(settings.client_id, "none"))
    return OAuthClientCredential(endpoint, settings.scope)


def _exchanging(settings: TokenExchangeCredentials, parts: CredentialParts) -> Credential:
    if settings.authentication == "private_key_jwt":
        client = parts.signing_client(settings.client_id, settings.token_url, settings.algorithm)
    else:
        client = parts.client(settings)
    return TokenExchangeCredential(parts.endpoint(settings.token_url, client), settings)


def _granted(settings: PatientGrantCredentials, parts: CredentialParts) -> PatientGrants:
    name = parts.secret_name(settings.grants_secret, "grants")
    handed_in = HandedIn(name, lambda: required_secret(parts.secrets, name))
    if settings.token_url is None:
        return FixedGrants(parts.source, handed_in)
    seal = Seal(key_secret(parts.secrets, GRANT_KEY, KEY_BYTES))
    endpoint = parts.endpoint(settings.token_url, parts.client(settings))
    renewal = GrantRenewal(endpoint, parts.grants, seal, settings.reuse_s)
    return RenewedGrants(parts.source, handed_in, renewal)
