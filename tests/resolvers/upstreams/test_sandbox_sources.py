"""The FHIR kind against the sandbox's servers: a capable one, and a limited one in two places."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec.structs import replace
from opentelemetry.trace import NoOpTracer

from clinical.compartment import patient_references
from clinical.identifiers import NHS_NUMBER_SYSTEM, Token
from resolvers.resource import Resource
from resolvers.upstreams.errors import SearchNotSupported
from resolvers.upstreams.fhir import FhirUpstream, open_fhir
from resolvers.upstreams.links import LinkTable
from resolvers.upstreams.settings import UpstreamSettings
from resolvers.upstreams.transport_httpx import HttpxTransport
from resolvers.upstreams.upstream import Filter, Page, Read, Search
from resolvers.upstreams.wiring import Wiring
from sandbox.ehr import ehr_app
from sandbox.gp import gp_app
from sandbox.population.build import build
from sandbox.population.model import Person
from tests.resolvers.upstreams.sources import PRINCIPAL, call

POPULATION = build(25, 1)
EHR = "http://ehr.test/fhir"
GP = "http://gp.test"
CATEGORIES = sorted(
    {
        coding["code"]
        for held in POPULATION.gp.values()
        for row in held["Observation"]
        for category in row["category"]
        for coding in category["coding"]
    }
)


class Place:
    """A sandbox server with its request log, and the source that reads it."""

    def __init__(self, app: Any, **settings: Any) -> None:
        transport = httpx.ASGITransport(app)
        self._client = httpx.AsyncClient(transport=transport)
        wiring = Wiring(
            {},
            LinkTable(),
            NoOpTracer(),
            lambda one: HttpxTransport(one.name, one.max_response_bytes, transport),
        )
        self.source: FhirUpstream = open_fhir(UpstreamSettings(kind="fhir", **settings), wiring)

    async def requests(self, origin: str) -> list[dict[str, Any]]:
        """What was asked since the last look."""
        log = (await self._client.get(f"{origin}/_sandbox/requests")).text
        await self._client.delete(f"{origin}/_sandbox/requests")
        return [json.loads(line) for line in log.splitlines()]


def ehr(tmp_path: Path, **settings: Any) -> Place:
    held = [row for rows in POPULATION.ehr.values() for row in rows]
    return Place(ehr_app(held, EHR, tmp_path), name="ehr", base_url=EHR, **settings)


def gp() -> Place:
    return Place(
        gp_app(POPULATION, GP),
        name="gp",
        locations=[
            {
                "organization": one.organization,
                "base_url": f"{GP}{one.path}",
                "headers": {"X-Practice-Key": one.key},
            }
            for one in POPULATION.practices
        ],
        capabilities={"page_size_max": 50, "id_count_max": 20, "sort": [], "post_search": "never"},
        fan_out=[
            {
                "type": "Observation",
                "parameter": "category",
                "unless": ["category", "code"],
                "values": CATEGORIES,
                "exhaustive": True,
            }
        ],
    )


def known_to(source: str) -> Iterator[Person]:
    return (one for one in POPULATION.people if source in one.sources and one.nhs_number)


async def walk(source: FhirUpstream, search: Search) -> list[Resource]:
    found: list[Resource] = []
    while True:
        (page,) = await source.search([search], call(30))
        assert isinstance(page, Page), page
        assert page.problems == ()
        found += page.resources
        if page.next is None:
            return found
        search = replace(search, page=page.next)


async def everything_of(source: FhirUpstream, kind: str, record: Resource, count: int) -> set[str]:
    parts = source.partition(kind, []).filters
    found: set[str] = set()
    for part in parts:
        filters = () if part is None else (part,)
        search = Search(kind, record.location, filters, record.id, "patient", count=count)
        found |= {one.id for one in await walk(source, search)}
    return found


async def record_of(source: FhirUpstream, person: Person) -> Resource:
    token = Token(NHS_NUMBER_SYSTEM, person.nhs_number)
    (found,) = await source.identify([token], source.locations(), call())
    assert isinstance(found, tuple), found
    (record,) = found
    assert f"Patient/{record.id}" == person.sources[source.name]
    return record


@pytest.mark.parametrize("kind", ["Observation", "Condition"])
@pytest.mark.parametrize("count", [7, 100])
async def test_the_capable_server_gives_everything_about_a_person(
    tmp_path: Path, kind: str, count: int
) -> None:
    place = ehr(tmp_path)
    for person in list(known_to("ehr"))[:8]:
        record = await record_of(place.source, person)
        held = {
            row["id"]
            for row in POPULATION.ehr[kind]
            if any(
                text.endswith(f"Patient/{record.id}") or f"Patient/{record.id}/" in text
                for text in patient_references(row)
            )
        }
        assert await everything_of(place.source, kind, record, count) == held


@pytest.mark.parametrize("kind", ["Observation", "Condition"])
async def test_the_limited_server_gives_everything_about_a_person(kind: str) -> None:
    place = gp()
    for person in list(known_to("gp"))[:8]:
        record = await record_of(place.source, person)
        assert record.location.organization == person.practice
        held = {
            row["id"]
            for row in POPULATION.gp[person.practice or ""][kind]
            if f"Patient/{record.id}" in patient_references(row)
        }
        assert await everything_of(place.source, kind, record, 50) == held
        assert place.source.locate(record, PRINCIPAL) == (record.location,)


async def test_the_hospitals_record_says_at_which_practice_to_ask_first(tmp_path: Path) -> None:
    hospital, practices = ehr(tmp_path).source, gp().source
    checked = 0
    for person in POPULATION.people:
        if person.nhs_number and {"ehr", "gp"} <= person.sources.keys():
            record = await record_of(hospital, person)
            if "generalPractitioner" in record.json:
                assert practices.locate(record, PRINCIPAL)[0].organization == person.practice
                checked += 1
    assert checked > 3


async def test_many_questions_are_few_calls_where_the_server_can_batch(tmp_path: Path) -> None:
    place = ehr(tmp_path)
    people = list(known_to("ehr"))
    await place.source.abilities("Observation", call())
    tokens = [Token(NHS_NUMBER_SYSTEM, one.nhs_number) for one in people]
    found = await place.source.identify(tokens, place.source.locations(), call())
    records = [one[0] for one in found if isinstance(one, tuple)]
    assert len(records) == len(people) > 10
    assert len(await place.requests("http://ehr.test")) == 1
    searches = [Search("Observation", one.location, (), one.id, "patient", ("-date",), 10) for one in records]
    pages = await place.source.search(searches, call())
    rows = [row for page in pages if isinstance(page, Page) for row in page.resources]
    assert len(rows) > 100
    assert len(await place.requests("http://ehr.test")) == 1
    encounters = {
        row.json["encounter"]["reference"].partition("/")[2] for row in rows if "encounter" in row.json
    }
    reads = [Read("Encounter", one, rows[0].location) for one in encounters]
    reads += [Read("Patient", one.id, one.location) for one in records]
    answers = await place.source.read(reads, call())
    assert sum(isinstance(one, Resource) for one in answers) >= len(records)
    assert len(await place.requests("http://ehr.test")) == 1


async def test_the_answer_is_the_same_without_batches(tmp_path: Path) -> None:
    searches = [
        Search(
            "Observation",
            ehr(tmp_path).source.locations()[0],
            (),
            one.sources["ehr"].partition("/")[2],
            "patient",
            ("-date",),
        )
        for one in list(known_to("ehr"))[:6]
    ]
    answers = []
    for batch in ("bundle", "parallel"):
        place = ehr(tmp_path, capabilities={"batch": batch})
        pages = await place.source.search(searches, call())
        answers.append([[row.json for row in page.resources] for page in pages if isinstance(page, Page)])
        assert len(await place.requests("http://ehr.test")) == (1 if batch == "bundle" else len(searches))
    assert answers[0] == answers[1]
    assert len(answers[0]) == len(searches)


async def test_the_requests_carry_one_request_id(tmp_path: Path) -> None:
    place, asking = ehr(tmp_path), call()
    await place.source.read([Read("Patient", "1001", place.source.locations()[0])], asking)
    (line,) = await place.requests("http://ehr.test")
    assert line["request_id"] == asking.request_id


async def test_what_the_limited_server_ignores_is_not_taken_for_filtered() -> None:
    place = gp()
    record = await record_of(place.source, next(known_to("gp")))
    ignored = (Filter("category", tuple(CATEGORIES)), Filter("performer", ("Practitioner/1",)))
    (problem,) = await place.source.search(
        [Search("Observation", record.location, ignored, record.id, "patient")], call()
    )
    assert isinstance(problem, SearchNotSupported)


async def test_a_key_of_one_practice_is_not_shown_to_the_other() -> None:
    place = gp()
    await place.source.identify([Token(NHS_NUMBER_SYSTEM, "9990000018")], place.source.locations(), call())
    paths = {line["path"] for line in await place.requests(GP)}
    assert paths == {f"{one.path}/Patient" for one in POPULATION.practices}
