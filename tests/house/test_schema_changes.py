"""A breaking change of the schema is declared in CHANGELOG.md (docs/schema.md)."""

from __future__ import annotations

import re

import pytest
from graphql import build_schema
from graphql.utilities import find_breaking_changes

from scripts.released_schema import bare
from tests.house.tree import text

HEADING = "### Breaking schema changes"
COORDINATE = re.compile(r"\b_*[A-Za-z]\w*(?:\.\w+)?")


def breaking(released: str, now: str) -> list[str]:
    """What a client of the released schema could trip over, as graphql-core tells it."""
    old, new = (build_schema(one, assume_valid=True) for one in (released, now))
    return [one.description for one in find_breaking_changes(old, new)]


def declared(changelog: str) -> set[str]:
    """The types and fields that the newest version's section declares, in backticks."""
    newest = changelog.split("\n## ")[1]
    _, _, section = newest.partition(HEADING)
    return set(re.findall(r"`([\w.]+)`", section.partition("\n### ")[0]))


def undeclared(changes: list[str], names: set[str]) -> list[str]:
    """Changes of which neither the field nor its type is declared."""
    return [one for one in changes if not names & _named(one)]


def _named(change: str) -> set[str]:
    found = COORDINATE.findall(change)
    return {*found, *(one.partition(".")[0] for one in found)}


def test_breaking_changes_since_the_release_are_declared() -> None:
    changes = breaking(text("schema/released.graphql"), bare(text("schema/schema.graphql")))
    assert undeclared(changes, declared(text("CHANGELOG.md"))) == []


OLD = "type Query { a: String b: Thing } type Thing { c(d: Int): Int } enum Size { SMALL LARGE }"


@pytest.mark.parametrize(
    ("new", "name"),
    [
        ("type Query { a: String } type Thing { c(d: Int): Int } enum Size { SMALL LARGE }", "Query.b"),
        ("type Query { a: Int b: Thing } type Thing { c(d: Int): Int } enum Size { SMALL LARGE }", "Query.a"),
        ("type Query { a: String b: Thing } type Thing { c: Int } enum Size { SMALL LARGE }", "Thing.c"),
        (OLD.replace("d: Int", "d: Int!"), "Thing.c"),
        ("type Query { a: String b: Thing } type Thing { c(d: Int): Int } enum Size { SMALL }", "Size"),
    ],
)
def test_a_breaking_change_is_found_until_it_is_declared(new: str, name: str) -> None:
    changes = breaking(OLD, new)
    assert changes
    assert undeclared(changes, set()) == changes
    changelog = f"# Changelog\n\n## 0.2.0\n\n{HEADING}\n- `{name}` is gone.\n\n### Added\n- `Other`\n"
    assert undeclared(changes, declared(changelog)) == []
    assert undeclared(changes, declared(changelog.replace(name, "Unheard"))) == changes


def test_what_is_added_breaks_nobody() -> None:
    new = OLD.replace("b: Thing", "b: Thing e: Int").replace("d: Int", "d: Int f: Int")
    assert breaking(OLD, new) == []
