"""What scopes of all kinds permit, as a table that other implementations can read too."""

import json
from pathlib import Path
from typing import Any

import pytest

from permissions.decision import ScopeInsufficient
from permissions.narrowing import narrowing_of
from permissions.scopes import parse_scopes
from tests.permissions.asking import PATIENT, permissions

FILE = json.loads(Path(__file__).with_name("scope_vectors.json").read_text("utf-8"))
RESOURCES, VECTORS = FILE["resources"], FILE["vectors"]
BASE = "https://ehr.example/fhir"


def granted(vector: dict[str, Any]) -> bool:
    """By the scopes themselves."""
    kind, resource = vector["type"], RESOURCES.get(vector.get("resource"))
    allowing = (one for one in parse_scopes(vector["scope"]) if one.allows(vector["action"], kind))
    found = [made for one in allowing if (made := narrowing_of(kind, one.narrowing)) is not None]
    return any(resource is None or one.holds(resource, BASE) for one in found)


def reached(vector: dict[str, Any]) -> bool:
    """By the decision that requests get."""
    resource = RESOURCES.get(vector.get("resource"))
    try:
        reaches = permissions(vector["scope"], PATIENT).reaches(vector["action"], vector["type"])
    except ScopeInsufficient:
        return False
    return any(resource is None or one.narrowing.holds(resource, BASE) for one in reaches)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda one: f"{one['scope']} {one['type']}.{one['action']}")
def test_vector(vector: dict[str, Any]) -> None:
    if vector["type"] != "NoSuchType":  # the grammar alone does not know which types there are
        assert granted(vector) is vector["permitted"]
    if vector["action"] in "rs":
        assert reached(vector) is vector["permitted"]


def test_vectors_are_of_both_kinds_and_say_where_they_are_from() -> None:
    assert {one["permitted"] for one in VECTORS} == {True, False}
    assert all(one["source"].startswith(("SMART: ", "RULE: ")) for one in VECTORS)
    assert {one["resource"] for one in VECTORS if "resource" in one} == set(RESOURCES)
