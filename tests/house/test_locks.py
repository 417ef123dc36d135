"""The lock files: everything pinned and hashed, nothing about where it came from."""

from __future__ import annotations

import importlib.util
import json
import re
import tomllib
from types import ModuleType
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.house.tree import ROOT, text

LOCKS = ("requirements.lock", "requirements-test.lock")


@pytest.fixture(scope="module")
def sbom() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sbom", ROOT / "scripts" / "sbom.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def blocks(lock: str) -> dict[str, str]:
    """Requirement name -> its lines."""
    parts = re.split(r"^(?=[a-z0-9])", text(lock), flags=re.MULTILINE)
    return {part.split("==")[0]: part for part in parts if part.strip()}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_is_pinned_and_hashed(lock: str) -> None:
    rows = blocks(lock)
    assert len(rows) > 20
    loose = [name for name, part in rows.items() if "==" not in part or "--hash=sha256:" not in part]
    assert loose == []


@pytest.mark.parametrize("lock", LOCKS)
def test_no_lock_file_names_an_address(lock: str) -> None:
    assert re.findall(r"\S*(?:://|--index-url|--extra-index-url|--find-links| @ )\S*", text(lock)) == []


def test_tests_run_on_the_versions_that_are_deployed() -> None:
    def pins(lock: str) -> dict[str, str]:
        return {name: part.split()[0] for name, part in blocks(lock).items()}

    deployed, tested = pins(LOCKS[0]), pins(LOCKS[1])
    assert {name: tested.get(name) for name in deployed} == deployed


@pytest.mark.parametrize(("lock", "extra"), [(LOCKS[0], None), (LOCKS[1], "test")])
def test_every_declared_dependency_is_locked(lock: str, extra: str | None) -> None:
    project = tomllib.loads(text("pyproject.toml"))["project"]
    declared = project["optional-dependencies"][extra] if extra else project["dependencies"]
    names = {re.split(r"[<>=!~ ;\[]", row)[0].lower().replace(".", "-") for row in declared}
    assert names - set(blocks(lock)) == set()


def test_the_bill_of_materials_is_made_from_the_lock_file(sbom: ModuleType) -> None:
    assert text("sbom.cdx.json") == sbom.render(), "run `make sbom`"


def test_the_bill_of_materials_is_valid_cyclonedx() -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text("sbom.cdx.json")) is None


def test_the_node_lock_names_no_address_and_has_every_digest() -> None:
    lock: dict[str, Any] = json.loads(text("tests/interop/package-lock.json"))
    packages = {name: row for name, row in lock["packages"].items() if name}
    assert len(packages) > 10
    assert [name for name, row in packages.items() if "resolved" in row or "integrity" not in row] == []
