"""An attachment takes from its caller's budget as an operation does."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from gateway.binary import COST
from sandbox.population.model import Population
from tests.pipeline.asking import Gateway, Told
from tests.pipeline.odd_source import until_disconnected
from tests.pipeline.paper_house import PaperHouse, document, paper_house
from tests.running import Sandbox

CAPACITY = 5
"""Two attachments and a half."""


def _tiers(written: dict[str, Any]) -> None:
    wide = {"name": "wide", "capacity": 10_000, "restore_per_s": 1_000, "max_query_cost": 5_000}
    narrow = {"name": "narrow", "capacity": CAPACITY, "restore_per_s": 1, "max_query_cost": CAPACITY}
    written["issuers"][0].setdefault("claims", {})["tier"] = "tier"
    written["ratelimit"] = {
        "default_tier": "wide",
        "tiers": [wide, narrow, {**wide, "name": "single", "max_concurrent": 1}],
    }


@pytest.fixture(scope="module")
def house(
    sandbox: Sandbox, population: Population, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PaperHouse]:
    binary = {"resourceType": "Binary", "id": "b1", "contentType": "application/pdf", "data": "aGVsbG8="}
    resources = [binary, document("letter", "Binary/b1")]
    with paper_house(sandbox, population, tmp_path_factory.mktemp("budget"), resources, _tiers) as built:
        yield built


def _caller(house: PaperHouse, name: str, tier: str = "narrow") -> Gateway:
    """Of a client with a full budget."""
    return house.own(client=name, claims={"tier": tier})


def _left(answer: Told) -> int:
    found = re.fullmatch(r'"budget";r=(\d+)(;t=\d+)?', answer.headers["RateLimit"])
    assert found, answer.headers["RateLimit"]
    return int(found[1])


def test_what_it_takes_is_told(house: PaperHouse) -> None:
    answer = house.fetch(house.url("letter"), _caller(house, "one"))
    assert (answer.status, _left(answer)) == (200, CAPACITY - COST)
    assert f"q={CAPACITY};" in answer.headers["RateLimit-Policy"]


def test_who_has_spent_the_budget_waits_and_no_source_is_asked(house: PaperHouse) -> None:
    url, caller = house.url("letter"), _caller(house, "greedy")
    for _ in range(10):
        before = len(house.odd.asked(""))
        if (answer := house.fetch(url, caller)).status != 200:
            break
    assert (answer.status, answer.codes) == (429, ["THROTTLED"])
    assert len(house.odd.asked("")) == before
    wait_s = int(answer.headers["Retry-After"])
    assert 1 <= wait_s <= COST
    time.sleep(wait_s)
    assert house.fetch(url, caller).status == 200


def test_one_that_is_not_there_takes_the_half(house: PaperHouse) -> None:
    answer = house.fetch(house.url("letter")[:-4] + "AAAA", _caller(house, "guesser"))
    assert (answer.status, answer.codes, _left(answer)) == (404, ["REFERENCE_NOT_FOUND"], CAPACITY - 1)


async def endless(scope: Scope, receive: Receive, send: Send) -> None:
    """Data of which the first byte has come."""
    headers = [(b"content-type", b"application/pdf")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"%", "more_body": True})
    await until_disconnected(receive)


def test_a_download_holds_no_place_while_it_is_read(house: PaperHouse) -> None:
    url, caller = house.url("letter"), _caller(house, "slow", tier="single")
    authorization = {"Authorization": f"Bearer {caller.token}"}
    with (
        house.odd.doing(endless, "/Binary/b1"),
        caller.client.stream("GET", caller.origin + url, headers=authorization) as answer,
    ):
        assert answer.status_code == 200
        assert caller.ask("{ __typename }").status == 200
