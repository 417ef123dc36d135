"""The vectors: documents, and what the GraphQL specification says of them."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clinical.codec import decode_json, encode_json

PLACE = Path(__file__).parent


@dataclass(frozen=True)
class Told:
    """One error: where in the response, and a word of its message."""

    path: tuple[str | int, ...]
    says: str

    def fits(self, path: tuple[str | int, ...], message: str) -> bool:
        return self.path == path and self.says in message


@dataclass(frozen=True)
class Vector:
    """One rule of the specification, shown by a document.

    `section` is that of the September 2025 edition. `data` is the answer's text, None where the request fails
    before execution. `may` holds errors that an executor need not tell: those of positions beside the
    one whose error made their parent null (6.3.3: they "may be cancelled").
    """

    section: str
    title: str
    document: str
    operation: str | None
    variables: dict[str, Any]
    data: bytes | None
    errors: tuple[Told, ...]
    may: tuple[Told, ...]

    def __str__(self) -> str:
        return f"{self.section}: {self.title}"


def vectors() -> list[Vector]:
    """Every vector, in the order of the files' names."""
    return [one for path in sorted(PLACE.glob("*.toml")) for one in _read(path)]


def _read(path: Path) -> Iterator[Vector]:
    for table in tomllib.loads(path.read_text(encoding="utf-8"))["vector"]:
        yield Vector(
            section=table.pop("section"),
            title=table.pop("title"),
            document=table.pop("document"),
            operation=table.pop("operation", None),
            variables=decode_json(table.pop("variables", "{}")),
            data=_text(table.pop("data", None)),
            errors=_told(table.pop("errors", [])),
            may=_told(table.pop("may", [])),
        )
        assert not table, f"{path.name}: unknown keys {sorted(table)}"


def _text(data: str | None) -> bytes | None:
    """The answer as it is written: the order of its members counts, spaces do not."""
    return None if data is None else encode_json(decode_json(data))


def _told(tables: list[dict[str, Any]]) -> tuple[Told, ...]:
    return tuple(Told(tuple(table.get("path", ())), table["says"]) for table in tables)
