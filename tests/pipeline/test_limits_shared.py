"""Budgets that gateways share: in one Redis, killed and started again, slow or full; in a Redis Cluster."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.ratelimit.conftest import redis_cluster as redis_cluster
from tests.gateway.ratelimit.conftest import shared_redis as shared_redis
from tests.gateway.ratelimit.redis_process import RedisProcess
from tests.pipeline.asking import Gateway, Told
from tests.pipeline.own_gateway import Change, own_gateway, types
from tests.pipeline.test_limits import LIST, asked_meanwhile, cost, cost_of_list
from tests.running import Sandbox, eventually

Json = dict[str, Any]

CAPACITY = 10_000
VALIDATE = json.dumps({"query": LIST}).encode()


@pytest.fixture
def redis(redis_server: str, tmp_path: Path) -> Iterator[RedisProcess]:
    """One that forgets nothing when it is killed."""
    one = RedisProcess(redis_server, tmp_path, "--appendonly", "yes", "--appendfsync", "always")
    one.start()
    yield one
    one.kill()


def stored(kind: str, **settings: Any) -> Change:
    tier = {"name": "default", "capacity": CAPACITY, "max_query_cost": CAPACITY, "restore_per_s": 0.001}

    def change(written: Json) -> None:
        written["store"] = {"kind": kind, "url_secret": "budgets_url"}
        written["ratelimit"] = {"tiers": [tier], **settings}

    return change


@contextmanager
def sharing(sandbox: Sandbox, change: Change) -> Iterator[Gateway]:
    with own_gateway(sandbox, types("Patient", "Observation"), change) as gateway:
        yield gateway


def left(gateway: Gateway) -> int | None:
    """What stands in the budget; None while nobody can say."""
    status = cost(gateway.post(VALIDATE, GraphQL_Cost="validate")).get("throttleStatus")
    return None if status is None else int(status["currentlyAvailable"])


def spent(told: Told) -> int:
    told.whole()
    return int(cost(told)["actualQueryCost"])


@pytest.fixture
def address(redis: RedisProcess, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("CLINICAL_GATEWAY_SECRET_BUDGETS_URL", redis.url)
    return redis.url


@pytest.mark.usefixtures("address")
def test_replicas_share_a_budget_and_a_restart_keeps_it(sandbox: Sandbox, redis: RedisProcess) -> None:
    with sharing(sandbox, stored("redis")) as one, sharing(sandbox, stored("redis")) as other:
        total = spent(one.ask(LIST, first=10)) + spent(other.ask(LIST, first=20))
        assert eventually(lambda: left(one) == left(other) == CAPACITY - total or None)
        redis.kill()
        redis.start()
        assert eventually(lambda: left(other)) == CAPACITY - total


@pytest.mark.usefixtures("address")
def test_an_operation_is_settled_although_the_store_was_away_when_it_ended(
    sandbox: Sandbox, redis: RedisProcess
) -> None:
    with sharing(sandbox, stored("redis")) as gateway:
        with sandbox.fault("ehr", latency_ms=800):
            asking = asked_meanwhile(gateway, LIST, first=100)
            estimate = cost_of_list(100)
            eventually(lambda: left(gateway) == CAPACITY - estimate or None)
            redis.kill()
            asking.join()
        time.sleep(1)
        redis.start()
        settled = eventually(lambda: found if (found := left(gateway) or 0) > CAPACITY - estimate else None)
        assert settled < CAPACITY, "it is charged what it did cost"


@pytest.mark.usefixtures("address")
def test_with_deny_nobody_is_admitted_while_the_store_is_away(sandbox: Sandbox, redis: RedisProcess) -> None:
    with sharing(sandbox, stored("redis", on_store_failure="deny")) as gateway:
        assert gateway.ask(LIST, first=1).status == 200
        redis.kill()
        told = gateway.ask(LIST, first=1)
        assert (told.status, told.codes) == (503, ["THROTTLED"])
        assert told.errors[0]["extensions"]["reason"] == "store"
        assert told.headers["Retry-After"] == "1"
        priced = gateway.post(VALIDATE, GraphQL_Cost="validate")
        assert (priced.status, "throttleStatus" in cost(priced)) == (200, False)
        redis.start()
        time.sleep(1)
        assert gateway.ask(LIST, first=1).status == 200


@pytest.mark.usefixtures("address")
@pytest.mark.parametrize("ask", [("CLIENT", "PAUSE", 3_000, "ALL"), ("CONFIG", "SET", "maxmemory", 1)])
def test_with_local_a_store_that_is_slow_or_full_stops_nobody(
    sandbox: Sandbox, redis: RedisProcess, ask: tuple[str | int, ...]
) -> None:
    with sharing(sandbox, stored("redis")) as gateway:
        assert gateway.ask(LIST, first=1).status == 200
        redis.ask(*ask)
        told = gateway.ask(LIST, first=1)
        assert told.whole()
        assert cost(told)["throttleStatus"]["maximumAvailable"] == CAPACITY


def test_budgets_lie_in_a_cluster(
    sandbox: Sandbox, redis_cluster: tuple[RedisProcess, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    for one in redis_cluster:
        one.ask("FLUSHALL")
    monkeypatch.setenv("CLINICAL_GATEWAY_SECRET_BUDGETS_URL", redis_cluster[0].url)
    with sharing(sandbox, stored("redis-cluster")) as gateway:
        total = sum(spent(gateway.ask(LIST, first=first)) for first in (1, 10, 20))
        assert eventually(lambda: left(gateway) == CAPACITY - total or None)
        assert (
            gateway.ask("{ rateLimit { remaining } }").whole()["rateLimit"]["remaining"] == CAPACITY - total
        )
