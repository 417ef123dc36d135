"""The registered clients of the sandbox issuer, and what each may ask for."""

import base64
import binascii
import hmac
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import unquote_plus

import msgspec


class Client(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A client: its secret (none: a public client), the audience of its tokens, the scopes it may hold, and
    where a user may be sent back to (nowhere: it has no users).

    A scope of the client may have `*` for any text: `system/*.rs` lets it ask for `system/Observation.rs`.
    """

    secret: str | None
    audience: str
    scopes: tuple[str, ...]
    redirect_uris: tuple[str, ...] = ()

    def granted(self, asked: str) -> str:
        """The scopes that the client gets of those asked for, in order; all its own where none is named.
        Empty where it may have none of them."""
        if not (names := asked.split()):
            return " ".join(self.scopes)
        return " ".join(self.allowed(names))

    def allowed(self, names: list[str]) -> list[str]:
        """Those of the named scopes that the client may have, each once, in order."""
        return [name for name in dict.fromkeys(names) if any(fnmatchcase(name, may) for may in self.scopes)]


def read_clients(path: Path) -> dict[str, Client]:
    """The clients registered in the state folder, by client id."""
    return msgspec.json.decode(path.read_bytes(), type=dict[str, Client])


def authenticate(
    clients: Mapping[str, Client], authorization: str | None, form: Mapping[str, str]
) -> tuple[str, Client] | None:
    """The client that a token request proves to be, by `client_secret_basic` or `client_secret_post`
    (RFC 6749 section 2.3.1), or says to be where it is public (section 3.2.1); None where it is neither."""
    client_id, secret = _basic(authorization) or (form.get("client_id", ""), form.get("client_secret", ""))
    client = clients.get(client_id)
    if client is None or not hmac.compare_digest((client.secret or "").encode(), secret.encode()):
        return None
    return client_id, client


def _basic(authorization: str | None) -> tuple[str, str] | None:
    kind, _, credentials = (authorization or "").partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        client_id, _, secret = base64.b64decode(credentials, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return unquote_plus(client_id), unquote_plus(secret)
