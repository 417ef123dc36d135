"""What an operation is charged, however it ends; and how the pipeline tells it."""

from __future__ import annotations

import asyncio
import gc
import logging
from typing import Any

import pytest

from gateway.authn.authenticator import Credentials
from gateway.charging import Bill
from gateway.execution.compiled import CompiledExecutor
from gateway.execution.stock import StockExecutor
from gateway.prepare import Preparation
from gateway.ratelimit.state import BudgetState
from gateway.ratelimit.tiers import RateLimitSettings, TierSettings
from resolvers.budget import RateLimit
from resolvers.pace import Pace
from resolvers.source_loader import SourceLoader
from tests.gateway import front_door
from tests.gateway.front_door import ORIGIN, FrontDoor, code_of
from tests.resolvers.asking import Asker, permissions_of, schema
from tests.resolvers.memory import MemoryUpstream

THREE = "{ thing { inner { inner { id } } } }"
HANGING = "{ thing { inner { inner { id } } } hanging }"


def strict(**settings: Any) -> RateLimitSettings:
    """A tier of 100 of which hardly anything comes back."""
    made = {"capacity": 100, "max_query_cost": 50, "restore_per_s": 0.001, "max_concurrent": 1, **settings}
    return RateLimitSettings(tiers=(TierSettings(name="default", **made),))


async def budget(door: FrontDoor) -> BudgetState:
    principal = await door.issuer.authenticator().authenticate(Credentials(f"Bearer {door.token}"))
    return await door.budgets.look(principal)


async def test_budget_stands_still_where_nothing_was_executed() -> None:
    door = FrontDoor(ratelimit=strict())
    for query in ("{", "{ nothing }", "{ thing { id }", "mutation { x }"):
        assert (await door.ask(query)).status_code == 400
    assert (await door.ask("query ($t: String!) { echo(text: $t) thing { id } }")).status_code == 400
    assert ((state := await budget(door)).remaining, state.in_flight) == (100, 0)


async def test_a_bill_lets_go_of_what_the_request_loaded() -> None:
    """The context can look at the bill: were that mutual, all would wait for the garbage collector."""
    door = FrontDoor(ratelimit=strict())
    gc.disable()
    try:
        assert (await door.ask(THREE)).status_code == 200
        bills = [one for one in gc.get_objects() if isinstance(one, Bill)]
    finally:
        gc.enable()
    assert [one for one in bills if one._context is not None] == []


@pytest.mark.parametrize(
    ("query", "status", "cost"),
    [
        (THREE, 200, 3),
        ("{ thing { id } broken }", 200, 1),
        ("{ thing { id } refused }", 200, 1),
        ("{ thing { id } required }", 504, 1),
        ("{ thing { id } hanging }", 504, 1),
    ],
)
async def test_operation_is_settled_however_it_ends(query: str, status: int, cost: int) -> None:
    door = FrontDoor(ratelimit=strict(), deadline_s=0.3)
    assert (await door.ask(query)).status_code == status
    assert ((state := await budget(door)).remaining, state.in_flight) == (100 - cost, 0)


async def test_a_response_tells_the_state_of_the_budget() -> None:
    door = FrontDoor(ratelimit=strict())
    told = (await door.ask(THREE)).json()["extensions"]["cost"]
    assert told["throttleStatus"] == (await budget(door)).throttle_status()


async def test_a_defect_of_the_executor_is_settled_too(monkeypatch: pytest.MonkeyPatch) -> None:
    door = FrontDoor(ratelimit=strict())

    async def fail(*_: Any) -> Any:
        raise KeyError("defect")

    monkeypatch.setattr(StockExecutor, "run", fail)
    assert (await door.ask(THREE)).status_code == 500
    assert ((state := await budget(door)).remaining, state.in_flight) == (97, 0)


async def test_a_client_that_leaves_while_it_waits_for_a_place_leaves_nothing_behind() -> None:
    door = FrontDoor(ratelimit=strict())
    running = asyncio.create_task(door.ask(HANGING))
    await front_door.WORK.started.wait()
    waiting = asyncio.create_task(door.ask(THREE))
    await asyncio.sleep(0.05)
    waiting.cancel()
    running.cancel()
    await asyncio.gather(running, waiting, return_exceptions=True)
    assert ((state := await budget(door)).remaining, state.in_flight) == (97, 0)


