"""What an operation is charged: estimated and reserved before a source is called, settled when it is over."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from math import inf
from typing import Any, Final

import msgspec
from graphql import GraphQLError

from clinical.codec import encode_json
from gateway.cost.analysis import Analysis
from gateway.cost.breakdown import Walk
from gateway.cost.errors import CostExceeded
from gateway.cost.estimate import breakdown, most_expensive
from gateway.cost.formula import Formula
from gateway.cost.tariff import Tariff
from gateway.cost_header import CostHeader
from gateway.document_errors import VariablesUnfit
from gateway.document_limits import LimitSettings, check_size
from gateway.execution.executor import ExecutionResult, Executor
from gateway.prepare import PreparedDocument
from gateway.ratelimit.budgets import Budgets
from gateway.ratelimit.errors import RateLimited
from gateway.ratelimit.headers import policy_header, usual_headers
from gateway.ratelimit.limiter import Refusal, Reservation, StoreUnavailable
from gateway.ratelimit.state import BudgetState
from gateway.ratelimit.tiers import MICRO, Tier, TierSettings
from gateway.response import Headers
from permissions.principal import Principal
from resolvers.budget import RateLimit
from resolvers.context import RequestContext
from schema.cost import SEARCH

_PAGING: Final = frozenset({"first", "last"})


class Charging:
    """Opens the bill of each operation. `limits` are those of documents, `tiers` say who has others."""

    def __init__(
        self,
        budgets: Budgets,
        executor: Executor,
        limits: LimitSettings,
        tiers: Sequence[TierSettings] = (),
    ) -> None:
        self.budgets = budgets
        self.executor = executor
        self._limits = limits
        every = {one.name: one.limits.over(limits) for one in tiers}
        self._others = {name: one for name, one in every.items() if one != limits}

    def account(self, principal: Principal, prepared: PreparedDocument, denied: frozenset[str]) -> "Account":
        """What the caller's bills for a document have alike. Raises DocumentLimitExceeded where the caller's
        tier is narrower than what documents are prepared under."""
        limits = self._limits
        if self._others:
            limits = self._others.get(self.budgets.tier_of(principal).name, limits)
            check_size(prepared.size, limits)
        analysis = prepared.cost
        assert analysis is not None  # a gateway tells costs; only tests of other things do not
        formula, tariff = analysis.priced(denied)
        _, tier, key = self.budgets.whose(principal)
        return Account(
            self,
            principal,
            analysis,
            denied,
            limits.max_first,
            tier,
            key,
            policy_header(tier),
            formula,
            tariff,
            None if analysis.defaults else formula.fixed,
            analysis.counts_found,
            self.budgets.take,
            self.budgets.settle,
            inf if tier.daily_quota else tier.near_level,
            self.budgets.events.near,
            tier.max_query_cost // MICRO,
            _usual_cost(tier),
        )


class Account(msgspec.Struct, frozen=True, eq=False):
    """What a caller's bills for one document have alike; it may be kept as long as the caller is.

    `policy`: the header that tells the tier; `fixed`: the estimate, where variables need not be looked at.
    """

    charging: Charging
    principal: Principal
    analysis: Analysis
    denied: frozenset[str]
    first_max: int
    tier: Tier
    key: str
    """Of the caller's budget."""
    policy: tuple[bytes, bytes]
    formula: Formula
    tariff: Tariff
    fixed: int | None
    counts_found: bool
    take: Callable[[str, Tier, int], Reservation | Refusal] | None
    settle: Callable[[Reservation, int], BudgetState]
    near_level: float
    """A budget with less may be near a limit; with a quota for the day any may."""
    near: Mapping[str, None]
    """The budgets that were near their limits (`ThrottleEvents.near`)."""
    most: int
    """What an operation may cost, as whole cost."""
    usual_cost: bytes
    """`extensions.cost` where nothing is unusual, to be filled in: estimated, actual, left in the budget."""

    def bill(self, prepared: PreparedDocument, variables: Mapping[str, Any]) -> "Bill":
        """What the operation may cost."""
        values = self.analysis.values(variables)
        return Bill(self, prepared, variables, values, self.formula.of(values))


