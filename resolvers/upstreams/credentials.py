"""How the gateway shows a source who it is: one kind for each way, chosen by a table.

A credential gives headers; `Exchange` puts them only on requests to the source's own origin.
"""

import time
from collections.abc import Callable, Mapping
from typing import Protocol

from clinical.codec import JsonInvalid, decode_json
from resolvers.upstreams.credentials_oauth import OAuthClientCredential
from resolvers.upstreams.errors import UpstreamRejected
from resolvers.upstreams.settings import (
    ClientCredentials,
    CredentialSettings,
    GrantsCredentials,
    StaticCredentials,
)
from resolvers.upstreams.transport import Transport

_RELOAD_PAUSE_S = 10.0


class SecretSource(Protocol):
    """Where secrets come from: environment or a secrets directory."""

    def get(self, name: str) -> str | None:
        """The secret of that name, without trailing line end; None where there is none."""


class Credential(Protocol):
    """One way to show who the gateway is."""

    async def headers(self, subject: str | None, deadline: float) -> Mapping[str, str]:
        """The headers of a call; `subject` is the source's user whose data is asked for, where the source
        knows tokens of users. Raises UpstreamError where there is no credential to be had."""

    def renewed_after_rejection(self, used: Mapping[str, str]) -> bool:
        """After a 401 to these headers: whether `headers` may now give others."""

    async def close(self) -> None:
        """Ends what the credential has open."""


class SecretMissing(ValueError):
    """A setting needs a secret that neither the environment nor the secrets directory has."""


class SecretInvalid(ValueError):
    """A secret that has not the shape its setting needs."""


class NoCredential:
    """Sends nothing."""

    async def headers(self, subject: str | None, deadline: float) -> Mapping[str, str]:
        return {}

    def renewed_after_rejection(self, used: Mapping[str, str]) -> bool:
        return False

    async def close(self) -> None:
        pass


class StaticCredential(NoCredential):
    """The same header on every call."""

    def __init__(self, header: str, value: str) -> None:
        self._headers = {header: value}

    async def headers(self, subject: str | None, deadline: float) -> Mapping[str, str]:
        return self._headers


class GrantsCredential(NoCredential):
    """Each user's own bearer token; read again, at most every 10 s, when one is refused."""

    def __init__(self, source: str, read: Callable[[], Mapping[str, str]]) -> None:
        self._source = source
        self._read = read
        self._headers = _bearer(read())
        self._read_at = time.monotonic()

    @property
    def users(self) -> tuple[str, ...]:
        """The users who granted access, sorted."""
        return tuple(sorted(self._headers))

    async def headers(self, subject: str | None, deadline: float) -> Mapping[str, str]:
        if subject is None:
            return {}
        found = self._headers.get(subject)
        if found is None:
            raise UpstreamRejected(self._source, f"{self._source} has no grant for this person.")
        return found

    def renewed_after_rejection(self, used: Mapping[str, str]) -> bool:
        now = time.monotonic()
        if now - self._read_at < _RELOAD_PAUSE_S:
            return False
        self._read_at = now
        try:
            self._headers = _bearer(self._read())
        except (SecretMissing, SecretInvalid):
            return False
        return used not in self._headers.values()


def open_credential(
    source: str, settings: CredentialSettings, secrets: SecretSource, transport: Transport
) -> Credential:
    """The credential that the settings of a source describe; `transport` reaches the token endpoint.

    Raises SecretMissing and SecretInvalid.
    """
    match settings:
        case StaticCredentials():
            value = header_secret(secrets, settings.secret or f"upstream_{source}_token")
            return StaticCredential(settings.header, settings.prefix + value)
        case ClientCredentials():
            secret = required_secret(secrets, settings.secret or f"upstream_{source}_client_secret")
            return OAuthClientCredential(source, settings, secret, transport)
        case GrantsCredentials():
            name = settings.secret or f"upstream_{source}_grants"
            return GrantsCredential(source, lambda: _grants(name, required_secret(secrets, name)))
        case _:
            return NoCredential()


def required_secret(secrets: SecretSource, name: str) -> str:
    """The secret of that name. Raises SecretMissing."""
    value = secrets.get(name)
    if not value:
        raise SecretMissing(
            f"the secret {name!r} is missing: put it into the secrets directory or the environment"
        )
    return value


def header_secret(secrets: SecretSource, name: str) -> str:
    """The secret of that name, which goes into a header. Raises SecretMissing, SecretInvalid."""
    value = required_secret(secrets, name)
    if not _is_sendable(value):
        raise SecretInvalid(f"the secret {name!r} holds a character that no header can hold")
    return value


def _is_sendable(text: object) -> bool:
    return isinstance(text, str) and text.isascii() and text.isprintable()


def _grants(name: str, text: str) -> Mapping[str, str]:
    try:
        grants = decode_json(text)
    except JsonInvalid as problem:
        raise SecretInvalid(f"the secret {name!r} is not JSON") from problem
    if not isinstance(grants, dict) or not all(map(_is_sendable, grants.values())):
        raise SecretInvalid(f"the secret {name!r} must be a JSON object of user id to token")
    return grants


def _bearer(grants: Mapping[str, str]) -> dict[str, dict[str, str]]:
    return {user: {"Authorization": f"Bearer {token}"} for user, token in grants.items()}
