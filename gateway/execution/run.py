"""One execution under way: its errors, its fetches, and the nulls that bubble."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import isawaitable
from types import CoroutineType
from typing import Any, Final

import msgspec
from graphql import FieldNode, GraphQLError, VariableValues, located_error
from graphql.pyutils import is_iterable

from gateway.execution.arguments import Arguments
from gateway.execution.variables import Variables
from resolvers.contained import held
from resolvers.context import RequestContext
from resolvers.field import LATE, Batched, Fetch, FetchAll, FieldCall, LinkedPath, flat
from schema.field import ElementField

Complete = Callable[[Any, "Run", LinkedPath], Any]
"""Makes the answer of a resolved value."""


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """A field with arguments or a fetch, as compiled: what does not change from request to request.
    `constant`: the arguments, where they hold no variable. `fetch_all`: what answers many places at once, if
    anything does. `together`: what fields have in common whose places are answered together; None: these are
    each by itself, or it depends on their parents. `complete` is given no error."""

    nodes: tuple[FieldNode, ...]
    arguments: Arguments
    fetch: Fetch | None
    complete: Complete
    selected: frozenset[str]
    constant: Mapping[str, Any] | None = field(init=False)
    about: Any = field(init=False, default=None)
    fetch_all: FetchAll | None = field(init=False, default=None)
    together: FetchAll | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        object.__setattr__(self, "constant", self.arguments.constant)
        if isinstance(self.fetch, Batched):
            object.__setattr__(self, "about", self.fetch.about)
            object.__setattr__(self, "fetch_all", self.fetch.all)
            if self.fetch.apart is None:
                object.__setattr__(self, "together", self.fetch.all)


class Pending(FieldCall, kw_only=True):
    """A fetch to come, which is the call that its resolver is given: where its value goes is known already.
    `arguments` that hold variables are put in when it is made."""

    step: Step
    out: dict[str, Any]
    key: str


class Run(msgspec.Struct, eq=False):
    """The state that generated code works on. `values`: the variables by name; `coerced`: the same as
    graphql-core has them, made where that is needed."""

    context: RequestContext
    variables: Variables
    values: Mapping[str, Any]
    coerced: VariableValues | None = None
    errors: list[GraphQLError] = []
    nulls: list[LinkedPath] = []
    pending: list[Pending] = []
    _arguments: dict[Step, Mapping[str, Any]] = {}

    def fail(self, error: BaseException, path: LinkedPath, nodes: Sequence[FieldNode]) -> None:
        """Records an error at a path; what stands there is null."""
        self.errors.append(located_error(error, list(nodes), flat(path)))  # type: ignore[arg-type]  # any does
        if path is not None and len(path) == 3:
            self.nulls.append(path)

    def absent(self, path: LinkedPath, nodes: Sequence[FieldNode]) -> None:
        """Null stands where null is not allowed."""
        self.fail(TypeError(f"Cannot return null for non-nullable field {nodes[0].name.value}."), path, nodes)

    def checked(
        self, field: ElementField, value: Any, holder: Any, path: LinkedPath, nodes: Sequence[FieldNode]
    ) -> Any:
        """An element's value that is not of the plain shape: looked at closely, or told and null."""
        try:
            found = field.entry(value, holder)
            return found if field.resources is None else held(self.context, found, flat(path))
        except Exception as error:  # noqa: BLE001  told at its element
            self.fail(error, path, nodes)
            return None

    def caution(self, type_: str, element: str, path: LinkedPath, count: int = 1) -> None:
        """Notes resources at a path that an element changes which was not asked for."""
        self.context.cautions.add(type_, element, flat(path), count)

    def misshapen(
        self, field: ElementField, holder: Any, path: LinkedPath, nodes: Sequence[FieldNode]
    ) -> None:
        """A list element that is no list."""
        self.fail(field.misshapen(holder), path, nodes)

    def listed(self, value: Any, path: LinkedPath, nodes: Sequence[FieldNode]) -> list[Any] | None:
        """The items of a collection where a list is expected; what is no collection is told, and null."""
        try:
            if not is_iterable(value):
                name = nodes[0].name.value
                raise TypeError(f"Expected Iterable, but did not find one for field '{name}'.")
            return list(value)
        except Exception as error:  # noqa: BLE001  an iterator may raise whatever it likes
            self.fail(error, path, nodes)
            return None

    def arguments(self, step: Step) -> Mapping[str, Any]:
        """The step's arguments, coerced at most once per request. Raises GraphQLError."""
        known = self._arguments.get(step)
        if known is None:
            made: dict[str, Any] = {}
            for name, variable in step.arguments.direct:
                value = self.values.get(variable)
                if value is None:  # missing or null, which takes a closer look
                    made = {}
                    break
                made[name] = value
            known = self._arguments[step] = made or step.arguments.of(self._coerced())
        return known

    def _coerced(self) -> VariableValues:
        """The variables as graphql-core has them. Raises GraphQLError."""
        if self.coerced is None:
            made = self.variables.coerced(self.values)
            if isinstance(made, list):
                raise made[0]
            self.coerced = made
        return self.coerced

    async def settle(self, batch: list[Pending], *, is_one: bool = False) -> None:
        """Runs fetches, and those they lead to; branches do not wait for each other. `is_one`: these are
        answered together."""
        turns = self.context.turns
        while batch:
            first = batch[0].step
            together, is_large = first.together, len(batch) > 1
            is_mixed = is_large and together is None
            try:
                for one in batch:
                    step = one.step
                    if step.together is not together:
                        is_mixed = True
                    if step.constant is None:
                        one.arguments = self.arguments(step)
            except GraphQLError:
                batch = self._fitting(batch)
                continue
            if is_mixed and not is_one:
                batches = _batches(batch)
                if len(batches) > 1:
                    await asyncio.gather(*[self.settle(some, is_one=True) for some in batches])
                    return
            is_one = False
            values: Sequence[Any]
            try:
                if first.fetch_all is not None:
                    values = await first.fetch_all(batch)
                else:
                    value = first.fetch(batch[0]) if first.fetch else None
                    if isinstance(value, CoroutineType) or isawaitable(value):
                        value = await value
                    values = (value,)
            except Exception as error:  # noqa: BLE001  whatever a resolver raises is told at its field
                values = [error] * len(batch)
            late: list[Coroutine[Any, Any, None]] = []
            mine: list[Pending] = []
            self.pending = mine  # to which what is completed adds; others do so while this waits
            for one, value in zip(batch, values, strict=True):
                if is_large and turns.is_over:
                    await turns.take()
                    self.pending = mine
                if isinstance(value, _UNUSUAL):
                    self._put_unusual(one, value, late)
                else:
                    one.out[one.key] = one.step.complete(value, self, one.at)
            if late:
                if mine:
                    late.append(self.settle(mine))
                await (late[0] if len(late) == 1 else asyncio.gather(*late))
                return
            batch = mine

    def _fitting(self, batch: list[Pending]) -> list[Pending]:
        """Those of some places whose arguments are right; of the others it is told what is wrong."""
        fitting = []
        for one in batch:
            try:
                if one.step.constant is None:
                    self.arguments(one.step)
                fitting.append(one)
            except GraphQLError as problem:
                self.fail(problem, one.at, one.step.nodes)
        return fitting

    def _put_unusual(self, one: Pending, value: Any, late: list[Coroutine[Any, Any, None]]) -> None:
        """A place whose value is an error, or comes later than those of the others."""
        if isinstance(value, BaseException):
            self.fail(value, one.at, one.step.nodes)
        else:
            late.append(self._wait(one, value))

    async def _wait(self, one: Pending, value: Awaitable[Any]) -> None:
        """A place that its batch did not wait for, and what it leads to."""
        turns = self.context.turns
        try:
            found = await value
        except Exception as error:  # noqa: BLE001  whatever a resolver raises is told at its field
            found = error
        if isinstance(found, BaseException):
            self.fail(found, one.at, one.step.nodes)
            return
        if turns.is_over:
            await turns.take()
        mine: list[Pending] = []
        self.pending = mine
        one.out[one.key] = one.step.complete(found, self, one.at)
        await self.settle(mine)


