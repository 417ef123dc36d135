"""What a FHIR server would answer, as bytes. Slow and remembered: the measured way only looks answers up."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import msgspec

from bench import records
from bench.records import Digits, Json

_SORTS: Final = {
    "Patient": ("identifier", "name", "birthdate"),
    "Observation": ("date", "code", "category", "status"),
    "Condition": ("recorded-date", "onset-date", "code"),
    "AllergyIntolerance": ("date",),
    "MedicationRequest": ("authoredon", "status"),
    "Immunization": ("date", "status"),
    "Procedure": ("date", "status"),
    "DiagnosticReport": ("date", "status"),
    "Encounter": ("date", "status"),
}


class Answers:
    """A FHIR server with the records of one source."""

    def __init__(self, base_url: str, source: int = 0) -> None:
        self._base_url = base_url
        self._source = source

    def answer(self, method: str, path: str, body: bytes) -> bytes:
        """The answer to a request whose path is relative to the base URL."""
        if method == "POST" and not path.split("?")[0]:
            return encoded(self._batch(msgspec.json.decode(body)))
        if method == "POST":
            path = f"{path.removesuffix('/_search')}?{body.decode()}"
        return encoded(self._get(path))

    def _batch(self, bundle: Json) -> Json:
        entries = [
            {"resource": self._get(one["request"]["url"]), "response": {"status": "200 OK"}}
            for one in bundle["entry"]
        ]
        return {"resourceType": "Bundle", "type": "batch-response", "entry": entries}

    def _get(self, path: str) -> Json:
        parts = urlsplit(path)
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path == "metadata":
            return _statement()
        kind, _, id_ = parts.path.partition("/")
        if id_:
            index = records.patient_index(id_)
            assert kind == "Patient"
            assert index is not None
            return records.patient(index)
        found, total = self._search(kind, asked)
        return self._searchset(path, found, total, len(found) < total)

    def _search(self, kind: str, asked: dict[str, str]) -> tuple[list[Json], int]:
        count = int(asked.get("_count", "100"))
        if kind == "Patient":
            indexes = _patients(asked)
            return [records.patient(index) for index in indexes[:count]], len(indexes)
        about = (asked.get("patient") or asked["subject"]).removeprefix("Patient/")
        index = records.patient_index(about)
        assert index is not None
        return records.rows(kind, index, count, self._source), records.PER_PATIENT[kind]

    def _searchset(self, path: str, found: list[Json], total: int, has_more: bool) -> Json:
        links = [{"relation": "self", "url": f"{self._base_url}/{path}"}]
        if has_more:
            links.append({"relation": "next", "url": f"{self._base_url}?page={abs(hash(path))}"})
        entries = [
            {
                "fullUrl": f"{self._base_url}/{one['resourceType']}/{one['id']}",
                "resource": one,
                "search": {"mode": "match"},
            }
            for one in found
        ]
        return {
            "resourceType": "Bundle",
            "type": "searchset",
            "total": total,
            "link": links,
            "entry": entries,
        }


def _patients(asked: dict[str, str]) -> list[int]:
    if "identifier" in asked:
        numbers = [one.rpartition("|")[2] for one in asked["identifier"].split(",")]
        found = (records.index_of_number(one) for one in numbers)
    elif "_id" in asked:
        found = (records.patient_index(one) for one in asked["_id"].split(","))
    else:
        return list(range(records.PATIENTS))
    return [index for index in found if index is not None]


def _statement() -> Json:
    everywhere = [{"name": name, "type": "string"} for name in ("_sort", "_id")]
    about = [{"name": name, "type": "reference"} for name in ("patient", "subject")]
    types = [
        {
            "type": kind,
            "interaction": [{"code": "read"}, {"code": "search-type"}],
            "searchParam": [*everywhere, *about, *({"name": name, "type": "token"} for name in names)],
        }
        for kind, names in _SORTS.items()
    ]
    return capability_statement(types)


def encoded(document: Json) -> bytes:
    return msgspec.json.encode(_written(document))


def _written(value: Any) -> Any:
    """The document with its decimals as numbers that keep their digits."""
    if isinstance(value, dict):
        return {key: _written(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_written(one) for one in value]
    return msgspec.Raw(value.encode()) if isinstance(value, Digits) else value


def capability_statement(types: list[Json]) -> Json:
    """What a source says that it can do with some types of resources, batches beside (R4
    capabilitystatement.html)."""
    server = {"mode": "server", "resource": types, "interaction": [{"code": "batch"}]}
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": "2026-11-01",
        "kind": "instance",
        "fhirVersion": "4.0.1",
        "format": ["json"],
        "rest": [server],
    }
