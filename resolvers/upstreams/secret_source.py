"""Secrets as sources need them: looked up by name, checked for their shape, never shown."""

from pathlib import Path
from typing import Final, Protocol

_PEM: Final = "-----BEGIN "


class SecretSource(Protocol):
    """Where secrets come from: environment or a secrets directory."""

    def get(self, name: str) -> str | None:
        """The secret of that name, without trailing line end; None where there is none."""


class SecretMissing(ValueError):
    """A setting needs a secret that neither the environment nor the secrets directory has."""


class SecretInvalid(ValueError):
    """A secret that has not the shape its setting needs."""


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
    if not is_sendable(value):
        raise SecretInvalid(f"the secret {name!r} holds a character that no header can hold")
    return value


def key_secret(secrets: SecretSource, name: str, size: int) -> bytes:
    """A key of `size` bytes in hexadecimal. Raises SecretMissing, SecretInvalid."""
    try:
        key = bytes.fromhex(required_secret(secrets, name))
    except ValueError as problem:
        if isinstance(problem, SecretMissing):
            raise
        raise SecretInvalid(f"the secret {name!r} must be written in hexadecimal") from None
    if len(key) != size:
        raise SecretInvalid(f"the secret {name!r} must be {size} bytes ({2 * size} digits), not {len(key)}")
    return key


def pem_secret(secrets: SecretSource, name: str) -> bytes:
    """A secret in PEM, or the PEM of the file whose absolute path it is. Raises SecretMissing,
    SecretInvalid."""
    text = required_secret(secrets, name)
    if text.lstrip().startswith(_PEM):
        return text.encode()
    path = Path(text)
    try:
        content = path.read_bytes() if path.is_absolute() and "\n" not in text else b""
    except (OSError, ValueError):
        raise SecretInvalid(f"the secret {name!r} names a file that cannot be read") from None
    if not content.lstrip().startswith(_PEM.encode()):
        raise SecretInvalid(f"the secret {name!r} is neither PEM nor the absolute path of a PEM file")
    return content


def is_sendable(text: object) -> bool:
    """Whether a header can hold the text."""
    return isinstance(text, str) and text.isascii() and text.isprintable()