async def test_no_more_wait_for_a_place_than_may_run(caplog: pytest.LogCaptureFixture) -> None:
    door = FrontDoor(ratelimit=strict(), deadline_s=2.0)
    running = asyncio.create_task(door.ask(HANGING))
    await front_door.WORK.started.wait()
    answers = [asyncio.create_task(door.ask(THREE)) for _ in range(3)]
    done, _ = await asyncio.wait(answers, timeout=0.5)
    assert len(done) == 2, "one waits"
    for one in done:
        assert (one.result().status_code, code_of(one.result())) == (429, "THROTTLED")
        assert one.result().headers["Retry-After"] == "2"
    assert (await running).status_code == 504
    last = [one for one in answers if one not in done]
    assert {(await one).status_code for one in last} <= {200, 429}
    assert sum("refused (concurrency)" in one.getMessage() for one in caplog.records) == 1


async def test_throttling_is_counted_and_logged_without_the_user(caplog: pytest.LogCaptureFixture) -> None:
    door = FrontDoor(ratelimit=strict(capacity=6, max_query_cost=6))
    with caplog.at_level(logging.WARNING):
        statuses = [(await door.ask(THREE)).status_code for _ in range(4)]
    assert statuses == [200, 200, 429, 429]
    kinds = {key: count for key, count in door.budgets.events.counts.items() if key[1] == "refused"}
    assert kinds == {("default", "refused", "budget"): 2}
    assert "somebody" not in caplog.text


async def test_browsers_may_send_the_cost_header_and_read_the_limits() -> None:
    door = FrontDoor()
    asked = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "graphql-cost",
    }
    preflight = await door.client.options("/graphql", headers=asked)
    assert "graphql-cost" in preflight.headers["Access-Control-Allow-Headers"]
    answer = await door.post({"query": THREE}, headers={"Origin": ORIGIN})
    exposed = {one.strip() for one in answer.headers["Access-Control-Expose-Headers"].split(",")}
    assert exposed >= {"RateLimit", "RateLimit-Policy", "Retry-After"}
    assert {"ratelimit", "ratelimit-policy"} <= set(answer.headers)


@pytest.mark.parametrize("kind", [CompiledExecutor, StockExecutor])
async def test_both_executors_tell_the_budget(kind: type[CompiledExecutor] | type[StockExecutor]) -> None:
    made, asker = schema(), Asker(MemoryUpstream("a", {}))
    text = "{ a: rateLimit { limit cost remaining used } rateLimit { restoreRate resetAt } }"
    prepared = Preparation(made.graphql, FrontDoor().limits).prepare(text, None, "")
    told = []
    for remaining in (9, 8):
        context = asker.federation.open(
            asker.principal, permissions_of(asker.principal), deadline_s=30, request_id="r"
        )
        context.budget = lambda left=remaining: RateLimit(10, 1, left, 10 - left, 0.5, "2026-01-01T00:00:00Z")
        result = await kind(made.graphql, made.rules).run(prepared, {}, context)
        assert result.errors == []
        told.append(result.data)
        context.close()
    assert told == [
        {
            "a": {"limit": 10, "cost": 1, "remaining": left, "used": 10 - left},
            "rateLimit": {"restoreRate": 0.5, "resetAt": "2026-01-01T00:00:00Z"},
        }
        for left in (9, 8)
    ]


async def test_searches_that_were_begun_and_not_answered_are_known() -> None:
    async def hang(*_: Any) -> Any:
        await asyncio.sleep(3600)

    asker = Asker(MemoryUpstream("a", {}))
    context = asker.federation.open(
        asker.principal, permissions_of(asker.principal), deadline_s=30, request_id="r"
    )
    loader = SourceLoader("a", hang, context.call, Pace(), is_held=False)
    assert loader.unanswered == 0
    asking = asyncio.create_task(loader.all(("x", "y")))
    await asyncio.sleep(0.05)
    assert loader.unanswered == 2
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert loader.unanswered == 2
    loader.close()
    context.close()