_UNUSUAL: Final = (BaseException, *LATE)
"""Values that are not completed at once."""


def _batches(pending: list[Pending]) -> list[list[Pending]]:
    """Places that are answered together; a resolver that takes one place at a time has it to itself."""
    batches: dict[Any, list[Pending]] = {}
    for one in pending:
        fetch = one.step.fetch
        if not isinstance(fetch, Batched):
            batches[id(one)] = [one]
            continue
        key = fetch.all if fetch.apart is None else (fetch.all, fetch.apart(one.parent))
        batches.setdefault(key, []).append(one)
    return list(batches.values())


def unchanged(value: Any, run: Any, path: Any) -> Any:
    """The answer of a step that completes nothing: one with arguments alone."""
    return value


def bubble(data: dict[str, Any], nulls: Sequence[LinkedPath]) -> dict[str, Any] | None:
    """Puts null at the nearest place above each of `nulls` that may be null (GraphQL 6.4.4)."""
    for path in nulls:
        while path is not None and len(path) == 3:
            path = path[0]
        if path is None:
            return None
        _put_null(data, flat(path))
    return data


def _put_null(data: Any, keys: list[str | int]) -> None:
    for key in keys[:-1]:
        data = data[key]
        if data is None:
            return
    data[keys[-1]] = None
