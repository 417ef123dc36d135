"""The estimate is never below the actual cost: for any operation, caller and state of the sources."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any

from graphql import GraphQLSchema
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from gateway.cost.actual import actual
from gateway.cost.analysis import Analysis
from gateway.cost.estimate import breakdown, estimate, most_expensive
from gateway.cost.weights import Weights
from gateway.document_errors import DocumentInvalid
from gateway.document_limits import LimitSettings
from gateway.execution.compiled import CompiledExecutor
from gateway.execution.denials import Denials
from gateway.execution.executor import ExecutionResult, Executor
from gateway.execution.stock import StockExecutor
from gateway.prepare import Preparation, PreparedDocument
from permissions.decision import Decisions, Permissions
from permissions.policy import RuleSettings, default_policy
from permissions.principal import Principal
from permissions.scopes import other_words, parse_scopes
from resolvers.tally import Tally
from schema.build import BuiltSchema, build_schema, resource_types
from schema.cost import counts_of
from tests.gateway.cost.busy import VARIABLES as BUSY_VARIABLES
from tests.gateway.cost.busy import Busy, busy_sources
from tests.gateway.cost.plain_actual import plain_actual
from tests.gateway.execution.operations import Operations, Seeded
from tests.gateway.execution.test_equality import CALLERS, INTERESTING, TIGHTENED, sources
from tests.resolvers.asking import Asker
from tests.resolvers.memory import MemoryUpstream

Caller = tuple[str, str | None]

LIMITS = LimitSettings(
    max_characters=1_000_000,
    max_tokens=100_000,
    max_depth=100,
    max_aliases=10_000,
    max_directives=10_000,
    max_root_fields=1_000,
)
VARIABLES: list[dict[str, Any]] = [{}, {"t": False}, {"f": True, "n": 2}, {"n": None}]
OPERATIONS = 1_500
BUSY_OPERATIONS = 500
EXECUTIONS = 2
"""Of each operation, with other variables, callers and states of the sources."""

SEEDS = st.integers(0, 2**32)
GENERATED = settings(phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow])


@cache
def built() -> BuiltSchema:
    plain = default_policy()
    tightened = tuple(RuleSettings.model_validate(one) for one in TIGHTENED)
    policy = plain.model_copy(update={"rules": (*plain.rules, *tightened)})
    return build_schema(resource_types("default"), policy, counts_of(sources(False)))


@cache
def executors() -> tuple[Executor, Executor, Preparation]:
    made, rules = schema(), built().rules
    return (
        CompiledExecutor(made, rules),
        StockExecutor(made, rules),
        Preparation(made, LIMITS, True, Weights(made)),
    )


@cache
def permissions(scopes: str, launch: str | None) -> Permissions:
    caller = Principal("i", "c", "s", parse_scopes(scopes), other_words(scopes), launch)
    return Decisions(built().rules).of(caller)


def schema() -> GraphQLSchema:
    return built().graphql


@cache
def denials() -> Denials:
    return Denials(schema(), built().rules)


def prepared_or_none(text: str) -> PreparedDocument | None:
    try:
        return executors()[2].prepare(text, None, "")
    except DocumentInvalid:
        return None  # fields that meet with different shapes are refused before execution


def denied_of(prepared: PreparedDocument, caller: Caller) -> frozenset[str]:
    return denials().denied(prepared, permissions(*caller))


def analysis_of(prepared: PreparedDocument) -> Analysis:
    assert prepared.cost is not None
    return prepared.cost


@cache
def quiet(is_down: bool) -> list[MemoryUpstream]:
    return sources(is_down)


@cache
def busy(_: bool) -> list[MemoryUpstream]:
    return busy_sources()


@dataclass(frozen=True)
class Case:
    """One execution of an operation."""

    variables: dict[str, Any]
    caller: Caller
    upstreams: list[MemoryUpstream]


def cases(
    random: Random, variables: list[dict[str, Any]], state: Callable[[bool], list[MemoryUpstream]]
) -> list[Case]:
    """A few of all cases. The first is always that of a caller who may see everything."""
    callers = [CALLERS[0], *random.choices(CALLERS, k=EXECUTIONS - 1)]
    return [Case(random.choice(variables), one, state(random.random() < 0.5)) for one in callers]


async def executed(
    executor: Executor, prepared: PreparedDocument, case: Case
) -> tuple[ExecutionResult, Tally]:
    """What is answered, and what was noted on the way."""
    for one in case.upstreams:
        one.calls.clear()
    asker = Asker(*case.upstreams, patient=case.caller[1])
    context = asker.federation.open(asker.principal, permissions(*case.caller), deadline_s=30, request_id="r")
    context.denied = denied_of(prepared, case.caller)
    context.tally = Tally(counts_found=analysis_of(prepared).counts_found)
    try:
        return await executor.run(prepared, case.variables, context), context.tally
    finally:
        context.close()


async def check_bound(prepared: PreparedDocument, case: Case, text: str) -> tuple[ExecutionResult, int]:
    """Executes; the answer with its cost."""
    cost, denied = analysis_of(prepared), denied_of(prepared, case.caller)
    result, tally = await executed(executors()[0], prepared, case)
    found = actual(cost, case.variables, tally, denied)
    assert found == plain_actual(cost, case.variables, tally, denied), (text, case.variables, case.caller)
    assert 0 <= found <= estimate(cost, case.variables, denied), (text, case.variables, case.caller)
    return result, found


def check_estimates(prepared: PreparedDocument, variables: list[dict[str, Any]], text: str) -> None:
    """For all callers and variables: what is denied costs nothing. For all callers: the breakdown adds up."""
    cost = analysis_of(prepared)
    sets = {frozenset(denied_of(prepared, one)) for one in CALLERS}
    wholes = [estimate(cost, one) for one in variables]
    for place, denied in enumerate(sets):
        found = [estimate(cost, one, denied) for one in variables]
        assert all(some <= whole for some, whole in zip(found, wholes, strict=True)), text
        chosen = place % len(variables)
        check_breakdown(cost, variables[chosen], denied, found[chosen], text)


def check_breakdown(
    cost: Analysis, variables: dict[str, Any], denied: frozenset[str], whole: int, text: str
) -> None:
    below: Counter[tuple[str, ...]] = Counter()
    told = breakdown(cost, variables, denied)
    for one in told:
        below[one.path[:-1]] += one.requested_total_cost
    assert below[()] == whole, text
    assert all(one.requested_children_cost == below[one.path] for one in told), text
    ranked = [one.cost for one in most_expensive(cost, variables, denied)]
    assert ranked == sorted(ranked, reverse=True)
    assert sum(ranked) <= whole


@settings(GENERATED, max_examples=OPERATIONS)
@given(SEEDS)
async def test_no_operation_costs_more_than_was_estimated(seed: int) -> None:
    text = Operations(Seeded(seed), schema(), INTERESTING).text()
    prepared = prepared_or_none(text)
    if prepared is None:
        return
    check_estimates(prepared, VARIABLES, text)
    for case in cases(Random(seed), VARIABLES, quiet):
        await check_bound(prepared, case, text)


@settings(GENERATED, max_examples=BUSY_OPERATIONS)
@given(SEEDS)
async def test_no_operation_that_finds_much_costs_more_than_was_estimated(seed: int) -> None:
    text = Busy(seed).text()
    prepared = prepared_or_none(text)
    assert prepared is not None, text
    check_estimates(prepared, BUSY_VARIABLES, text)
    for case in cases(Random(seed), BUSY_VARIABLES, busy):
        ours, found = await check_bound(prepared, case, text)
        if seed % 8:
            continue
        theirs, tally = await executed(executors()[1], prepared, case)
        if len(ours.errors) == len(theirs.errors):  # nothing was left off that the other still fetched
            denied = denied_of(prepared, case.caller)
            assert found == actual(analysis_of(prepared), case.variables, tally, denied), text


def test_nearly_every_operation_of_the_property_is_valid() -> None:
    texts = [Operations(Seeded(seed), schema(), INTERESTING).text() for seed in range(100)]
    assert sum(prepared_or_none(text) is not None for text in texts) > 90
