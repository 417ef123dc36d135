"""Execution by plan: queries run as specialised functions, all else as graphql-core does it."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from graphql import GraphQLError, GraphQLSchema

from gateway.execution.collect import Collector
from gateway.execution.denials import Denied, denied_selections
from gateway.execution.executor import ExecutionResult
from gateway.execution.projection import Projector
from gateway.execution.run import Complete, Run, bubble
from gateway.execution.shapes import Survey
from gateway.execution.stock import StockExecutor, located
from gateway.execution.variables import Variables
from gateway.prepare import PlanKey, PreparedDocument
from permissions.rules import Rules
from resolvers.context import RequestContext
from resolvers.shape import Shape

PLANS_KEPT: Final = 16
"""For each document: one plan for each set of values of its `@skip` and `@include` variables, and for each
set of its fields that is denied."""

INTROSPECTIONS_KEPT: Final = 8
"""Answers about the schema, which take long to make and never change; each may be megabytes."""


@dataclass(frozen=True, slots=True)
class Plan:
    """An operation as compiled: the function of its root, the shapes in which pages are decoded, and the
    elements of Patients that are read (None: perhaps all)."""

    complete: Complete
    shapes: Mapping[str, Shape]
    of_patient: frozenset[str] | None
    denied: tuple[Denied, ...]
    """The selections in whose place null stands, for what the caller's scopes are."""


class CompiledExecutor:
    """Runs queries by their plans. A plan is made at the first request of a document and kept with it."""

    def __init__(self, schema: GraphQLSchema, rules: Rules, *, hide_suggestions: bool = False) -> None:
        self._schema = schema
        self._hide_suggestions = hide_suggestions
        self._stock = StockExecutor(schema, rules, hide_suggestions=hide_suggestions)
        self._introspections: OrderedDict[str, ExecutionResult] = OrderedDict()

    async def run(
        self, prepared: PreparedDocument, variables: Mapping[str, Any], context: RequestContext
    ) -> ExecutionResult:
        """Executes the prepared operation."""
        known: Variables | None = prepared.kept.get("variables")
        if known is None:  # none are kept but of queries that are compiled
            if prepared.introspects:
                return await self._introspect(prepared, variables, context)
            if prepared.kind != "query":
                return await self._stock.run(prepared, variables, context)
            known = self._variables(prepared)
        if known.are_none or known.are_plain(variables):
            run = Run(context, known, variables)
        else:
            coerced = known.coerced(variables)
            if isinstance(coerced, list):
                return ExecutionResult(None, coerced)
            run = Run(context, known, coerced.coerced, coerced)
        key: PlanKey = (), context.denied
        if prepared.conditions:
            values = _conditions(prepared, run.values)
            if values is None:
                return await self._stock.run(prepared, variables, context)  # null is an error at its field
            key = values, context.denied
        plan: Plan = prepared.plans.get(key) or await self._compiled(prepared, key)
        if plan.denied:
            context.refuse(plan.denied)
        data = plan.complete(None, run, None)
        if run.pending:
            context.narrow(plan.shapes, plan.of_patient)
            await run.settle(run.pending)
        errors = run.errors
        if context.errors:
            errors = [*errors, *[located(one) for one in context.errors]]
        return ExecutionResult(bubble(data, run.nulls) if run.nulls else data, errors)

    def unfit(self, prepared: PreparedDocument, variables: Mapping[str, Any]) -> list[GraphQLError]:
        """What is wrong with variables."""
        return self._stock.unfit(prepared, variables)

    def _variables(self, prepared: PreparedDocument) -> Variables:
        definitions = prepared.operation.variable_definitions or ()
        made = Variables(self._schema, definitions, hide_suggestions=self._hide_suggestions)
        prepared.kept["variables"] = made
        return made

    async def _introspect(
        self, prepared: PreparedDocument, variables: Mapping[str, Any], context: RequestContext
    ) -> ExecutionResult:
        if not prepared.is_about_schema or prepared.operation.variable_definitions:
            return await self._stock.run(prepared, variables, context)
        known = self._introspections.get(prepared.hash)
        if known is None:
            known = self._introspections[prepared.hash] = await self._stock.run(prepared, {}, context)
            if len(self._introspections) > INTROSPECTIONS_KEPT:
                self._introspections.popitem(last=False)
        return known

    async def _compiled(self, prepared: PreparedDocument, key: PlanKey) -> Plan:
        """A plan that is made in a thread, once for all who ask."""
        making: asyncio.Future[Plan] | None = prepared.kept.get(key)
        if making is None:
            loop = asyncio.get_running_loop()
            making = prepared.kept[key] = loop.run_in_executor(None, self._compile, prepared, key)
        try:
            plan = await asyncio.shield(making)
        finally:
            prepared.kept.pop(key, None)
        if len(prepared.plans) >= PLANS_KEPT:
            prepared.plans.pop(next(iter(prepared.plans)))
        prepared.plans[key] = plan
        return plan

    def _compile(self, prepared: PreparedDocument, key: PlanKey) -> Plan:
        values, denied = key
        conditions = dict(zip(prepared.conditions, values, strict=True))
        collector = Collector(self._schema, prepared.fragments, conditions, denied)
        root, selected = self._schema.query_type, prepared.operation.selection_set
        assert root is not None
        survey = Survey(self._schema, collector)
        shapes = survey.shapes(root, selected)
        complete = Projector(self._schema, collector, shapes).operation(root, selected)
        refused = denied_selections(self._schema, collector, root, selected)
        collector.forget()
        return Plan(complete, shapes, survey.of_patient, refused)


def _conditions(prepared: PreparedDocument, values: Mapping[str, Any]) -> tuple[bool, ...] | None:
    """The values of the variables that select; None where one is null."""
    found = [values.get(name, False) for name in prepared.conditions]
    return None if None in found else tuple([one is True for one in found])
