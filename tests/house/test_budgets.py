"""Size budgets: a file that outgrows them is two things (docs/decisions/0002)."""

from __future__ import annotations

from tests.house.tree import functions, room_files, text

FILE_LINES = 300
FUNCTION_LINES = 60


def test_files_stay_within_their_budget() -> None:
    sizes = {name: text(name).count("\n") for name in room_files()}
    assert {name: size for name, size in sizes.items() if size > FILE_LINES} == {}


def test_functions_stay_within_their_budget() -> None:
    sizes = {
        f"{name}:{item.name}": (item.end_lineno or item.lineno) - item.lineno + 1
        for name in room_files()
        for item in functions(name)
    }
    assert {name: size for name, size in sizes.items() if size > FUNCTION_LINES} == {}
