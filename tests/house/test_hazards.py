"""The hazard log: every hazard has a control, and every control a test that exists (DCB0129 4.4, 6.2)."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from tests.house.tree import ROOT, functions, text

# The severity classes of DCB0129's guidance.
SEVERITIES = ("catastrophic", "major", "considerable", "significant", "minor")
FIELDS = {"id", "hazard", "cause", "effect", "severity", "control", "tests"}

HAZARDS: list[dict[str, Any]] = tomllib.loads(text("docs/safety/hazards.toml"))["hazard"]


def exists(test: str) -> bool:
    """`tests/room/test_file.py::test_name` names a function in that file."""
    path, _, name = test.partition("::")
    return (ROOT / path).is_file() and any(item.name == name for item in functions(path))


def test_hazards_have_their_own_numbers_in_order() -> None:
    assert [row["id"] for row in HAZARDS] == [f"H{number:02}" for number in range(1, len(HAZARDS) + 1)]


@pytest.mark.parametrize("row", HAZARDS, ids=[row["id"] for row in HAZARDS])
def test_a_hazard_is_described_and_its_control_is_proven(row: dict[str, Any]) -> None:
    assert set(row) == FIELDS
    assert row["severity"] in SEVERITIES
    assert all(row[field].strip() for field in FIELDS - {"tests", "severity"})
    assert row["tests"]
    assert [test for test in row["tests"] if not exists(test)] == []
