"""The room on third-party records (Synthea, UK Core): nothing raises, and what is recorded is found."""

import gzip
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from clinical.codec import decode_json, encode_json
from clinical.compartment import patient_parameter, patient_references
from clinical.order import sort_key
from clinical.parameters import SearchParameter, parameters
from clinical.paths import compile_path
from clinical.search import matches
from clinical.syntax import escape

pytestmark = pytest.mark.shared_data
PER_FILE = 40


def lines(place: Path, folders: str = "*-r4*") -> Iterator[tuple[str, bytes]]:
    for name in sorted(place.glob(f"{folders}/*.ndjson.gz")):
        with gzip.open(name) as file:
            for line in islice(file, PER_FILE):
                yield name.name, line


def values_of(resource: dict[str, Any], parameter: SearchParameter) -> Iterator[str]:
    """Search values that a recorded value must answer."""
    for found in compile_path(parameter.expression)(resource):
        value = found.value
        if parameter.type == "token" and isinstance(value, dict):
            for coding in value.get("coding", [value]):
                code = coding.get("code") or coding.get("value")
                if code and "coding" in value:
                    yield f"{escape(coding.get('system', ''))}|{escape(code)}"
                if code:
                    yield escape(code)
        elif parameter.type == "reference" and isinstance(value, dict) and "reference" in value:
            yield escape(value["reference"])
        elif parameter.type in ("date", "uri") and isinstance(value, str) and found.type_name != "String":
            yield value
        elif parameter.type == "string" and isinstance(value, str) and any(map(str.isalnum, value)):
            yield escape(value)


def test_every_recorded_value_is_found_by_itself(shared_data: Path) -> None:
    asked = 0
    for name, line in lines(shared_data):
        resource = decode_json(line)
        for parameter in parameters(resource["resourceType"]).values():
            sort_key(resource, parameter)
            for value in values_of(resource, parameter):
                asked += 1
                found = matches(resource, parameter, [value])
                assert found or value.startswith("#"), (name, resource["id"], parameter.code, value)
    assert asked > 5000


def test_every_record_comes_back_as_the_same_bytes(shared_data: Path) -> None:
    for name, line in lines(shared_data):
        assert encode_json(decode_json(line)) == line.strip(), name


def test_every_synthea_record_is_about_one_patient(shared_data: Path) -> None:
    for name, line in lines(shared_data, "synthea-r4*"):
        resource = decode_json(line)
        if patient_parameter(resource["resourceType"]):
            assert len(patient_references(resource)) == 1, name
