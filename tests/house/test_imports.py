"""Import rules that import-linter and ruff cannot state."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from resolvers.upstreams import registry
from tests.house.tree import ROOMS, ROOT, parse, room_files

# Names that say nothing about what is inside (docs/decisions/0002).
DRAWERS = {"utils", "util", "helpers", "helper", "common", "base", "core", "manager", "handler", "service"}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_is_ours_and_not_a_package_of_the_same_name(room: str) -> None:
    """`schema` is also a distribution on the public index; whoever installs it must not shadow ours."""
    assert Path(importlib.import_module(room).__file__ or "").resolve() == ROOT / room / "__init__.py"


def test_init_files_hold_a_docstring_only() -> None:
    wrong = []
    for name in room_files():
        if name.endswith("__init__.py"):
            body = parse(name).body
            if len(body) != 1 or ast.get_docstring(parse(name)) is None:
                wrong.append(name)
    assert wrong == []


def test_no_module_is_a_drawer() -> None:
    assert [name for name in room_files() if DRAWERS & set(Path(name).with_suffix("").parts)] == []


def test_every_room_is_typed_for_those_who_import_it() -> None:
    assert [room for room in ROOMS if not (ROOT / room / "py.typed").is_file()] == []


def test_vendor_modules_never_import_each_other() -> None:
    """`resolvers/upstreams/<kind>.py` and `<kind>_*.py` belong to one kind of source."""
    kinds = {kind.removeprefix("fhir-") for kind in registry.KINDS}
    assert len(kinds) > 1
    crossing = []
    for name in room_files():
        own = kind_of(Path(name).stem, kinds) if name.startswith("resolvers/upstreams/") else None
        if own is not None:
            others = {kind_of(module, kinds) for module in upstream_imports(name)} - {own, None}
            crossing += [(name, other) for other in others]
    assert crossing == []


def kind_of(module: str, kinds: set[str]) -> str | None:
    return next((kind for kind in kinds if module == kind or module.startswith(f"{kind}_")), None)


def upstream_imports(name: str) -> Iterator[str]:
    """Modules of resolvers.upstreams that a file imports."""
    for item in ast.walk(parse(name)):
        if isinstance(item, ast.ImportFrom) and item.module == "resolvers.upstreams":
            yield from (alias.name for alias in item.names)
        elif isinstance(item, ast.ImportFrom) and (item.module or "").startswith("resolvers.upstreams."):
            yield (item.module or "").split(".")[2]
