"""Writes schema/released.graphql: the printed schema as clients were last promised it, without descriptions.

Run at a release (`make release-schema`). Until the next one, `tests/house/test_schema_changes.py` holds the
schema to it: a breaking change must be declared in CHANGELOG.md.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from graphql import parse, print_ast
from graphql.utilities import strip_ignored_characters

ROOT = Path(__file__).resolve().parent.parent
PRINTED = ROOT / "schema" / "schema.graphql"
RELEASED = ROOT / "schema" / "released.graphql"
_WITHOUT: Final[dict[str, Any]] = {"description": None, "directives": ()}
_BELOW: Final = ("fields", "arguments", "values")


def bare(sdl: str) -> str:
    """A schema's shape, one definition a line, without what no client depends on."""
    definitions = map(_bare, parse(sdl, no_location=True).definitions)
    return "".join(f"{strip_ignored_characters(print_ast(one))}\n" for one in definitions)


def _bare(node: Any) -> Any:
    taken = {name: nothing for name, nothing in _WITHOUT.items() if getattr(node, name, None)}
    below = {name: tuple(map(_bare, inner)) for name in _BELOW if (inner := getattr(node, name, None))}
    return replace(node, **taken, **below)


if __name__ == "__main__":
    RELEASED.write_text(bare(PRINTED.read_text("utf-8")), "utf-8")
