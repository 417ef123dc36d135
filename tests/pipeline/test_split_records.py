"""Records of third parties (Synthea, UK Core), split over two sources, come back in order, as they were."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest

from clinical.codec import decode_json, digits, encode_json
from clinical.compartment import patient_parameter, patient_references
from clinical.identifiers import NHS_NUMBER_SYSTEM, is_nhs_number
from clinical.order import in_order
from resolvers.names import plural
from resolvers.ordering import ordering_of
from sandbox.fhir.load import load_folder
from tests.pipeline.asking import Gateway
from tests.pipeline.own_gateway import own_gateway, types
from tests.running import Sandbox, answers, listening_port, running, until

pytestmark = pytest.mark.shared_data

FOLDERS = ("synthea-r4-120", "uk-core-r4")
PATIENTS = 24
LARGE, ROWS_MAX = 4, 400
"""So many of the people are those with most rows, of whom these are no more than that."""
TYPES = ("Condition", "Observation", "Procedure", "Immunization", "AllergyIntolerance", "MedicationRequest")
ERROR = "entered-in-error"
CONCEPT = "{ text coding { system code display } }"
QUANTITY = "{ valueText unit system code comparator }"
CONTENT = {
    "Condition": f"code {CONCEPT} clinicalStatus {CONCEPT} onsetDateTime recordedDate abatementDateTime",
    "Observation": f"""status code {CONCEPT} effectiveDateTime issued valueString valueQuantity {QUANTITY}
      valueCodeableConcept {CONCEPT} component {{ code {CONCEPT} valueQuantity {QUANTITY} }}""",
    "Procedure": f"status code {CONCEPT} performedDateTime performedPeriod {{ start end }}",
    "Immunization": f"status vaccineCode {CONCEPT} occurrenceDateTime",
    "AllergyIntolerance": f"code {CONCEPT} criticality recordedDate",
    "MedicationRequest": f"status intent authoredOn medicationCodeableConcept {CONCEPT}",
}

Json = dict[str, Any]


@dataclass
class Split:
    """Two sources' halves. `people`: by NHS number and type, the rows in the order of the merged list."""

    halves: dict[str, list[Json]] = field(default_factory=lambda: {"left": [], "right": []})
    people: dict[str, dict[str, list[Json]]] = field(default_factory=dict)

    def add(self, patient: Json, number: str, rows: list[Json]) -> None:
        """The Patient goes to both halves, under an id of its own in each; the rows by turns."""
        stated = {"system": NHS_NUMBER_SYSTEM, "value": number}
        others = [one for one in patient.get("identifier", ()) if one.get("system") != NHS_NUMBER_SYSTEM]
        old, new = patient["id"], hashlib.sha256(patient["id"].encode()).hexdigest()[:40]
        bare = {name: value for name, value in patient.items() if name != "link"}
        self.halves["left"].append({**bare, "identifier": [*others, stated]})
        self.halves["right"].append({**bare, "id": new, "identifier": [stated]})
        left, right = rows[::2], rows[1::2]
        self.halves["left"] += left
        for row in right:
            text = encode_json(row).replace(f'"Patient/{old}"'.encode(), f'"Patient/{new}"'.encode())
            self.halves["right"].append(decode_json(text))
        shown = [*sorted(left, key=itemgetter("id")), *sorted(right, key=itemgetter("id"))]
        self.people[number] = {type_: merged(shown, type_) for type_ in TYPES}


def merged(rows: list[Json], type_: str) -> list[Json]:
    """The rows of a type in its usual order; `rows`: as the sources come, each by id."""
    mine = [row for row in rows if row["resourceType"] == type_ and not is_error(row)]
    ranked = [{**row, "id": f"{place:06}"} for place, row in enumerate(mine)]
    return [mine[int(one["id"])] for one in in_order(ranked, type_, ",".join(ordering_of(type_, None).sort))]


def is_same(told: Any, recorded: Any) -> bool:
    """Whether what was selected of an element is what was recorded, digit by digit."""
    if isinstance(told, dict):
        return isinstance(recorded, dict) and all(
            is_same(one, part(recorded, name)) for name, one in told.items()
        )
    if isinstance(told, list):
        return len(told) == len(recorded) and all(map(is_same, told, recorded))
    return bool(told == recorded)


def part(recorded: Json, name: str) -> Any:
    if name == "valueText":
        return digits(recorded["value"]) if "value" in recorded else None
    return recorded.get(name)


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
    by_size = sorted((pair for pair in held if len(pair[1]) <= ROWS_MAX), key=lambda pair: -len(pair[1]))
    for one, rows in [*by_size[:LARGE], *by_size[LARGE:][LARGE - PATIENTS :]]:
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
                nodes {{ origin {{ fhirId name }} {CONTENT[type_]} }}
                pageInfo {{ hasNextPage endCursor }} }} }} }}"""
            pages = list(gateway.pages(query, ("patient", plural(type_)), number=number))
            found = [row for page in pages for row in page["nodes"]]
            assert [row.pop("origin")["fhirId"] for row in found] == [row["id"] for row in held[type_]]
            assert all(map(is_same, found, held[type_]))
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
