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
    """A confidential client: its secret, the audience of its tokens, the scopes it may hold.

    A scope of the client may have `*` for any text: `system/*.rs` lets it ask for `system/Observation.rs`.
    """

    secret: str
    audience: str
    scopes: tuple[str, ...]

    def granted(self, asked: str) -> str:
        """The scopes that the client gets of those asked for, in order; all its own where none is named.
        Empty where it may have none of them."""
        if not (names := asked.split()):
            return " ".join(self.scopes)
        return " ".join(name for name in names if any(fnmatchcase(name, may) for may in self.scopes))


def read_clients(path: Path) -> dict[str, Client]:
    """The clients registered in the state folder, by client id."""
    return msgspec.json.decode(path.read_bytes(), type=dict[str, Client])


def authenticate(
    clients: Mapping[str, Client], authorization: str | None, form: Mapping[str, str]
) -> tuple[str, Client] | None:
    """The client that a token request proves to be, by `client_secret_basic` or `client_secret_post`
    (RFC 6749 section 2.3.1); None where it proves nothing."""
    client_id, secret = _basic(authorization) or (form.get("client_id", ""), form.get("client_secret", ""))
    client = clients.get(client_id)
    if client is None or not hmac.compare_digest(client.secret.encode(), secret.encode()):
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
