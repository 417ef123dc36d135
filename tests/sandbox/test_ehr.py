"""The hospital's server as a FHIR client meets it: read, search, paging, batch, errors."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fhir.resources.R4B import get_fhir_model_class

from clinical.codec import encode_json
from clinical.parameters import parameters
from sandbox.ehr import ehr_app
from sandbox.issuer.keys import ensure_key
from sandbox.issuer.tokens import Grant, mint
from sandbox.population.build import build

BASE = "http://ehr.test/fhir"
POPULATION = build(12, 1)
FIRST = POPULATION.people[0]
PATIENT = FIRST.sources["ehr"]
Json = dict[str, Any]


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    resources = [one for held in POPULATION.ehr.values() for one in held]
    transport = httpx.ASGITransport(ehr_app(resources, BASE, tmp_path))
    async with httpx.AsyncClient(transport=transport, base_url=f"{BASE}/") as client:
        yield client


async def get(api: httpx.AsyncClient, url: str, status: int = 200, **headers: str) -> Json:
    answer = await api.get(url, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/fhir+json")
    return dict(answer.json())


def matches(bundle: Json) -> list[Json]:
    return [e["resource"] for e in bundle.get("entry", ()) if e["search"]["mode"] == "match"]


def modes(bundle: Json) -> set[str]:
    return {entry["search"]["mode"] for entry in bundle.get("entry", ())}


def next_link(bundle: Json) -> str | None:
    return next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)


async def walk(api: httpx.AsyncClient, url: str) -> list[Json]:
    found: list[Json] = []
    following: str | None = url
    while following is not None:
        bundle = await get(api, following)
        found += matches(bundle)
        following = next_link(bundle)
    return found


def issue(outcome: Json) -> str:
    assert outcome["resourceType"] == "OperationOutcome"
    return str(outcome["issue"][0]["code"])


async def test_a_resource_is_read_with_its_version_and_instant(api: httpx.AsyncClient) -> None:
    answer = await api.get(PATIENT)
    assert answer.json()["id"] == PATIENT.removeprefix("Patient/")
    assert answer.headers["etag"] == 'W/"3"'
    assert answer.headers["last-modified"].endswith("GMT")
    unchanged = await api.get(PATIENT, headers={"If-None-Match": 'W/"3"'})
    assert (unchanged.status_code, unchanged.content) == (304, b"")


async def test_recorded_digits_are_served_as_recorded(api: httpx.AsyncClient) -> None:
    answer = await api.get(f"Observation?patient={PATIENT}&_count=500")
    assert '"value":5.10' in answer.text


@pytest.mark.parametrize(
    ("url", "status", "code"),
    [
        ("Patient/none", 404, "not-found"),
        ("Nonsense/1", 404, "not-supported"),
        ("Nonsense?x=1", 404, "not-supported"),
        ("Patient?birthdate=yesterday", 400, "invalid"),
        ("Observation?patient=none&date=yesterday", 400, "invalid"),
        ("Patient?_count=-1", 400, "invalid"),
        ("Patient?_count=many", 400, "invalid"),
        ("Patient?_total=perhaps", 400, "invalid"),
        ("Patient?_summary=short", 400, "invalid"),
        ("Patient?name:unheard=x", 400, "invalid"),
        ("Observation?_include=Observation:nothing", 400, "not-supported"),
        ("?_getpages=forged", 400, "invalid"),
        ("?", 400, "not-supported"),
        ("Patient/1/_history/1", 405, "not-supported"),
    ],
)
async def test_what_cannot_be_answered_gets_an_operation_outcome(
    api: httpx.AsyncClient, url: str, status: int, code: str
) -> None:
    assert issue(await get(api, url, status)) == code


async def test_writing_is_refused(api: httpx.AsyncClient) -> None:
    assert (await api.put(PATIENT, json={})).status_code == 405
    assert (await api.delete(PATIENT)).status_code == 405
    assert (await api.post("Patient", json={})).status_code == 405


async def test_ids_are_ored_within_a_parameter_and_anded_across_repeats(api: httpx.AsyncClient) -> None:
    assert [one["id"] for one in await walk(api, "Patient?_id=1003,1001,nope")] == ["1001", "1003"]
    assert await walk(api, "Patient?_id=1001&_id=1003") == []


async def test_a_patient_is_found_by_nhs_number_with_and_without_system(api: httpx.AsyncClient) -> None:
    for value in (FIRST.nhs_number, f"https://fhir.nhs.uk/Id/nhs-number|{FIRST.nhs_number}"):
        assert [one["id"] for one in await walk(api, f"Patient?identifier={value}")] == ["1001"]
    assert await walk(api, f"Patient?identifier=https://other.example|{FIRST.nhs_number}") == []


@pytest.mark.parametrize("reference", ["Patient/1001", "1001", f"{BASE}/Patient/1001"])
@pytest.mark.parametrize("parameter", ["patient", "subject", "subject:Patient"])
async def test_a_patients_observations_are_found_however_patient_and_subject_are_written(
    api: httpx.AsyncClient, parameter: str, reference: str
) -> None:
    found = await walk(api, f"Observation?{parameter}={reference}&_count=7")
    expected = [one for one in POPULATION.ehr["Observation"] if "Patient/1001" in one["subject"]["reference"]]
    assert {one["id"] for one in found} == {one["id"] for one in expected}
    assert len(found) == len(expected)


async def test_an_absolute_reference_to_the_server_itself_has_its_address(api: httpx.AsyncClient) -> None:
    found = await walk(api, "Observation?_count=500")
    absolute = [one["subject"]["reference"] for one in found if "://" in one["subject"]["reference"]]
    assert absolute
    assert all(reference.startswith(f"{BASE}/Patient/") for reference in absolute)


async def test_a_foreign_patient_of_the_same_id_is_another_patient(api: httpx.AsyncClient) -> None:
    assert await walk(api, "Observation?patient=https://elsewhere.example/fhir/Patient/1001") == []


async def test_several_patients_are_ored(api: httpx.AsyncClient) -> None:
    both = await walk(api, "Condition?patient=Patient/1001,Patient/1002&_count=3")
    one = await walk(api, "Condition?patient=Patient/1001")
    other = await walk(api, "Condition?patient=Patient/1002")
    assert {r["id"] for r in both} == {r["id"] for r in one + other}


async def test_filters_are_anded(api: httpx.AsyncClient) -> None:
    url = f"Observation?patient={PATIENT}&category=laboratory&status=final&_count=200"
    found = await walk(api, url)
    assert found
    for one in found:
        assert one["status"] == "final"
        assert one["category"][0]["coding"][0]["code"] == "laboratory"


async def test_dates_are_searched_with_prefixes(api: httpx.AsyncClient) -> None:
    every = await walk(api, f"Encounter?patient={PATIENT}")
    late = await walk(api, f"Encounter?patient={PATIENT}&date=ge2021-01-01")
    early = await walk(api, f"Encounter?patient={PATIENT}&date=lt2021-01-01")
    assert late
    assert early
    assert len(late) + len(early) == len(every)


async def test_sorting_takes_several_keys_and_puts_the_undated_last(api: httpx.AsyncClient) -> None:
    for sort in ("date", "-date"):
        found = await walk(api, f"Observation?_sort={sort}&_count=500")
        dated = [any(k.startswith("effective") for k in one) for one in found]
        assert dated == sorted(dated, reverse=True)
        assert not all(dated)
    found = await walk(api, "Patient?_sort=gender,-birthdate")
    keys = [(one["gender"], one["birthDate"]) for one in found]
    assert [gender for gender, _ in keys] == sorted(gender for gender, _ in keys)
    women = [birth for gender, birth in keys if gender == "female"]
    assert women == sorted(women, reverse=True)


@pytest.mark.parametrize("count", [1, 3, 20])
async def test_walking_pages_gives_each_match_once(api: httpx.AsyncClient, count: int) -> None:
    found = await walk(api, f"Condition?_sort=-onset-date&_count={count}")
    assert len(found) == len(POPULATION.ehr["Condition"])
    assert len({one["id"] for one in found}) == len(found)


async def test_a_page_has_20_unless_asked_and_500_at_most(api: httpx.AsyncClient) -> None:
    assert len(matches(await get(api, "Observation"))) == 20
    assert len(matches(await get(api, "Observation?_count=100000"))) == 500


async def test_next_links_are_absolute_and_opaque(api: httpx.AsyncClient) -> None:
    link = next_link(await get(api, f"Observation?patient={PATIENT}&_count=2"))
    assert link is not None
    assert link.startswith(f"{BASE}?")
    assert "1001" not in link
    assert "patient" not in link


async def test_next_links_expire(tmp_path: Path) -> None:
    resources = [one for held in POPULATION.ehr.values() for one in held]
    transport = httpx.ASGITransport(ehr_app(resources, BASE, tmp_path, page_ttl_s=-1))
    async with httpx.AsyncClient(transport=transport, base_url=f"{BASE}/") as api:
        link = next_link(await get(api, "Patient?_count=2"))
        assert issue(await get(api, link or "", 410)) == "expired"


async def test_a_count_is_told_where_asked(api: httpx.AsyncClient) -> None:
    plain = await get(api, "Patient?_count=2")
    assert "total" not in plain
    assert (await get(api, "Patient?_count=2&_total=accurate"))["total"] == len(POPULATION.ehr["Patient"])
    for asked in ("Patient?_summary=count", "Patient?_count=0"):
        counted = await get(api, asked)
        assert counted["total"] == len(POPULATION.ehr["Patient"])
        assert "entry" not in counted


async def test_elements_gives_those_asked_the_required_ones_and_a_mark(api: httpx.AsyncClient) -> None:
    bundle = await get(api, f"Observation?patient={PATIENT}&_elements=value,effectiveDateTime&_count=200")
    for one in matches(bundle):
        assert one["meta"]["tag"][-1]["code"] == "SUBSETTED"
        rest = one.keys() - {"resourceType", "id", "meta", "status", "code", "effectiveDateTime"}
        assert all(name.startswith("value") for name in rest)
    assert any("valueQuantity" in one for one in matches(bundle))


async def test_elements_keeps_a_primitives_extensions(api: httpx.AsyncClient) -> None:
    everyone = build(20, 1)
    born = next(one for one in everyone.ehr["Patient"] if "_birthDate" in one)
    transport = httpx.ASGITransport(ehr_app(everyone.ehr["Patient"], BASE, Path("unused")))
    async with httpx.AsyncClient(transport=transport, base_url=f"{BASE}/") as client:
        (one,) = matches(await get(client, f"Patient?_id={born['id']}&_elements=birthDate"))
    assert one["_birthDate"] == born["_birthDate"]


async def test_include_brings_what_matches_refer_to_once(api: httpx.AsyncClient) -> None:
    bundle = await get(
        api, f"Observation?patient={PATIENT}&_include=Observation:encounter&_include=Observation:subject"
    )
    included = [e["resource"] for e in bundle["entry"] if e["search"]["mode"] == "include"]
    references = [f"{one['resourceType']}/{one['id']}" for one in included]
    assert PATIENT in references
    assert len(set(references)) == len(references)
    assert {one["resourceType"] for one in included} == {"Patient", "Encounter"}
    only = await get(api, f"Observation?patient={PATIENT}&_include=Observation:performer:Practitioner")
    kinds = {e["resource"]["resourceType"] for e in only["entry"] if e["search"]["mode"] == "include"}
    assert kinds == {"Practitioner"}


async def test_an_unknown_parameter_is_ignored_with_a_warning_unless_strict(api: httpx.AsyncClient) -> None:
    bundle = await get(api, f"Condition?patient={PATIENT}&shoe-size=9")
    assert modes(bundle) == {"match", "outcome"}
    outcome = next(e["resource"] for e in bundle["entry"] if e["search"]["mode"] == "outcome")
    assert outcome["issue"][0]["severity"] == "warning"
    assert "shoe-size" in outcome["issue"][0]["diagnostics"]
    strict = await get(api, f"Condition?patient={PATIENT}&shoe-size=9", 400, Prefer="handling=strict")
    assert issue(strict) == "not-supported"
    assert "shoe-size" not in bundle["link"][0]["url"]


async def test_search_by_post_takes_a_form_and_only_a_form(api: httpx.AsyncClient) -> None:
    answer = await api.post("Condition/_search", data={"patient": PATIENT, "_count": "500"})
    assert matches(answer.json()) == await walk(api, f"Condition?patient={PATIENT}")
    assert (await api.post("Condition/_search", json={"patient": PATIENT})).status_code == 415


async def test_a_batch_answers_each_entry_in_order(api: httpx.AsyncClient) -> None:
    urls = [
        PATIENT,
        f"{BASE}/Patient/1002",
        "Patient/none",
        "Condition?patient=1001",
        "Nonsense",
        "Patient?birthdate=x",
    ]
    entries = [{"request": {"method": "GET", "url": url}} for url in urls]
    entries += [{"request": {"method": "PUT", "url": PATIENT}}, {"nothing": 1}]
    answer = await api.post("", json={"resourceType": "Bundle", "type": "batch", "entry": entries})
    bundle = answer.json()
    get_fhir_model_class("Bundle").model_validate_json(answer.content)
    assert bundle["type"] == "batch-response"
    statuses = [entry["response"]["status"][:3] for entry in bundle["entry"]]
    assert statuses == ["200", "200", "404", "200", "404", "400", "405", "400"]
    assert bundle["entry"][1]["resource"]["id"] == "1002"
    assert bundle["entry"][1]["response"]["etag"] == 'W/"3"'
    assert bundle["entry"][2]["response"]["outcome"]["issue"][0]["code"] == "not-found"
    assert len(matches(bundle["entry"][3]["resource"])) > 0


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'{"resourceType":"Patient"}', b'{"resourceType":"Bundle","type":"transaction"}']
)
async def test_what_is_no_batch_is_refused(api: httpx.AsyncClient, body: bytes) -> None:
    assert (await api.post("", content=body)).status_code == 400


async def test_the_capability_statement_lists_what_is_served(api: httpx.AsyncClient) -> None:
    answer = await api.get("metadata")
    statement = answer.json()
    get_fhir_model_class("CapabilityStatement").model_validate_json(answer.content)
    (rest,) = statement["rest"]
    assert rest["interaction"] == [{"code": "batch"}]
    observation = next(one for one in rest["resource"] if one["type"] == "Observation")
    assert {one["name"] for one in observation["searchParam"]} == set(parameters("Observation"))
    assert "Observation:encounter" in observation["searchInclude"]
    assert len(rest["resource"]) == 41


async def test_searchsets_and_outcomes_validate_as_r4b(api: httpx.AsyncClient) -> None:
    bundle = await api.get("Observation?shoe-size=9&_include=Observation:subject&_total=accurate")
    get_fhir_model_class("Bundle").model_validate_json(bundle.content)
    outcome = await api.get("Patient/none")
    get_fhir_model_class("OperationOutcome").model_validate_json(outcome.content)


@pytest.mark.parametrize("resource_type", sorted(POPULATION.ehr))
async def test_every_parameter_of_every_type_can_be_searched(
    api: httpx.AsyncClient, resource_type: str
) -> None:
    samples = {
        "token": "x",
        "date": "2020",
        "string": "x",
        "reference": "Patient/1",
        "uri": "http://x",
        "quantity": "1",
    }
    for code, parameter in parameters(resource_type).items():
        value = samples.get(parameter.type, "1")
        await get(api, f"{resource_type}?{code}={value}", Prefer="handling=strict")


async def test_every_resource_is_reachable(api: httpx.AsyncClient) -> None:
    for resource_type, held in POPULATION.ehr.items():
        found = await walk(api, f"{resource_type}?_count=500")
        assert {one["id"] for one in found} == {one["id"] for one in held}


def token(state: Path, audience: str = BASE, ttl_s: int = 60) -> str:
    key = ensure_key(state / "issuer-key.json")
    return mint(key, "http://issuer.test", audience, Grant(scope="system/*.rs", ttl_s=ttl_s))


async def test_a_bearer_token_is_optional_but_must_be_a_valid_one(
    api: httpx.AsyncClient, tmp_path: Path
) -> None:
    good, elsewhere, old = token(tmp_path), token(tmp_path, "http://other.test"), token(tmp_path, ttl_s=-1)
    foreign = token(tmp_path / "other-state")
    assert (await api.get(PATIENT, headers={"Authorization": f"Bearer {good}"})).status_code == 200
    assert (await api.get(PATIENT, headers={"Authorization": f"Bearer {good}"})).status_code == 200
    for bad in (elsewhere, old, foreign, "nonsense", f"{good}x"):
        answer = await api.get(PATIENT, headers={"Authorization": f"Bearer {bad}"})
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert issue(answer.json()) == "login"
    assert (await api.get(PATIENT, headers={"Authorization": "Basic eDp5"})).status_code == 401


async def test_a_server_without_an_issuer_refuses_any_token(api: httpx.AsyncClient) -> None:
    assert (await api.get(PATIENT, headers={"Authorization": "Bearer x.y.z"})).status_code == 401


async def test_the_request_id_is_echoed(api: httpx.AsyncClient) -> None:
    answer = await api.get(PATIENT, headers={"X-Request-ID": "5a0e7a70-0000-4000-8000-000000000001"})
    assert answer.headers["x-request-id"] == "5a0e7a70-0000-4000-8000-000000000001"


async def test_outside_the_base_there_is_nothing(api: httpx.AsyncClient) -> None:
    assert (await api.get("http://ehr.test/other")).status_code == 404
    assert (await api.get("http://ehr.test/fhirx/Patient/1001")).status_code == 404


async def test_head_has_the_headers_of_get_without_the_body(api: httpx.AsyncClient) -> None:
    answer = await api.head(PATIENT)
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) == len(encode_json(POPULATION.ehr["Patient"][0]))
