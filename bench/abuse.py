"""The documents that ask for too much: data of the tests, which are measured too."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway.document_limits import LimitSettings

FILE: Final = Path(__file__).parents[1] / "tests" / "conformance" / "limits" / "abuse.toml"


@dataclass(frozen=True)
class Abuse:
    """A document, the limits that it meets, and the code that it is refused with."""

    title: str
    text: str
    limits: LimitSettings
    code: str


def abuses() -> list[Abuse]:
    """All of them, in the order of the file."""
    return [_abuse(**one) for one in tomllib.loads(FILE.read_text("utf-8"))["vector"]]


def _abuse(
    *,
    title: str,
    head: str,
    piece: str,
    count: int,
    tail: str,
    limits: dict[str, Any] | None = None,
    code: str = "DOCUMENT_LIMIT_EXCEEDED",
    is_closed: bool = False,
) -> Abuse:
    pieces = (piece.replace("%n", str(n)).replace("%m", str(n + 1)) for n in range(count))
    text = head + "".join(pieces) + tail
    if is_closed:  # whatever is open is closed
        text += "}" * (text.count("{") - text.count("}"))
    return Abuse(title, text, LimitSettings(**(limits or {})), code)
