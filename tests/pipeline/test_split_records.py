"""Records of third parties (Synthea, UK Core), split over two sources, come back as they were, each once."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from clinical.codec import encode_json
from clinical.compartment import patient_parameter, patient_references
from clinical.identifiers import NHS_NUMBER_SYSTEM, is_nhs_number
from resolvers.names import plural
from sandbox.fhir.load import load_folder
from tests.pipeline.asking import Gateway
from tests.pipeline.own_gateway import own_gateway, types
from tests.running import Sandbox, answers, listening_port, running, until

pytestmark = pytest.mark.shared_data

FOLDERS = ("synthea-r4-120", "uk-core-r4")
PATIENTS = 24
TYPES = ("Condition", "Observation", "Procedure", "Immunization", "AllergyIntolerance", "MedicationRequest")
ERROR = "entered-in-error"

Json = dict[str, Any]


@dataclass
class Split:
    """Two sources' halves. `people`: by NHS number, the ids of the rows of each type."""

    halves: dict[str, list[Json]] = field(default_factory=lambda: {"left": [], "right": []})
    people: dict[str, dict[str, set[str]]] = field(default_factory=dict)

    def add(self, patient: Json, number: str, rows: list[Json]) -> None:
        """The Patient goes to both halves, under an id of its own in each; the rows by turns."""
        stated = {"system": NHS_NUMBER_SYSTEM, "value": number}
        others = [one for one in patient.get("identifier", ()) if one.get("system") != NHS_NUMBER_SYSTEM]
        old, new = patient["id"], hashlib.sha256(patient["id"].encode()).hexdigest()[:40]
        bare = {name: value for name, value in patient.items() if name != "link"}
        self.halves["left"].append({**bare, "identifier": [*others, stated]})
        self.halves["right"].append({**bare, "id": new, "identifier": [stated]})
        held = self.people[number] = {}
        for turn, row in enumerate(rows):
            text = encode_json(row).decode()
            if turn % 2:
                text = text.replace(f'"Patient/{old}"', f'"Patient/{new}"')
            self.halves["right" if turn % 2 else "left"].append(json.loads(text))
            if not is_error(row):
                held.setdefault(row["resourceType"], set()).add(row["id"])


def is_error(row: Json) -> bool:
    status = row.get("verificationStatus", {})
    codes = {one.get("code") for one in status.get("coding", ())} if isinstance(status, dict) else set()
    return ERROR in codes or row.get("status") == ERROR


def split(folder: Path) -> Split:
    resources = load_folder(folder)
    about: dict[str, list[Json]] = {}
    for row in resources:
        if row["resourceType"] in TYPES:
            for reference in sorted(patient_references(row)):
                about.setdefault(reference, []).append(row)
    made, spare = Split(), (f"{n}" for n in range(9990009000, 9990010000) if is_nhs_number(f"{n}"))
    patients = [one for one in resources if one["resourceType"] == "Patient"]
    held = [(one, about.get(f"Patient/{one['id']}", [])) for one in patients]
    for one, rows in sorted(held, key=lambda pair: -len(pair[1]))[-PATIENTS:]:
        made.add(one, next(spare), [row for row in rows if len(patient_references(row)) == 1])
    return made


@pytest.fixture(scope="module", params=FOLDERS)
def halves(
    request: pytest.FixtureRequest, sandbox: Sandbox, shared_data: Path, tmp_path_factory: Any
) -> Iterator[tuple[Gateway, Split]]:
    made, folder = split(shared_data / request.param), tmp_path_factory.mktemp("split")
    with ExitStack() as started:
        bases, waiting = {}, []
        for name, rows in made.halves.items():
            (folder / name).mkdir()
            (folder / name / "all.ndjson").write_bytes(b"\n".join(map(encode_json, rows)))
            with listening_port() as port:
                bases[name] = f"http://127.0.0.1:{port}"
            options = ["--port", str(port), "--data", str(folder / name), "--state", str(sandbox.state)]
            log = folder / f"{name}.log"
            waiting.append(
                (
                    name,
                    started.enter_context(running([sys.executable, "-m", "sandbox.ehr", *options], log)),
                    log,
                )
            )
        for name, process, log in waiting:
            until(lambda name=name: answers(f"{bases[name]}/healthz"), process, log)  # type: ignore[misc]

        def over(written: Json) -> None:
            written["identity"] = {"linking_systems": [NHS_NUMBER_SYSTEM]}
            written["issuers"][0].pop("patient_source")
            written["upstreams"] = [
                {"name": name, "kind": "fhir", "base_url": f"{base}/fhir"} for name, base in bases.items()
            ]

        yield started.enter_context(own_gateway(sandbox, types("Patient", *TYPES), over)), made


def test_what_was_split_over_two_sources_is_merged_back_exactly(halves: tuple[Gateway, Split]) -> None:
    gateway, made = halves
    compared = 0
    for number, held in made.people.items():
        for type_ in TYPES:
            assert patient_parameter(type_) is not None
            query = f"""query Q($number: String!, $after: String) {{ patient(identifier: $number) {{
              records {{ origin {{ name }} }} completeness
              {plural(type_)}(first: 50, after: $after) {{ completeness
                nodes {{ origin {{ fhirId name }} }} pageInfo {{ hasNextPage endCursor }} }} }} }}"""
            pages = list(gateway.pages(query, ("patient", plural(type_)), number=number))
            found = [row["origin"]["fhirId"] for page in pages for row in page["nodes"]]
            assert sorted(found) == sorted(held.get(type_, ()))
            assert {page["completeness"] for page in pages} == {"COMPLETE"}
            compared += len(found)
    assert compared > 20


def test_every_person_has_both_records(halves: tuple[Gateway, Split]) -> None:
    gateway, made = halves
    query = """query Q($of: [String!]!) { patients(identifiers: $of) { completeness
      lookups { status patient { records { origin { name } } } } } }"""
    found = gateway.ask(query, of=list(made.people)).whole()["patients"]
    assert found["completeness"] == "COMPLETE"
    for one in found["lookups"]:
        assert one["status"] == "FOUND"
        assert [row["origin"]["name"] for row in one["patient"]["records"]] == ["left", "right"]
