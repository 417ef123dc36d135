"""Cost and limits as a client meets them: told, refused before any source is called, settled at the end."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from sandbox.population.model import Population
from tests.pipeline.asking import Gateway, Told
from tests.pipeline.own_gateway import Change, own_gateway, patience, types
from tests.running import Sandbox, eventually

Json = dict[str, Any]

LIST = (
    "query Q($first: Int) { observations(first: $first) { nodes { id code { text } } sources { status } } }"
)
ONE = "query Q($id: ID!) { patient(id: $id) { id name { family } } }"
NESTED = """query Q($first: Int) {
  patients(first: $first) { nodes { id observations(first: 50) { nodes { id code { text } } } } }
}"""
SOURCES = 3
DEADLINE_S = 4.0


def cost_of_list(first: int) -> int:
    """docs/cost.md: 5 for each source, each row with one object 2, `sources` 1."""
    return 5 * SOURCES + 2 * first + 1


def tiers(**settings: Any) -> Change:
    """One tier for everybody; generous where nothing is said."""
    made = {"name": "default", "capacity": 1_000_000, "max_query_cost": 500_000, "restore_per_s": 1_000}

    def change(written: Json) -> None:
        written["ratelimit"] = {"tiers": [made | settings]}

    return change


@contextmanager
def limited(sandbox: Sandbox, *changes: Change) -> Iterator[Gateway]:
    with own_gateway(
        sandbox, types("Patient", "Observation"), patience(3.0, DEADLINE_S), *changes
    ) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def generous(sandbox: Sandbox) -> Iterator[Gateway]:
    """Nobody is refused, and what is spent is back at once."""
    with limited(sandbox, tiers(restore_per_s=1_000_000)) as gateway:
        yield gateway


def cost(told: Told) -> Json:
    found: Json = told.document["extensions"]["cost"]
    return found


def test_every_answer_tells_what_it_was_estimated_at_and_what_it_cost(generous: Gateway) -> None:
    told = generous.ask(LIST, first=3)
    told.whole()
    assert cost(told)["requestedQueryCost"] == cost_of_list(3)
    assert 0 < cost(told)["actualQueryCost"] <= cost_of_list(3)
    status = cost(told)["throttleStatus"]
    assert (status["maximumAvailable"], status["restoreRate"]) == (1_000_000, 1_000_000)
    assert status["currentlyAvailable"] == 1_000_000 - cost(told)["actualQueryCost"]
    assert told.headers["RateLimit-Policy"] == (
        '"budget";q=1000000;w=1;clinical-gateway-unit="cost", "concurrent";q=32;qu="concurrent-requests"'
    )
    assert told.headers["RateLimit"].startswith(f'"budget";r={status["currentlyAvailable"]}')


def test_validate_tells_the_cost_and_asks_no_source(sandbox: Sandbox, generous: Gateway) -> None:
    sandbox.forget_requests()
    body = json.dumps({"query": LIST, "variables": {"first": 7}}).encode()
    told = generous.post(body, GraphQL_Cost="validate")
    assert (told.status, told.errors) == (200, [])
    assert told.document["data"] is None
    assert cost(told)["requestedQueryCost"] == cost_of_list(7)
    assert cost(told)["actualQueryCost"] is None
    assert cost(told)["throttleStatus"]["currentlyAvailable"] == 1_000_000
    assert not any(sandbox.requests(source) for source in ("ehr", "gp", "wearable"))


@pytest.mark.parametrize("header", ["report", "validate, report", "Report,VALIDATE"])
def test_report_tells_where_the_cost_comes_from(generous: Gateway, header: str) -> None:
    body = json.dumps({"query": LIST, "variables": {"first": 7}}).encode()
    told = generous.post(body, GraphQL_Cost=header)
    fields = {tuple(one["path"]): one for one in cost(told)["fields"]}
    assert fields["observations",]["requestedTotalCost"] == cost_of_list(7)
    assert fields["observations", "nodes"] == {
        "path": ["observations", "nodes"],
        "definedCost": 7,
        "requestedTotalCost": 14,
        "requestedChildrenCost": 7,
    }
    assert (told.data is None) is ("valid" in header.lower())


@pytest.mark.parametrize("header", ["", "valid", "validate;report", "validate report", "1"])
def test_a_cost_header_of_other_words_is_refused_and_nothing_runs(generous: Gateway, header: str) -> None:
    told = generous.post(json.dumps({"query": LIST}).encode(), GraphQL_Cost=header)
    assert (told.status, told.codes, told.data) == (400, ["BAD_USER_INPUT"], None)


def test_too_expensive_is_refused_before_any_source_and_says_what_to_lower(sandbox: Sandbox) -> None:
    with limited(sandbox, tiers(max_query_cost=1_000)) as gateway:
        sandbox.forget_requests()
        told = gateway.ask(NESTED, first=100)
        (error,) = told.errors
        assert (told.status, told.data) == (400, None)
        assert error["extensions"]["code"] == "COST_ESTIMATED_TOO_EXPENSIVE"
        estimated = 15 + 100 * (1 + 15 + 50 * 2)
        assert (error["extensions"]["estimated"], error["extensions"]["max"]) == (estimated, 1_000)
        dearest = error["extensions"]["mostExpensive"]
        assert [one["path"] for one in dearest] == [["patients", "nodes", "observations"], ["patients"]]
        assert (dearest[0]["size"], dearest[0]["lower"]) == (50, ["first"])
        assert "Lower `first` of patients.nodes.observations" in error["message"]
        assert cost(told)["requestedQueryCost"] == estimated
        body = json.dumps({"query": NESTED, "variables": {"first": 100}}).encode()
        priced = gateway.post(body, GraphQL_Cost="validate")
        assert (priced.status, priced.codes) == (200, ["COST_ESTIMATED_TOO_EXPENSIVE"])
        assert not any(sandbox.requests(source) for source in ("ehr", "gp", "wearable"))
        assert gateway.ask(NESTED, first=1).whole()


@pytest.mark.parametrize("first", [2**31, -(2**31) - 1, "20", 2.5, True, [1], 10**400])
@pytest.mark.parametrize("header", ["report", "validate"])
def test_a_size_of_no_int_is_bad_input_and_costs_nothing(generous: Gateway, first: Any, header: str) -> None:
    body = json.dumps({"query": LIST, "variables": {"first": first}}).encode()
    told = generous.post(body, GraphQL_Cost=header)
    assert (told.status, told.codes) == (400, ["BAD_USER_INPUT"])
    assert told.data is None
    assert told.document.get("extensions", {}).get("cost", {}).get("actualQueryCost") in (0, None)


@pytest.mark.parametrize("first", [2**31 - 1, 10**6, 101, -1, -(2**31)])
def test_a_size_out_of_range_is_bad_input_however_small_the_tier(sandbox: Sandbox, first: int) -> None:
    with limited(sandbox, tiers(max_query_cost=500)) as gateway:
        told = gateway.ask(LIST, first=first)
        assert set(told.codes) == {"BAD_USER_INPUT"}
        assert told.data in (None, {"observations": None})
        assert told.errors[0]["path"] == ["observations"]
        assert gateway.ask(LIST, first=None).status == 200


def test_waiting_as_long_as_retry_after_says_succeeds(sandbox: Sandbox) -> None:
    with limited(sandbox, tiers(capacity=200, max_query_cost=200, restore_per_s=40)) as gateway:
        for _ in range(20):
            told = gateway.ask(LIST, first=50)
            if told.status != 200:
                break
        (error,) = told.errors
        assert (told.status, error["extensions"]["code"]) == (429, "THROTTLED")
        assert error["extensions"]["reason"] == "budget"
        wait_s = int(told.headers["Retry-After"])
        missing = cost_of_list(50) - cost(told)["throttleStatus"]["currentlyAvailable"]
        assert wait_s - 1 <= missing / 40 <= wait_s
        assert told.headers["RateLimit"].endswith(f";t={wait_s}")
        time.sleep(wait_s)
        assert gateway.ask(LIST, first=50).whole()


def asked_meanwhile(gateway: Gateway, query: str, **variables: Any) -> threading.Thread:
    thread = threading.Thread(target=lambda: gateway.ask(query, **variables))
    thread.start()
    return thread


def running(gateway: Gateway, count: int) -> None:
    """Waits until so many operations run."""
    body = json.dumps({"query": "{ rateLimit { limit } }"}).encode()

    def look() -> bool | None:
        status = gateway.post(body, GraphQL_Cost="validate").document["extensions"]["cost"]
        return True if status["throttleStatus"]["currentlyAvailable"] < 1_000_000 * count else None

    eventually(look)


def test_a_place_that_is_free_soon_is_waited_for(sandbox: Sandbox) -> None:
    with limited(sandbox, tiers(max_concurrent=1)) as gateway, sandbox.fault("ehr", latency_ms=200):
        first = asked_meanwhile(gateway, LIST, first=1)
        running(gateway, 1)
        assert gateway.ask(LIST, first=1).whole()
        first.join()


def test_retry_after_for_concurrency_is_no_longer_than_the_deadline_and_waiting_succeeds(
    sandbox: Sandbox,
) -> None:
    with limited(sandbox, tiers(max_concurrent=1, restore_per_s=1)) as gateway:
        with sandbox.fault("ehr", latency_ms=2_500):
            first = asked_meanwhile(gateway, LIST, first=1)
            running(gateway, 1)
            told = gateway.ask(LIST, first=1)
            assert (told.status, told.errors[0]["extensions"]["reason"]) == (429, "concurrency")
            wait_s = int(told.headers["Retry-After"])
            assert 1 <= wait_s <= DEADLINE_S - 1, "it has waited a second already"
            assert told.headers["RateLimit"] == f'"concurrent";r=0;t={wait_s}'
            time.sleep(wait_s)
        assert gateway.ask(LIST, first=1).whole()
        first.join()


def test_an_operation_that_its_client_gives_up_is_settled_at_once(sandbox: Sandbox) -> None:
    with limited(sandbox, tiers(max_concurrent=1, restore_per_s=1)) as gateway:
        with sandbox.fault("ehr", latency_ms=2_500):
            body = json.dumps({"query": LIST, "variables": {"first": 100}}).encode()
            head = (
                f"POST /graphql HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n"
                f"Authorization: Bearer {gateway.token}\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            host, port = gateway.origin.removeprefix("http://").split(":")
            with socket.create_connection((host, int(port))) as connection:
                connection.sendall(head.encode() + body)
                running(gateway, 1)
            given_up = 1_000_000 - cost_of_list(100)
            validate = json.dumps({"query": LIST}).encode()

            def left() -> int | None:
                told = gateway.post(validate, GraphQL_Cost="validate")
                found = int(cost(told)["throttleStatus"]["currentlyAvailable"])
                return found if found > given_up + 50 else None

            assert eventually(left) < 1_000_000, "the searches that were under way are paid"
        assert gateway.ask(LIST, first=1).whole()


def test_an_operation_that_its_sources_fail_costs_the_searches_alone(sandbox: Sandbox) -> None:
    with limited(sandbox, tiers(restore_per_s=1)) as gateway:
        with sandbox.fault("ehr", status=503), sandbox.fault("gp", status=503):
            told = gateway.ask(LIST, first=100)
        assert told.status == 200
        assert cost(told)["actualQueryCost"] <= 5 * SOURCES + 1
        status = cost(told)["throttleStatus"]
        assert status["currentlyAvailable"] == 1_000_000 - cost(told)["actualQueryCost"]


def test_rate_limit_can_be_asked_for_and_costs_nothing(sandbox: Sandbox) -> None:
    query = "{ rateLimit { limit cost remaining used restoreRate resetAt } }"
    with limited(sandbox, tiers(capacity=1_000, max_query_cost=1_000, restore_per_s=0.001)) as gateway:
        answers = [gateway.ask(query).whole()["rateLimit"]]
        gateway.ask(LIST, first=10).whole()
        told = gateway.ask(query)
        answers.append(told.whole()["rateLimit"])
    assert answers[0].items() >= {"limit": 1_000, "cost": 0, "remaining": 1_000, "used": 0}.items()
    assert answers[1]["remaining"] + answers[1]["used"] == 1_000
    assert 0 < answers[1]["used"] <= cost_of_list(10)
    assert answers[1]["remaining"] == cost(told)["throttleStatus"]["currentlyAvailable"]
    assert answers[1]["resetAt"].endswith("Z")


def test_a_tier_that_measures_reports_and_never_refuses(sandbox: Sandbox) -> None:
    with limited(sandbox, tiers(mode="measure", capacity=50, max_query_cost=20, restore_per_s=1)) as gateway:
        for _ in range(3):
            told = gateway.ask(LIST, first=50)
            assert told.whole()
            assert cost(told)["requestedQueryCost"] == cost_of_list(50)
            assert "RateLimit" in told.headers


def test_what_is_denied_costs_nothing(sandbox: Sandbox, generous: Gateway, population: Population) -> None:
    query = "query Q($id: ID!) { patient(id: $id) { id observations(first: 100) { nodes { id } } } }"
    id_ = sandbox.summary["patients"][0]["id"]
    body = json.dumps({"query": query, "variables": {"id": id_}}).encode()
    narrow = generous.with_token(sandbox.minted(scope="user/Patient.rs", user="Practitioner/1"))
    whole, less = (one.post(body, GraphQL_Cost="validate") for one in (generous, narrow))
    assert (cost(whole)["requestedQueryCost"], cost(less)["requestedQueryCost"]) == (1 + 15 + 100, 1)


def test_near_its_limit_a_client_is_told(sandbox: Sandbox) -> None:
    with limited(sandbox, tiers(capacity=100, max_query_cost=100, restore_per_s=0.001)) as gateway:
        told = gateway.ask(LIST, first=1)
        assert "nearLimit" not in cost(told)
        while (told := gateway.ask(LIST, first=1)).status == 200:
            left = cost(told)["throttleStatus"]["currentlyAvailable"]
            assert cost(told).get("nearLimit", False) is (left < 20)
        assert told.status == 429


def test_tiers_have_limits_of_their_own_though_they_share_documents(sandbox: Sandbox) -> None:
    def change(written: Json) -> None:
        made = {"capacity": 10**6, "max_query_cost": 10**6}
        wide = {"name": "wide", "limits": {"max_aliases": 60, "max_first": 150}, **made}
        narrow = {"name": "narrow", "limits": {"max_depth": 3, "max_first": 5}, **made}
        written["issuers"][0].setdefault("claims", {})["tier"] = "tier"
        written["ratelimit"] = {"default_tier": "narrow", "tiers": [wide, narrow]}

    many = "{" + " ".join(f"a{n}: __typename" for n in range(8)) + " }"
    aliases = '{ patient(id: "x") {' + " ".join(f"a{n}: id" for n in range(50)) + " } }"
    deep = "{ observations(first: 1) { nodes { code { text } } } }"
    with limited(sandbox, change) as gateway:
        wide = gateway.with_token(
            sandbox.minted(scope="user/*.rs", user="Practitioner/1", claims={"tier": "wide"})
        )
        for text in (aliases, deep):
            assert wide.ask(text).status == 200
            told = gateway.ask(text)
            assert (told.status, told.codes) == (400, ["DOCUMENT_LIMIT_EXCEEDED"])
            assert wide.ask(text).status == 200
        assert gateway.ask(many).status == wide.ask(many).status == 200
        flat = "query Q($n: Int) { observations(first: $n) { sources { status } nodes { id } } }"
        rows = wide.ask(flat, n=150).whole()["observations"]["nodes"]
        assert len(rows) == 150
        assert gateway.ask(flat, n=5).whole()
        assert gateway.ask(flat, n=6).codes == ["BAD_USER_INPUT"]
        assert "between 0 and 5" in gateway.ask(flat, n=6).errors[0]["message"]
