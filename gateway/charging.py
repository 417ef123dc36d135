"""What an operation is charged: estimated and reserved before a source is called, settled when it is over."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec
from graphql import GraphQLError

from gateway.cost.actual import actual
from gateway.cost.analysis import Analysis
from gateway.cost.breakdown import Walk
from gateway.cost.errors import CostExceeded
from gateway.cost.estimate import breakdown, estimate, most_expensive
from gateway.cost_header import CostHeader
from gateway.document_errors import VariablesUnfit
from gateway.document_limits import LimitSettings, check_size
from gateway.execution.executor import ExecutionResult, Executor
from gateway.prepare import PreparedDocument
from gateway.ratelimit.budgets import Budgets
from gateway.ratelimit.errors import RateLimited
from gateway.ratelimit.headers import usual_headers
from gateway.ratelimit.limiter import Reservation, StoreUnavailable
from gateway.ratelimit.state import BudgetState
from gateway.ratelimit.tiers import MICRO, TierSettings
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

    def bill(
        self,
        principal: Principal,
        prepared: PreparedDocument,
        variables: Mapping[str, Any],
        denied: frozenset[str],
    ) -> "Bill":
        """What the operation may cost. Raises DocumentLimitExceeded where the caller's tier is narrower than
        what documents are prepared under."""
        limits = self._limits
        if self._others:
            limits = self._others.get(self.budgets.tier_of(principal).name, limits)
            check_size(prepared.size, limits)
        analysis = prepared.cost
        assert analysis is not None  # a gateway tells costs; only tests of other things do not
        requested = estimate(analysis, variables, denied)
        return Bill(self, principal, prepared, analysis, variables, denied, limits.max_first, requested)


class Bill(msgspec.Struct, eq=False):
    """One operation's: `reserve` before anything is fetched, `settle` when it has run, `close` however it
    ended."""

    _charging: Charging
    _principal: Principal
    _prepared: PreparedDocument
    _analysis: Analysis
    _variables: Mapping[str, Any]
    _denied: frozenset[str]
    _first_max: int
    requested: int
    actual: int | None = None
    state: BudgetState | None = None
    _reservation: Reservation | None = None
    _context: RequestContext | None = None

    async def reserve(self, context: RequestContext) -> None:
        """Takes the estimate out of the budget, for an operation that is to run in this context, where it
        can look. Raises RateLimited, CostExceeded, VariablesUnfit."""
        try:
            reservation = await self._charging.budgets.reserve(self._principal, self.requested)
        except RateLimited as refusal:
            if refusal.reason != "query_cost":  # who asks too often must be refused at little cost
                raise
            raise self.obstacle() or refusal from None
        self._reservation, self.state = reservation, reservation.state
        self._context = context
        context.tally.counts_found = self._analysis.counts_found
        context.budget = self._budget
        context.first_max = self._first_max

    async def look(self) -> None:
        """Only tells what stands in the budget, where that can be told."""
        with suppress(StoreUnavailable):
            self.state = await self._charging.budgets.look(self._principal)

    def obstacle(self) -> CostExceeded | None:
        """What stands in the operation's way however full the budget is. Raises VariablesUnfit."""
        if unfit := self._charging.executor.unfit(self._prepared, self._variables) or self._too_long():
            raise VariablesUnfit(*unfit)
        tier = self._charging.budgets.tier_of(self._principal)
        most = tier.max_query_cost // MICRO
        if self.requested <= most or tier.mode == "measure":
            return None
        paths = most_expensive(self._analysis, self._variables, self._denied)
        return CostExceeded(self.requested, most, paths)

    def settle(self, result: ExecutionResult) -> None:
        """The operation has run: it is charged what it has cost, which is never more than was reserved."""
        has_begun = result.data is not None or any(one.path is not None for one in result.errors)
        # What fails before a field is executed has errors without a path and no data.
        context = self._context if has_begun else None
        if context is None:
            self._settle(0)
        else:
            self._settle(actual(self._analysis, self._variables, context.tally, self._denied))

    def close(self) -> None:
        """The end, however it came. An operation that was given up has cost what it had been given by then,
        and the searches that were under way."""
        if self._reservation is not None and self.actual is None:
            cost, context = 0, self._context
            if context is not None:
                cost = actual(self._analysis, self._variables, context.tally, self._denied)
                cost += SEARCH * context.loaders.unanswered_searches
            self._settle(min(self.requested, cost))
        # The context looks at the bill: else all that was loaded would wait for the garbage collector.
        self._context = None

    def told(self, header: CostHeader) -> dict[str, Any]:
        """`extensions.cost`."""
        told: dict[str, Any] = {"requestedQueryCost": self.requested, "actualQueryCost": self.actual}
        state = self.state
        if state is not None:
            told["throttleStatus"] = state.throttle_status()
            if state.is_near_limit:
                told["nearLimit"] = True
        if header.reports:
            told["fields"] = [
                {
                    "path": list(one.path),
                    "definedCost": one.defined_cost,
                    "requestedTotalCost": one.requested_total_cost,
                    "requestedChildrenCost": one.requested_children_cost,
                }
                for one in breakdown(self._analysis, self._variables, self._denied)
            ]
        return told

    @property
    def headers(self) -> Headers:
        """`RateLimit` and `RateLimit-Policy`."""
        return usual_headers(self.state) if self.state is not None else ()

    def _settle(self, cost: int) -> None:
        assert self._reservation is not None
        self.actual = cost
        self.state = self._charging.budgets.settle(self._reservation, cost)

    def _too_long(self) -> list[GraphQLError]:
        """Lists that are asked for more rows than they may be: they would be refused one by one."""
        walk = Walk(self._analysis.values(self._variables), self._denied)
        walk.fields(self._analysis.root)
        return [
            GraphQLError(f"{name}: must be between 0 and {self._first_max}", path=list(one.path))
            for one in walk.apart
            for name in one.lower
            if name in _PAGING and one.size is not None and one.size > self._first_max
        ]

    def _budget(self) -> RateLimit:
        assert self._reservation is not None
        return self._reservation.state.rate_limit(self.requested)
