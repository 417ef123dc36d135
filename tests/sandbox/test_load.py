"""A folder of anybody's resources, served whatever their quality."""

import gzip
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.ehr import ehr_app
from sandbox.fhir.load import load_folder

BASE = "http://ehr.test/fhir"
ANNE: dict[str, Any] = {"resourceType": "Patient", "id": "anne", "name": [{"family": "Smith"}]}
WEIRD: dict[str, Any] = {
    "resourceType": "Observation",
    "id": "weird",
    "meta": [],
    "status": "",
    "code": "a string",
    "category": [None, 3],
    "subject": "Patient/anne",
    "effectiveDateTime": "sometime",
    "identifier": {"value": 7},
}


def written(folder: Path, name: str, *values: Any) -> None:
    (folder / name).write_text("\n".join(v if isinstance(v, str) else json.dumps(v) for v in values))


def served(folder: Path) -> httpx.AsyncClient:
    app = ehr_app(load_folder(folder), BASE, folder)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=f"{BASE}/")


def test_ndjson_json_gzip_bundles_and_lists_are_read(tmp_path: Path) -> None:
    written(tmp_path, "a.ndjson", ANNE, "", ANNE | {"id": "bea"})
    written(tmp_path, "b.json", ANNE | {"id": "cleo"})
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": ANNE | {"id": "dora"}}, 3],
    }
    written(tmp_path, "c.json", bundle)
    written(tmp_path, "d.json", [ANNE | {"id": "eve"}])
    (tmp_path / "e.ndjson.gz").write_bytes(gzip.compress(json.dumps(ANNE | {"id": "fay"}).encode()))
    (tmp_path / "notes.txt").write_text("not a resource")
    assert [one["id"] for one in load_folder(tmp_path)] == ["anne", "bea", "cleo", "dora", "eve", "fay"]


def test_what_is_no_resource_is_passed_over(tmp_path: Path) -> None:
    written(tmp_path, "a.ndjson", "{", "3", "null", {"resourceType": "Patient"}, {"id": "x"}, ANNE)
    written(
        tmp_path,
        "b.ndjson",
        {"resourceType": "Patient", "id": "../x"},
        {"resourceType": ["Patient"], "id": "x"},
    )
    assert load_folder(tmp_path) == [ANNE]


def test_an_overlay_gives_a_patient_an_identifier(tmp_path: Path) -> None:
    number = {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000026"}
    written(tmp_path, "Patient.ndjson", ANNE)
    written(tmp_path, "overlay.ndjson", {"patient": "anne", "identifier": number})
    (patient,) = load_folder(tmp_path)
    assert patient["identifier"] == [number]


async def test_badly_shaped_resources_are_served_and_searched_past(tmp_path: Path) -> None:
    written(tmp_path, "a.ndjson", ANNE, WEIRD)
    async with served(tmp_path) as api:
        assert (await api.get("Observation/weird")).json()["code"] == "a string"
        for query in ("status=final", "code=x", "date=2020", "patient=anne", "identifier=7", "_sort=-date"):
            assert (await api.get(f"Observation?{query}")).status_code == 200
        assert len((await api.get("Observation?_elements=code")).json()["entry"]) == 1


async def test_a_type_beyond_the_default_ones_is_served_when_there_is_data_of_it(tmp_path: Path) -> None:
    written(tmp_path, "a.json", {"resourceType": "Claim", "id": "c1", "status": "active"})
    async with served(tmp_path) as api:
        assert (await api.get("Claim?status=active")).json()["entry"][0]["resource"]["id"] == "c1"
        types = {one["type"] for one in (await api.get("metadata")).json()["rest"][0]["resource"]}
    assert {"Claim", "Patient"} <= types


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["synthea-r4-120", "uk-core-r4"])
async def test_every_third_party_resource_is_reachable(name: str, shared_data: Path) -> None:
    held: dict[str, set[str]] = {}
    for resource in load_folder(shared_data / name):
        held.setdefault(resource["resourceType"], set()).add(resource["id"])
    async with served(shared_data / name) as api:
        for resource_type, ids in held.items():
            assert await walked(api, f"{resource_type}?_count=500") == ids


async def walked(api: httpx.AsyncClient, url: str | None) -> set[str]:
    found: set[str] = set()
    while url is not None:
        bundle = (await api.get(url)).json()
        found |= {entry["resource"]["id"] for entry in bundle.get("entry", ())}
        url = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)
    return found
