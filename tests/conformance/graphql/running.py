"""Runs documents over the small schema, by both executors."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from gateway.document_errors import DocumentRefused
from gateway.document_limits import LimitSettings
from gateway.execution.compiled import CompiledExecutor
from gateway.execution.executor import Executor
from gateway.execution.stock import StockExecutor
from gateway.prepare import Preparation, PreparedDocument
from permissions.decision import Decisions
from permissions.policy import Policy
from permissions.principal import Principal
from permissions.rules import Rules
from permissions.scopes import parse_scopes
from resolvers.cache import MemoryCache
from resolvers.context import RequestContext
from resolvers.cursor import Cursors
from resolvers.federation import Federation
from resolvers.linking import Linking
from resolvers.person import PersonKey
from tests.conformance.graphql.counting import Count, now
from tests.conformance.graphql.small_schema import small_schema

NO_RULES = Rules(Policy(), ())

ErrorTold = tuple[tuple[str | int, ...], str]


@dataclass(frozen=True)
class Answer:
    """What a request came to: data, and errors by place and message."""

    data: Any
    errors: list[ErrorTold]


@cache
def executors() -> dict[str, Executor]:
    schema = small_schema()
    return {"compiled": CompiledExecutor(schema, NO_RULES), "stock": StockExecutor(schema, NO_RULES)}


@cache
def preparation() -> Preparation:
    limits = LimitSettings(
        max_characters=1_000_000,
        max_tokens=100_000,
        max_depth=100,
        max_aliases=10_000,
        max_directives=10_000,
        max_root_fields=1_000,
    )
    return Preparation(small_schema(), limits)


def context() -> RequestContext:
    """A request of a deployment that has no source at all."""
    cache_ = MemoryCache()
    linking = Linking((), frozenset(), PersonKey(b"k" * 64))
    federation = Federation((), linking, Cursors(b"c" * 32, cache_), cache_, frozenset())
    principal = Principal("i", "c", "s", parse_scopes("system/*.rs"))
    return federation.open(principal, Decisions(NO_RULES).of(principal), deadline_s=30, request_id="r")


async def ask(
    executor: Executor, text: str, operation: str | None = None, variables: Mapping[str, Any] | None = None
) -> Answer:
    """One request from its text to its answer."""
    try:
        prepared = preparation().prepare(text, operation, "")
    except DocumentRefused as refused:
        return Answer(None, [((), error.message) for error in refused.errors])
    return await run(executor, prepared, variables or {})


async def run(executor: Executor, prepared: PreparedDocument, variables: Mapping[str, Any]) -> Answer:
    """One execution, with nothing remembered of any other."""
    now.set(Count())
    opened = context()
    try:
        result = await executor.run(prepared, variables, opened)
    finally:
        opened.close()
    return Answer(result.data, [(tuple(error.path or ()), error.message) for error in result.errors])
