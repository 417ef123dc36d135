"""The practices' servers: what they refuse, what they ignore, and how their pages hang together."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest
from fhir.resources.R4B import get_fhir_model_class

from clinical.parameters import parameters
from sandbox.fhir.tables import gp_parameters
from sandbox.gp import KEY_HEADER, gp_app
from sandbox.population.build import build

ORIGIN = "http://gp.test"
POPULATION = build(40, 1)
PRACTICES = {practice.organization: practice for practice in POPULATION.practices}
Json = dict[str, Any]


@pytest.fixture
async def api() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(gp_app(POPULATION, ORIGIN))
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
        yield client


def base(ods: str) -> str:
    return f"{ORIGIN}{PRACTICES[ods].path}/"


async def get(api: httpx.AsyncClient, ods: str, url: str, status: int = 200) -> Json:
    answer = await api.get(urljoin(base(ods), url), headers={KEY_HEADER: PRACTICES[ods].key})
    assert answer.status_code == status, answer.text
    return dict(answer.json())


def resources(bundle: Json) -> list[Json]:
    assert all(entry["search"]["mode"] == "match" for entry in bundle.get("entry", ()))
    return [entry["resource"] for entry in bundle.get("entry", ())]


def next_link(bundle: Json) -> str | None:
    return next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)


async def walk(api: httpx.AsyncClient, ods: str, url: str) -> list[Json]:
    found: list[Json] = []
    following: str | None = url
    while following is not None:
        bundle = await get(api, ods, following)
        found += resources(bundle)
        following = next_link(bundle)
    return found


def patients(ods: str) -> list[str]:
    return [person.sources["gp"] for person in POPULATION.people if person.practice == ods]


both = pytest.mark.parametrize("ods", sorted(PRACTICES))


@both
async def test_a_practice_demands_its_own_key(api: httpx.AsyncClient, ods: str) -> None:
    other = next(practice.key for practice in PRACTICES.values() if practice.organization != ods)
    for headers in ({}, {KEY_HEADER: other}):
        answer = await api.get(f"{base(ods)}Patient", headers=headers)
        assert answer.status_code == 403
        assert answer.json()["resourceType"] == "OperationOutcome"


@both
async def test_a_practice_knows_only_its_own_patients(api: httpx.AsyncClient, ods: str) -> None:
    found = {f"Patient/{one['id']}" for one in await walk(api, ods, "Patient?_count=50")}
    assert found == set(patients(ods))
    stranger = next(one for other in PRACTICES for one in patients(other) if other != ods)
    assert (await get(api, ods, stranger, 404))["issue"][0]["code"] == "not-found"


async def test_an_unknown_practice_is_not_found(api: httpx.AsyncClient) -> None:
    assert (await api.get(f"{ORIGIN}/C83003/fhir/Patient")).status_code == 404
    assert (await api.get(f"{ORIGIN}/")).status_code == 404


@both
@pytest.mark.parametrize(
    "query", ["patient={p}", "category=laboratory", "code=246..", "", "patient={p}&date=2020"]
)
async def test_an_observation_search_needs_a_patient_and_a_category_or_code(
    api: httpx.AsyncClient, ods: str, query: str
) -> None:
    outcome = await get(api, ods, f"Observation?{query.format(p=patients(ods)[0])}", 400)
    assert outcome["issue"][0]["code"] == "required"


@both
async def test_the_five_categories_together_give_every_observation(api: httpx.AsyncClient, ods: str) -> None:
    for patient in patients(ods)[:5]:
        found: set[str] = set()
        for category in ("vital-signs", "laboratory", "social-history", "survey", "exam"):
            rows = await walk(api, ods, f"Observation?patient={patient}&category={category}&_count=50")
            found |= {one["id"] for one in rows}
        held = [o for o in POPULATION.gp[ods]["Observation"] if o["subject"]["reference"] == patient]
        assert found == {one["id"] for one in held}


@both
async def test_a_page_has_at_most_50(api: httpx.AsyncClient, ods: str) -> None:
    bundle = await get(api, ods, "Encounter?_count=500")
    assert len(resources(bundle)) == 50
    assert len(await walk(api, ods, "Encounter?_count=500")) == len(POPULATION.gp[ods]["Encounter"])


async def test_one_practice_links_relatively_with_an_offset(api: httpx.AsyncClient) -> None:
    link = next_link(await get(api, "A81001", "Condition?_count=5"))
    assert link == "Condition?_count=5&_offset=5"


async def test_the_other_links_absolutely_with_an_opaque_cursor(api: httpx.AsyncClient) -> None:
    link = next_link(await get(api, "B82002", "Condition?_count=5"))
    assert link is not None
    assert link.startswith(f"{base('B82002')}Condition?cursor=")
    assert (await get(api, "B82002", "Condition?cursor=forged", 400))["issue"][0]["code"] == "invalid"


async def test_a_bad_offset_is_refused(api: httpx.AsyncClient) -> None:
    for offset in ("-1", "x", "99999999999"):
        await get(api, "A81001", f"Condition?_offset={offset}", 400)


@both
async def test_there_is_no_batch_and_no_search_by_post(api: httpx.AsyncClient, ods: str) -> None:
    headers = {KEY_HEADER: PRACTICES[ods].key}
    batch = {"resourceType": "Bundle", "type": "batch", "entry": []}
    assert (await api.post(base(ods).rstrip("/"), json=batch, headers=headers)).status_code == 405
    assert (
        await api.post(f"{base(ods)}Condition/_search", data={"_id": "1"}, headers=headers)
    ).status_code == 405


@both
async def test_what_it_does_not_know_it_ignores_without_a_word(api: httpx.AsyncClient, ods: str) -> None:
    patient = patients(ods)[0]
    plain = await get(api, ods, f"Condition?patient={patient}")
    for extra in (
        "onset-date=2020",
        "encounter=1",
        "_summary=count",
        "_total=accurate",
        "_elements=code",
        "x=1",
    ):
        answer = await get(api, ods, f"Condition?patient={patient}&{extra}")
        assert (answer.get("entry"), answer.get("total")) == (plain.get("entry"), None)
    included = await get(api, ods, f"Condition?patient={patient}&_include=Condition:subject")
    assert included.get("entry") == plain.get("entry")


@both
async def test_only_observations_are_sorted_and_only_newest_first(api: httpx.AsyncClient, ods: str) -> None:
    patient = patients(ods)[0]
    query = f"Observation?patient={patient}&category=laboratory,vital-signs&_count=50"
    newest = await walk(api, ods, f"{query}&_sort=-date")
    years = [one["effectiveDateTime"][:4] for one in newest if "effectiveDateTime" in one]
    assert years == sorted(years, reverse=True)
    for ignored in ("date", "-date,code", "code"):
        assert await walk(api, ods, f"{query}&_sort={ignored}") == await walk(api, ods, query)
    conditions = await walk(api, ods, f"Condition?patient={patient}&_sort=-onset-date")
    assert conditions == await walk(api, ods, f"Condition?patient={patient}")


@both
async def test_at_most_20_ids_are_read_at_once(api: httpx.AsyncClient, ods: str) -> None:
    ids = [one["id"] for one in POPULATION.gp[ods]["Observation"][:21]]
    found = await get(api, ods, f"Observation?_id={','.join(ids[:20])}")
    assert {one["id"] for one in resources(found)} == set(ids[:20])
    assert (await get(api, ods, f"Observation?_id={','.join(ids)}", 400))["issue"][0]["code"] == "too-costly"


@both
async def test_identifiers_are_ored(api: httpx.AsyncClient, ods: str) -> None:
    people = [person for person in POPULATION.people if person.practice == ods and person.nhs_number][:3]
    numbers = ",".join(f"https://fhir.nhs.uk/Id/nhs-number|{person.nhs_number}" for person in people)
    found = await walk(api, ods, f"Patient?identifier={numbers},9990000000")
    assert {f"Patient/{one['id']}" for one in found} == {person.sources["gp"] for person in people}


@both
async def test_the_capability_statement_says_how_little_it_can(api: httpx.AsyncClient, ods: str) -> None:
    statement = await get(api, ods, "metadata")
    get_fhir_model_class("CapabilityStatement").model_validate(statement)
    (rest,) = statement["rest"]
    assert "interaction" not in rest
    listed = {one["type"]: tuple(p["name"] for p in one["searchParam"]) for one in rest["resource"]}
    assert listed == gp_parameters()
    assert not any("searchInclude" in one for one in rest["resource"])


def test_the_parameters_of_a_practice_are_parameters_of_r4() -> None:
    for resource_type, codes in gp_parameters().items():
        assert set(codes or ()) <= set(parameters(resource_type))


@both
async def test_a_type_that_is_not_kept_is_not_supported(api: httpx.AsyncClient, ods: str) -> None:
    assert (await get(api, ods, "Composition?patient=1", 404))["issue"][0]["code"] == "not-supported"
