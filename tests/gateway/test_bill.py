"""The usual ways of a bill say and take what the ways of any bill do."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
from graphql import build_schema
from hypothesis import given
from hypothesis import strategies as st

from clinical.codec import decode_json, encode_json
from gateway.charging import Bill, Charging
from gateway.cost.errors import CostExceeded
from gateway.cost.weights import Weights
from gateway.cost_header import ABSENT, CostHeader
from gateway.document_limits import LimitSettings
from gateway.prepare import Preparation, PreparedDocument
from gateway.ratelimit.budgets import Budgets
from gateway.ratelimit.errors import RateLimited
from gateway.ratelimit.headers import usual_headers
from gateway.ratelimit.limits import open_limits
from gateway.ratelimit.state import BudgetState
from gateway.ratelimit.tiers import RateLimitSettings, TierSettings
from permissions.principal import Principal
from resolvers.tally import Tally

SCHEMA = build_schema(
    "directive @cost(weight: String!) on FIELD_DEFINITION "
    'type Query { a: Int @cost(weight: "3") b(n: Int): Int @cost(weight: "7") }'
)
EXECUTOR: Any = SimpleNamespace(unfit=lambda *_: [])
TIERS = ("whole", "broken", "quota", "measured")
SETTINGS = RateLimitSettings(
    default_tier="whole",
    tiers=(
        TierSettings(name="whole", capacity=100, restore_per_s=1, max_query_cost=9),
        TierSettings(name="broken", capacity=90, restore_per_s=0.5, max_query_cost=50),
        TierSettings(name="quota", capacity=80, restore_per_s=1, max_query_cost=50, daily_quota=60),
        TierSettings(name="measured", capacity=60, restore_per_s=1, max_query_cost=9, mode="measure"),
    ),
)


def prepared(text: str) -> PreparedDocument:
    return Preparation(SCHEMA, LimitSettings(), weights=Weights(SCHEMA)).prepare(text, None, "")


DOCUMENTS = [prepared("{ a }"), prepared("{ a b }"), prepared("query ($n: Int = 3) { b(n: $n) }")]


def budgets_of_a_stopped_clock() -> Budgets:
    budgets: Budgets = open_limits(SETTINGS, "memory", None, 5.0, b"s" * 32).budgets
    limiter: Any = budgets._limiter
    limiter._clock = lambda: 10**15
    return budgets


def caller(tier: str) -> Principal:
    return Principal("i", "c", "s", (), tier=tier)


def bill_of(budgets: Budgets, tier: str, document: PreparedDocument) -> Bill:
    charging = Charging(budgets, EXECUTOR, LimitSettings())
    return charging.account(caller(tier), document, frozenset()).bill(document, {})


def stand(state: BudgetState) -> tuple[str, int, int, int]:
    return state.tier.name, state.level, state.used, state.in_flight


def context() -> Any:
    return SimpleNamespace(tally=Tally(), budget=None, first_max=0)


@given(
    st.sampled_from(TIERS),
    st.sampled_from(DOCUMENTS),
    st.integers(0, 120),
    st.integers(0, 9) | st.none(),
    st.sampled_from([ABSENT, CostHeader(reports=True)]),
)
def test_a_usual_bill_is_told_as_any(
    tier: str, document: PreparedDocument, left: int, actual: int | None, header: CostHeader
) -> None:
    bill = bill_of(budgets_of_a_stopped_clock(), tier, document)
    whole = bill._account.tier
    level = min(whole.capacity, left * 1_000_000 + 7)
    bill.actual, bill.state = actual, BudgetState(whole, level, 5, 1, 1000)
    told, headers = decode_json(encode_json(bill.told(header))), bill.headers
    at_length = bill.told_at_length(header)
    assert told == decode_json(encode_json(at_length))
    assert list(told) == list(at_length)
    assert headers == bill.headers == usual_headers(bill.state)


def test_most_bills_are_told_from_a_kept_part() -> None:
    bill = bill_of(budgets_of_a_stopped_clock(), "whole", DOCUMENTS[0])
    bill.actual, bill.state = 3, BudgetState(bill._account.tier, 97_000_000, 0, 0, 0)
    assert isinstance(bill.told(ABSENT), msgspec.Raw)


@given(st.sampled_from(TIERS), st.lists(st.sampled_from(DOCUMENTS), min_size=1, max_size=12))
async def test_what_is_taken_at_once_is_what_is_reserved(tier: str, asked: list[PreparedDocument]) -> None:
    quick, slow = budgets_of_a_stopped_clock(), budgets_of_a_stopped_clock()
    for document in asked:
        at_once, in_time = context(), context()
        one, other = bill_of(quick, tier, document), bill_of(slow, tier, document)
        is_refused = False
        try:
            await other.reserve(in_time)
        except (RateLimited, CostExceeded):
            is_refused = True
        is_measured = other._reservation is not None and other._reservation.measured is not None
        assert one.take(at_once) is not (is_refused or is_measured)
        if one._reservation is None:
            continue
        ours, theirs = one._reservation, other._reservation
        assert theirs is not None
        assert (ours.id, ours.key, ours.cost) == (theirs.id, theirs.key, theirs.cost)
        assert stand(ours.state) == stand(theirs.state)
        assert (at_once.first_max, at_once.tally) == (in_time.first_max, in_time.tally)
        assert at_once.budget().remaining == in_time.budget().remaining
    assert list(quick.events.near) == list(slow.events.near)
    assert stand(await quick.look(caller(tier))) == stand(await slow.look(caller(tier)))


def test_an_account_is_of_a_tier_and_its_prices() -> None:
    account = bill_of(budgets_of_a_stopped_clock(), "whole", DOCUMENTS[1])._account
    assert (account.fixed, account.most, account.tariff.fixed) == (10, 9, 10)
    assert account.tariff.of(Tally(), {}) == account.tariff.fixed
