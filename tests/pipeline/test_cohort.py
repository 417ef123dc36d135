"""A hundred people by their NHS numbers, through the front door: what it costs, and what is said of each."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from clinical.identifiers import is_nhs_number
from sandbox.population.model import Population
from tests.pipeline.asking import Gateway
from tests.pipeline.own_gateway import own_gateway, types
from tests.running import Sandbox

Json = dict[str, Any]
QUERY = """query Cohort($of: [String!]!) { patients(identifiers: $of) {
  completeness sources { source status } nodes { id }
  lookups { identifier status patient { id } } } }"""


def cohort(population: Population) -> tuple[list[str], int]:
    """A hundred numbers, and how many of them the sources know."""
    known = [one.nhs_number for one in population.people if one.nhs_number and is_nhs_number(one.nhs_number)]
    numbers = dict.fromkeys(known[:60])
    strangers = (f"{n}" for n in range(9880000000, 9890000000) if is_nhs_number(f"{n}"))
    while len(numbers) < 100:
        numbers.setdefault(next(strangers))
    return list(numbers), len(known[:60])


def test_identity_of_a_hundred_people_costs_each_source_two_requests_at_most(
    sandbox: Sandbox, gateway: Gateway, population: Population
) -> None:
    numbers, known = cohort(population)
    sandbox.forget_requests()
    found = gateway.ask(QUERY, of=numbers).whole()["patients"]
    assert [one["identifier"] for one in found["lookups"]] == numbers
    assert found["completeness"] == "COMPLETE"
    statuses = [one["status"] for one in found["lookups"]]
    assert statuses == ["FOUND"] * known + ["NOT_FOUND"] * (100 - known)
    ids = {one["nhs_number"]: one["id"] for one in sandbox.summary["patients"]}
    assert [one["patient"]["id"] for one in found["lookups"][:known]] == [ids[one] for one in numbers[:known]]
    assert len(found["nodes"]) == known
    assert {name: len(sandbox.requests(name)) <= 2 for name in ("ehr", "gp")} == {"ehr": True, "gp": True}
    assert sandbox.requests("wearable") == []


def test_a_source_that_is_down_leaves_open_who_is_not_found(
    sandbox: Sandbox, gateway: Gateway, population: Population
) -> None:
    numbers, known = cohort(population)
    with sandbox.fault("ehr", status=503):
        told = gateway.ask(QUERY, of=numbers).whole()["patients"]
    assert told["completeness"] == "PARTIAL"
    statuses = {one["identifier"]: one["status"] for one in told["lookups"]}
    assert set(statuses.values()) <= {"FOUND", "SOURCE_UNAVAILABLE"}
    assert {statuses[one] for one in numbers[known:]} == {"SOURCE_UNAVAILABLE"}


def test_conflicts_are_told_to_staff_and_warned_of_and_counted(
    sandbox: Sandbox, population: Population, tmp_path: Path
) -> None:
    """Where family names must agree as well, which some records spell differently."""
    log = tmp_path / "audit.jsonl"

    def change(written: Json) -> None:
        written["identity"]["agree_on"] = ["birthDate", "family"]
        written["audit"] = {"sink": "file", "path": str(log)}

    query = """query Q($first: Int) { patients(first: $first) { completeness
      nodes { id identityConflicts { source reason record } } } }"""
    with own_gateway(sandbox, types("Patient"), change) as gateway:
        told = gateway.ask(query, first=100)
        own = gateway.with_token(sandbox.token("patient")).ask("{ me { id identityConflicts { record } } }")
    nodes = told.whole()["patients"]["nodes"]
    found = {one["record"]: one for node in nodes for one in node["identityConflicts"]}
    assert found
    assert {one["reason"] for one in found.values()} == {"FAMILY_NAME_DISAGREES"}
    counts = Counter(one["source"] for one in found.values())
    warnings = told.document["extensions"]["warnings"]
    assert {(one["code"], one["source"]): one["count"] for one in warnings} == {
        ("IDENTITY_CONFLICT", source): count for source, count in counts.items()
    }
    line = json.loads(log.read_text().splitlines()[0])
    assert line["identity_conflicts"] == dict(counts)
    assert own.data["me"]["identityConflicts"] is None
    assert own.codes == ["UNAUTHORIZED_FIELD_OR_TYPE"]
    numbers = {one.nhs_number for one in population.people if one.nhs_number}
    assert not any(one in log.read_text() + json.dumps(warnings) for one in numbers)
