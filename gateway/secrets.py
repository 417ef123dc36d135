"""Where secrets come from: the environment, else a directory with one file for each; never gateway.toml.

The secret `identity_key` is the environment variable `CLINICAL_GATEWAY_SECRET_IDENTITY_KEY`, or the
file `identity_key` in the directory (as container platforms mount them).
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

PREFIX: Final = "CLINICAL_GATEWAY_SECRET_"
_NAME: Final = re.compile(r"[a-z][a-z0-9_-]*", re.ASCII)


class SecretInvalid(Exception):
    """A secret is missing or has another shape. The message names it and never shows it."""


class Secrets:
    """The secrets of a deployment, read anew at each question so that a renewed one is found."""

    def __init__(self, directory: Path | None = None, environment: Mapping[str, str] | None = None) -> None:
        self._directory = directory
        self._environment = os.environ if environment is None else environment

    def get(self, name: str) -> str | None:
        """A secret without its trailing line end, or None."""
        if _NAME.fullmatch(name) is None:  # a name is never a path
            raise ValueError(f"`{name}` is not the name of a secret")
        given = self._environment.get(variable_of(name))
        if given is not None:
            return given
        if self._directory is None:
            return None
        try:
            return (self._directory / name).read_text("utf-8").rstrip("\r\n")
        except FileNotFoundError:
            return None

    def required(self, name: str) -> str:
        """A secret that must be there; raises `SecretInvalid`."""
        text = self.get(name)
        if text is None:
            raise SecretInvalid(f"the secret `{name}` is missing: {self._where(name)}")
        return text

    def key(self, name: str, size: int) -> bytes:
        """A key of `size` bytes, written in hexadecimal; raises `SecretInvalid`."""
        text = self.required(name)
        try:
            key = bytes.fromhex(text)
        except ValueError:
            raise SecretInvalid(f"the secret `{name}` must be written in hexadecimal") from None
        if len(key) != size:
            raise SecretInvalid(
                f"the secret `{name}` must be {size} bytes ({2 * size} digits), not {len(key)}"
            )
        return key

    def _where(self, name: str) -> str:
        variable = f"set the environment variable {variable_of(name)}"
        if self._directory is None:
            return f"{variable}, or name a [secrets] directory that holds it"
        return f"{variable}, or write it to {self._directory / name}"


def variable_of(name: str) -> str:
    """The environment variable that may hold a secret."""
    return PREFIX + name.upper().replace("-", "_")
