"""How the gateway shows an issuer who it is when it asks about a token (RFC 6749 section 2.3, RFC 7523)."""

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote_plus

from gateway.authn.issuer import IntrospectionSettings
from gateway.keys import read_keys
from gateway.secrets import SecretInvalid, Secrets
from resolvers.upstreams.assertions import ASSERTION_TYPE, assertion
from resolvers.upstreams.credentials import SIGNING_KEYS


@dataclass(frozen=True, slots=True)
class ClientProof:
    """What one request gets in addition: headers and form fields."""

    headers: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)


Prove = Callable[[], ClientProof]
"""Gives a proof for one request; raises `SecretInvalid` where the secret has gone."""


def client_authentication(settings: IntrospectionSettings, issuer: str, secrets: Secrets) -> Prove:
    """The way that the settings choose; raises `SecretInvalid` where what it needs is missing.

    A client secret is read anew each time, so that a renewed one counts at once.
    """
    if settings.authentication == "private_key_jwt":
        return _by_key(settings, issuer, secrets)
    name, show = settings.secret or "", _post if settings.authentication == "client_secret_post" else _basic
    secrets.required(name)
    return lambda: show(settings.client_id, secrets.required(name))


def _basic(client_id: str, secret: str) -> ClientProof:
    """Both parts are form-encoded first (section 2.3.1), or a colon in one would move the border."""
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return ClientProof({"Authorization": f"Basic {b64encode(pair.encode()).decode()}"})


def _post(client_id: str, secret: str) -> ClientProof:
    return ClientProof(form={"client_id": client_id, "client_secret": secret})


def _by_key(settings: IntrospectionSettings, issuer: str, secrets: Secrets) -> Prove:
    """By the gateway's own key. The audience is the issuer: no other server can use the assertion."""
    client_id, algorithm = settings.client_id, settings.algorithm
    key = read_keys(secrets).signing_key(algorithm)
    if key is None:
        raise SecretInvalid(
            f"the secret `{SIGNING_KEYS}` holds no key for {algorithm}, "
            f"which introspection of {issuer} needs for `private_key_jwt`"
        )
    return lambda: ClientProof(
        form={
            "client_id": client_id,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion(key, algorithm, client_id, issuer),
        }
    )
