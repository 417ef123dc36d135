"""`Patient.summary`: what it shows is what the lists hold, for few bytes and few questions."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from resolvers.summary.section import SECTIONS
from tests.pipeline.asking import Gateway
from tests.running import Sandbox

ROWS = """
  problems { text since status source id }
  medications { text dose since status source id }
  allergies { text criticality source id }
  immunizations { text date source id }
  results { name value unit date flag source id }
  latestVitals { name value unit at trend source id }
  procedures { text date source id }
  appointments { text start status source id }
  carePlans { text status source id }
"""
STATES = "sections { name state count hasMore omitted completeness sources { source status } }"
SUMMARY = f"query Summary($id: ID!) {{ patient(id: $id) {{ summary {{ {ROWS} }} }} }}"
BOTH = f"query Summary($id: ID!) {{ patient(id: $id) {{ summary {{ {ROWS} {STATES} }} }} }}"
PLAIN_BYTES = 4096

Json = dict[str, Any]


def ids(sandbox: Sandbox) -> list[str]:
    return [one["id"] for one in sandbox.summary["patients"]]


def summary_of(gateway: Gateway, id_: str, query: str = BOTH) -> Json:
    found: Json = gateway.ask(query, id=id_).whole()["patient"]["summary"]
    return found


def test_a_summary_fits_in_four_kilobytes(gateway: Gateway, sandbox: Sandbox) -> None:
    bodies = [gateway.ask(SUMMARY, id=one).content for one in ids(sandbox)]
    assert max(map(len, bodies)) <= PLAIN_BYTES


def test_each_source_is_asked_once_for_each_type(gateway: Gateway, sandbox: Sandbox) -> None:
    for id_ in ids(sandbox):
        sandbox.forget_requests()
        summary_of(gateway, id_)
        for source in ("ehr", "gp"):
            asked = Counter(types_asked(sandbox.requests(source)))
            assert {one: count for one, count in asked.items() if count > 1} == {}


def types_asked(requests: list[Json]) -> list[tuple[str, str]]:
    """Place and type of what was asked of a FHIR server. Several reads in one Bundle are one."""
    asked = []
    for one in requests:
        place, _, rest = one["path"].partition("/fhir")
        entries = json.loads(one["body"])["entry"] if rest == "" else []
        searches = [entry["request"]["url"] for entry in entries if "?" in entry["request"]["url"]]
        reads = {entry["request"]["url"].split("/")[0] for entry in entries} if not searches else ()
        asked += [(place, kind) for kind in (*(url.split("?")[0] for url in searches), *reads)]
        if rest:
            asked.append((place, rest.split("/")[1]))
    return asked


def test_every_row_is_that_of_the_resource_it_names(gateway: Gateway, sandbox: Sandbox) -> None:
    node = """query Named($ids: [ID!]!) { nodes(ids: $ids) { id
      ... on Condition { code { text coding { display } } onsetDateTime }
      ... on AllergyIntolerance { code { text coding { display } } criticality } } }"""
    for id_ in ids(sandbox):
        found = summary_of(gateway, id_)
        rows = {row["id"]: row for name in ("problems", "allergies") for row in found[name]}
        if not rows:
            continue
        for one in gateway.ask(node, ids=list(rows)).whole()["nodes"]:
            row = rows[one["id"]]
            assert row["text"] in (one["code"]["text"], *(said["display"] for said in one["code"]["coding"]))
            assert row["source"] == one["id"].split("/")[0]
            assert row.get("since") == one.get("onsetDateTime")
            assert row.get("criticality") == one.get("criticality")


def test_states_tell_of_every_section(gateway: Gateway, sandbox: Sandbox) -> None:
    for id_ in ids(sandbox)[:5]:
        found = summary_of(gateway, id_)
        assert [one["name"] for one in found["sections"]] == list(SECTIONS)
        for one in found["sections"]:
            assert (one["state"] == "PRESENT") == bool(found[one["name"]])
            assert one["count"] >= len(found[one["name"]])
            assert one["completeness"] == "COMPLETE"


@pytest.mark.parametrize("source", ["ehr", "gp"])
def test_silence_of_a_source_is_never_taken_for_health(
    gateway: Gateway, sandbox: Sandbox, source: str
) -> None:
    patients = [one["id"] for one in sandbox.summary["patients"] if source in one["sources"]]
    with sandbox.fault(source, status=500):
        told = gateway.ask(BOTH, id=patients[0])
        untold = gateway.ask(SUMMARY, id=patients[0])
    for one in told.data["patient"]["summary"]["sections"]:
        assert one["state"] in ("PRESENT", "NONE_ASSERTED", "UNKNOWN")
        assert one["completeness"] == "PARTIAL"
        statuses = {row["source"]: row["status"] for row in one["sources"]}
        assert statuses.get(source, "UNAVAILABLE") == "UNAVAILABLE"
    gaps = {error["path"][-1] for error in untold.errors if error["extensions"].get("source") == source}
    assert gaps >= {"problems", "allergies", "medications"}


def test_a_section_needs_the_scope_of_its_type(gateway: Gateway, sandbox: Sandbox) -> None:
    narrow = gateway.with_token(sandbox.minted(scope="user/Patient.r user/Condition.s"))
    sandbox.forget_requests()
    told = narrow.ask(BOTH, id=ids(sandbox)[0])
    found = told.data["patient"]["summary"]
    assert found["problems"] is not None
    assert {name for name in SECTIONS if found[name] is None} == set(SECTIONS) - {"problems"}
    assert [one["name"] for one in found["sections"]] == ["problems"]
    assert set(told.codes) == {"UNAUTHORIZED_FIELD_OR_TYPE"}
    for source in ("ehr", "gp"):
        assert {kind for _, kind in types_asked(sandbox.requests(source))} <= {"Patient", "Condition"}


def test_rows_are_as_many_as_asked_for(gateway: Gateway, sandbox: Sandbox) -> None:
    query = "query Some($id: ID!, $n: Int) { patient(id: $id) { summary { results(first: $n) { id } } } }"
    for count in (0, 1, 3):
        assert (
            len(gateway.ask(query, id=ids(sandbox)[0], n=count).whole()["patient"]["summary"]["results"])
            == count
        )
    for count in (-1, 51):
        assert gateway.ask(query, id=ids(sandbox)[0], n=count).codes == ["BAD_USER_INPUT"]


def test_many_summaries_are_asked_for_together(gateway: Gateway, sandbox: Sandbox) -> None:
    query = "{ patients(first: 5) { nodes { id summary { problems { id text } } } } }"
    sandbox.forget_requests()
    people = gateway.ask(query).whole()["patients"]["nodes"]
    batches = [one for one in sandbox.requests("ehr") if one["path"].endswith("/fhir")]
    assert len(batches) <= 1
    alone = {one["id"]: summary_of(gateway, one["id"])["problems"] for one in people}
    for one in people:
        assert [row["id"] for row in one["summary"]["problems"]] == [row["id"] for row in alone[one["id"]]]