class Bill(msgspec.Struct, eq=False):
    """One operation's: `take` or `reserve` before anything is fetched, `settle` when it has run, `close`
    where it is over and was not settled."""

    _account: Account
    _prepared: PreparedDocument
    _variables: Mapping[str, Any]
    _values: Mapping[str, Any]
    """The variables with their defaults."""
    requested: int
    actual: int | None = None
    state: BudgetState | None = None
    headers: Headers = ()
    """`RateLimit` and `RateLimit-Policy`, once the bill is told."""
    _reservation: Reservation | None = None
    _context: RequestContext | None = None

    def take(self, context: RequestContext) -> bool:
        """The same as `reserve`, where the budget is at hand and the operation is admitted; false: nothing
        was taken, and `reserve` is to say why."""
        account, requested = self._account, self.requested
        take, tier = account.take, account.tier
        if take is None or requested > account.most:
            return False
        taken = take(account.key, tier, requested)
        if isinstance(taken, Refusal):
            return False
        self._reservation, self._context, level = taken, context, taken.state.level
        if level < account.near_level or account.near:
            account.charging.budgets.tell_if_near(taken.state, account.principal, account.key, requested)
        if not account.counts_found:
            context.tally.counts_found = False
        context.budget = self._budget
        context.first_max = account.first_max
        return True

    async def reserve(self, context: RequestContext) -> None:
        """Takes the estimate out of the budget, for an operation that is to run in this context, where it
        can look. Raises RateLimited, CostExceeded, VariablesUnfit."""
        account = self._account
        try:
            self._reservation = await account.charging.budgets.reserve(account.principal, self.requested)
        except RateLimited as refusal:
            if refusal.reason != "query_cost":  # who asks too often must be refused at little cost
                raise
            raise self.obstacle() or refusal from None
        self._context = context
        if not account.analysis.counts_found:
            context.tally.counts_found = False
        context.budget = self._budget
        context.first_max = account.first_max

    async def look(self) -> None:
        """Only tells what stands in the budget, where that can be told."""
        with suppress(StoreUnavailable):
            self.state = await self._account.charging.budgets.look(self._account.principal)

    def obstacle(self) -> CostExceeded | None:
        """What stands in the operation's way however full the budget is. Raises VariablesUnfit."""
        account = self._account
        if unfit := account.charging.executor.unfit(self._prepared, self._variables) or self._too_long():
            raise VariablesUnfit(*unfit)
        tier = account.tier
        most = tier.max_query_cost // MICRO
        if self.requested <= most or tier.mode == "measure":
            return None
        paths = most_expensive(account.analysis, self._variables, account.denied)
        return CostExceeded(self.requested, most, paths)

    def settle(self, result: ExecutionResult) -> None:
        """The operation has run: it is charged what it has cost, which is never more than was reserved."""
        account, context, reservation = self._account, self._context, self._reservation
        assert context is not None
        assert reservation is not None
        # What fails before a field is executed has errors without a path and no data.
        if result.data is not None or any(one.path is not None for one in result.errors):
            tariff = account.tariff
            fixed, notes = tariff.fixed, context.tally.notes
            cost = fixed if fixed is not None and not notes else tariff.of(context.tally, self._values)
        else:
            cost = 0
        self.state = account.settle(reservation, cost)
        self.actual = cost
        # The context looks at the bill: else all that was loaded would wait for the garbage collector.
        self._context = None

    def close(self) -> None:
        """The end of what was not settled. An operation that was given up has cost what it had been given by
        then, and the searches that were under way."""
        if self._reservation is not None and self.actual is None:
            account, cost, context = self._account, 0, self._context
            if context is not None:
                cost = account.tariff.of(context.tally, self._values)
                cost += SEARCH * context.loaders.unanswered_searches
            self.actual = min(self.requested, cost)
            self.state = account.settle(self._reservation, self.actual)
        self._context = None

    def told(self, header: CostHeader) -> Mapping[str, Any] | msgspec.Raw:
        """`extensions.cost`, encoded where nothing is to be told but what is told of most operations."""
        state, account = self.state, self._account
        tier = account.tier
        if (
            state is None
            or state.tier is not tier
            or (level := state.level) < account.near_level
            or header.reports
            or self.actual is None
        ):
            return self.told_at_length(header)
        remaining = level // MICRO
        if level < tier.capacity:  # as `usual_headers`
            full_in_s = -((level - tier.capacity) // (tier.restore * 1000))
            left = b'"budget";r=%d;t=%d' % (remaining, full_in_s)
        else:
            left = b'"budget";r=%d' % remaining
        self.headers = account.policy, (b"ratelimit", left)
        return msgspec.Raw(account.usual_cost % (self.requested, self.actual, remaining))

    def told_at_length(self, header: CostHeader) -> dict[str, Any]:
        """The same of any operation."""
        told: dict[str, Any] = {"requestedQueryCost": self.requested, "actualQueryCost": self.actual}
        state = self.state
        if state is not None:
            told["throttleStatus"] = state.throttle_status()
            if state.is_near_limit:
                told["nearLimit"] = True
            self.headers = usual_headers(state)
        if header.reports:
            told["fields"] = [
                {
                    "path": list(one.path),
                    "definedCost": one.defined_cost,
                    "requestedTotalCost": one.requested_total_cost,
                    "requestedChildrenCost": one.requested_children_cost,
                }
                for one in breakdown(self._account.analysis, self._variables, self._account.denied)
            ]
        return told

    def _too_long(self) -> list[GraphQLError]:
        """Lists that are asked for more rows than they may be: they would be refused one by one."""
        account = self._account
        walk = Walk(account.analysis.values(self._variables), account.denied)
        walk.fields(account.analysis.root)
        return [
            GraphQLError(f"{name}: must be between 0 and {account.first_max}", path=list(one.path))
            for one in walk.apart
            for name in one.lower
            if name in _PAGING and one.size is not None and one.size > account.first_max
        ]

    def _budget(self) -> RateLimit:
        assert self._reservation is not None
        return self._reservation.state.rate_limit(self.requested)


def _usual_cost(tier: Tier) -> bytes:
    status = BudgetState(tier, 0, 0, 0, 0).throttle_status()
    before, after = encode_json(status).split(b'"currentlyAvailable":0')
    return (
        b'{"requestedQueryCost":%d,"actualQueryCost":%d,"throttleStatus":'
        + before + b'"currentlyAvailable":%d' + after + b"}"
    )  # fmt: skip
