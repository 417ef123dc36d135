"""Records of third parties (Synthea, UK Core): every one reachable, and shown whole, nothing lost of it."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from clinical.codec import encode_json
from sandbox.fhir.load import load_folder
from tests.pipeline.asking import Gateway
from tests.pipeline.everything import Schema, rebuilt
from tests.pipeline.own_gateway import own_gateway
from tests.running import Sandbox, answers, listening_port, running, until

pytestmark = pytest.mark.shared_data

FOLDERS = {"synthea": "synthea-r4-120", "ukcore": "uk-core-r4"}
UNSERVED = frozenset(("OperationOutcome",))
"""What a server says of itself and is no record that can be asked for."""
EACH_SHAPE = 10
"""Records with the same elements are shown alike: of the many thousands, so many of each shape."""
BATCH = 100

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Records:
    """A gateway over the records, and the records by source and type."""

    gateway: Gateway
    held: dict[str, dict[str, list[Json]]]

    def types(self, source: str) -> list[str]:
        return sorted(self.held[source].keys() - UNSERVED)


@pytest.fixture(scope="module")
def records(
    sandbox: Sandbox, shared_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Records]:
    folder = tmp_path_factory.mktemp("records")
    with ExitStack() as started:
        waiting, bases = [], {}
        for source, name in FOLDERS.items():
            with listening_port() as port:
                bases[source] = f"http://127.0.0.1:{port}"
            options = ["--port", str(port), "--data", str(shared_data / name), "--state", str(sandbox.state)]
            log = folder / f"{source}.log"
            process = started.enter_context(running([sys.executable, "-m", "sandbox.ehr", *options], log))
            waiting.append((f"{bases[source]}/healthz", process, log))
        held = {source: by_type(shared_data / name) for source, name in FOLDERS.items()}
        for url, process, log in waiting:
            until(lambda url=url: answers(url), process, log)  # type: ignore[misc]
        gateway = started.enter_context(own_gateway(sandbox, lambda written: over(written, bases)))
        yield Records(gateway, held)


def over(written: Json, bases: dict[str, str]) -> None:
    """A gateway of every type over these servers, with room for documents that select everything."""
    written["schema"] = {"resources": "all"}
    written["server"]["max_body_bytes"] = 4_000_000
    written["identity"] = {"linking_systems": written["identity"]["linking_systems"]}
    written["issuers"][0].pop("patient_source")
    written["limits"] = {
        "max_characters": 2_000_000,
        "max_tokens": 200_000,
        "max_depth": 50,
        "max_aliases": 1_000,
        "max_fields": 1_000_000,
    }
    written["upstreams"] = [
        {"name": source, "kind": "fhir", "base_url": f"{base}/fhir"} for source, base in bases.items()
    ]


def by_type(folder: Path) -> dict[str, list[Json]]:
    found: dict[str, list[Json]] = defaultdict(list)
    for resource in load_folder(folder):
        found[resource["resourceType"]].append(resource)
    return found


@pytest.fixture(scope="module")
def schema(records: Records) -> Schema:
    return Schema(records.gateway)


@pytest.mark.parametrize("source", FOLDERS)
def test_every_record_is_reached_by_its_id(records: Records, source: str) -> None:
    query = "query All($ids: [ID!]!) { nodes(ids: $ids) { __typename id ... on Patient { records { id } } } }"
    for name in records.types(source):
        ids = [f"{source}/{name}/{one['id']}" for one in records.held[source][name]]
        for batch in batches(ids):
            nodes = records.gateway.ask(query, ids=batch).whole()["nodes"]
            for id_, node in zip(batch, nodes, strict=True):
                own = {one["id"] for one in node["records"]} if name == "Patient" else {node["id"]}
                assert node["__typename"] == name
                assert id_ in own


@pytest.mark.parametrize("source", FOLDERS)
def test_every_record_is_shown_whole(records: Records, schema: Schema, source: str) -> None:
    compared = 0
    for name in records.types(source):
        chosen = shapes(records.held[source][name])
        query = "query Whole($ids: [ID!]!) { nodes(ids: $ids) { __typename ... on %s { %s } } }"
        query %= (name, schema.selection(name, chosen))
        for batch in batches(chosen):
            ids = [f"{source}/{name}/{one['id']}" for one in batch]
            told = records.gateway.ask(query, ids=ids)
            withheld = {tuple(error["path"][1:]) for error in told.errors if is_foreign_attachment(error)}
            assert len(withheld) == len(told.errors), told.errors[:3]
            for place, (one, node) in enumerate(zip(batch, told.data["nodes"], strict=True)):
                left_out = {path[1:] for path in withheld if path[0] == place}
                assert without_stamp(rebuilt(node)) == without(without_stamp(one), left_out)
            compared += len(batch)
    assert compared > 200


def is_foreign_attachment(error: Json) -> bool:
    """UK Core's examples name letters at hosts that are none of the sources: told of, never shown."""
    is_missing = error["extensions"]["code"] == "REFERENCE_NOT_FOUND"
    return is_missing and error["path"][-2:] == ["attachment", "url"]


def without(resource: Json, left_out: Iterable[tuple[str | int, ...]]) -> Json:
    """The record less the values at these paths, each of which it has."""
    for *above, last in left_out:
        holder: Any = resource
        for step in above:
            holder = holder[step]
        del holder[last]
    return resource


def test_every_reference_within_the_records_is_followed(records: Records) -> None:
    query = """query References($ids: [ID!]!) { nodes(ids: $ids) { ... on Observation {
      subject { resource { ... on Patient { records { id } } } } encounter { resource { id } } } } }"""
    observations = records.held["synthea"]["Observation"][::150]
    for batch in batches(observations):
        ids = [f"synthea/Observation/{one['id']}" for one in batch]
        nodes = records.gateway.ask(query, ids=ids).whole()["nodes"]
        for one, node in zip(batch, nodes, strict=True):
            subject = {record["id"] for record in node["subject"]["resource"]["records"]}
            assert f"synthea/{one['subject']['reference']}" in subject
            assert node["encounter"]["resource"]["id"] == f"synthea/{one['encounter']['reference']}"


def batches(listed: list[Any]) -> Iterator[list[Any]]:
    return (listed[start : start + BATCH] for start in range(0, len(listed), BATCH))


def shapes(resources: Iterable[Json]) -> list[Json]:
    """The first records of each shape, as JSON is read: numbers by their digits."""
    found: dict[frozenset[str], list[Json]] = defaultdict(list)
    for one in resources:
        alike = found[frozenset(paths(one))]
        if len(alike) < EACH_SHAPE:
            alike.append(json.loads(encode_json(one), parse_float=Decimal))
    return [one for alike in found.values() for one in alike]


def paths(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from paths(inner, f"{path}.{name}")
    elif isinstance(value, list):
        for inner in value:
            yield from paths(inner, path)
    else:
        yield path


def without_stamp(resource: Json) -> Json:
    """Without version and time, which the server gives where a record has none; digits as text."""
    meta = {k: v for k, v in resource.get("meta", {}).items() if k not in ("versionId", "lastUpdated")}
    bare = {name: value for name, value in resource.items() if name != "meta"} | (
        {"meta": meta} if meta else {}
    )
    text: Json = json.loads(json.dumps(bare, default=lambda number: f"decimal {number}"))
    return text
