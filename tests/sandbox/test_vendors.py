"""The further vendors, as a client meets them: paging, keys, limits, odd values, the same every time."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from clinical.compartment import patient_references
from sandbox.control import Control
from sandbox.document import app as document
from sandbox.laboratory import app as laboratory
from sandbox.population.build import build
from sandbox.population.laboratory import laboratory_users
from sandbox.population.practice import practice_book
from sandbox.practice import app as practice
from sandbox.quota import Quota

POPULATION = build(20, 1)
USERS = laboratory_users(POPULATION)
BOOK = practice_book(POPULATION)
HEADERS = {"User-Agent": "tests (tests@example.org)"}
Json = dict[str, Any]


@asynccontextmanager
async def client(app: ASGIApp, **more: Any) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://vendor.test", **more) as made:
        yield made


def test_a_seed_gives_the_same_rows_every_time() -> None:
    again = build(20, 1)
    assert (laboratory_users(again), practice_book(again)) == (USERS, BOOK)
    assert laboratory_users(again, 2) != USERS


def test_results_hold_every_trap_that_the_documents_name() -> None:
    results = [one for user in USERS.values() for one in user.orders.values()]
    markers = [marker for one in results if one for marker in one["markers"]]
    assert None in results
    assert {type(one["value"]) for one in markers} == {Decimal, str, type(None)}
    ranges = [one["reference_range"] for one in markers if one["reference_range"]]
    assert any(one["min"] is None and one["max"] is not None for one in ranges)
    assert any(one["max"] is None and one["min"] is not None for one in ranges)
    assert any("unit" not in one for one in markers)
    assert any("loinc_code" not in one for one in markers)


async def test_a_result_is_had_by_its_order_and_a_key() -> None:
    order, result = next((o, r) for user in USERS.values() for o, r in user.orders.items() if r)
    path = f"/v3/order/{order}/result"
    async with client(laboratory.build_laboratory(USERS)) as api:
        assert (await api.get(path)).status_code == 401
        told = await api.get(path, headers={laboratory.KEY_HEADER: laboratory.KEY})
        assert told.json()["order_id"] == order
        value = next(one["value"] for one in result["markers"] if isinstance(one["value"], Decimal))
        assert f'"value":{value}' in told.text
        missing = await api.get("/v3/order/none/result", headers={laboratory.KEY_HEADER: laboratory.KEY})
        assert missing.status_code == 404


async def test_a_laboratory_that_is_asked_too_often_says_how_long_to_wait() -> None:
    async with client(laboratory.build_laboratory(USERS, Quota(0))) as api:
        told = await api.get("/v3/order/x/result", headers={laboratory.KEY_HEADER: laboratory.KEY})
    assert told.status_code == 429
    assert int(told.headers["Retry-After"]) > 0


@pytest.mark.parametrize("kind", ["invoices", "appointments"])
async def test_a_list_has_pages_of_a_hundred_at_most_and_links_to_the_next(kind: str) -> None:
    found: list[Json] = []
    async with client(practice.build_practice(BOOK, page_max=10), auth=(practice.KEY, "")) as api:
        url: str | None = f"/{kind}?per_page=500"
        while url is not None:
            page = (await api.get(url, headers=HEADERS)).json()
            assert len(page[kind]) <= 10
            assert page["total_entries"] == len(getattr(BOOK, kind))
            found += page[kind]
            url = page["links"].get("next")
    assert [row["id"] for row in found] == [row["id"] for row in getattr(BOOK, kind)]
    assert all(row["patient"]["links"]["self"].startswith("http://vendor.test/") for row in found)


async def test_a_practice_demands_its_key_and_a_user_agent_with_an_address() -> None:
    async with client(practice.build_practice(BOOK)) as api:
        assert (await api.get("/invoices", headers=HEADERS)).status_code == 401
        assert (await api.get("/invoices", headers=HEADERS, auth=("other", ""))).status_code == 401
        assert (await api.get("/invoices", headers=HEADERS, auth=(practice.KEY, "x"))).status_code == 401
        assert (await api.get("/invoices", auth=(practice.KEY, ""))).status_code == 400
        assert (await api.get("/other", headers=HEADERS, auth=(practice.KEY, ""))).status_code == 404


async def test_a_practice_that_is_asked_too_often_says_until_when_as_unix_time() -> None:
    async with client(practice.build_practice(BOOK, Quota(0)), auth=(practice.KEY, "")) as api:
        told = await api.get("/invoices", headers=HEADERS)
    assert told.status_code == 429
    assert int(told.headers["X-RateLimit-Reset"]) > time.time() - 1


async def test_a_document_is_one_persons_and_has_no_addresses() -> None:
    bundles = document.documents(POPULATION)
    assert bundles
    async with client(document.build_document(bundles, {"a1": next(iter(bundles))})) as api:
        headers = {"Authorization": f"Bearer {document.KEY}"}
        for number in bundles:
            bundle = (await api.get(f"/records/{number}", headers=headers)).json()
            assert bundle["type"] == "collection"
            assert all(list(entry) == ["resource"] for entry in bundle["entry"])
            about = {text for one in bundle["entry"] for text in patient_references(one["resource"])}
            assert len(about) == 1
        assert (await api.get("/accounts/a1", headers=headers)).status_code == 200
        assert (await api.get("/records/1234567890", headers=headers)).status_code == 404
        assert (await api.get(f"/records/{number}")).status_code == 401


def test_a_document_holds_the_medicines_that_it_names() -> None:
    named = 0
    for bundle in document.documents(POPULATION).values():
        rows = [entry["resource"] for entry in bundle["entry"]]
        held = {f"{one['resourceType']}/{one['id']}" for one in rows}
        medicines = {one["medicationReference"]["reference"] for one in rows if "medicationReference" in one}
        assert {one for one in medicines if not one.startswith("#")} <= held
        named += len(medicines)
    assert named


async def test_faults_and_the_log_are_those_of_every_sandbox_source() -> None:
    async with client(Control(practice.build_practice(BOOK)), auth=(practice.KEY, "")) as api:
        await api.post("/_sandbox/faults", json={"status": 503})
        assert (await api.get("/invoices", headers=HEADERS)).status_code == 503
        assert '"path":"/invoices"' in (await api.get("/_sandbox/requests")).text
