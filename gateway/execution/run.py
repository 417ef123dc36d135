"""One execution under way: its errors, its fetches, and the nulls that bubble."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import Any, Final

import msgspec
from graphql import FieldNode, GraphQLError, VariableValues, located_error
from graphql.pyutils import is_iterable

from gateway.execution.arguments import Arguments
from resolvers.contained import held
from resolvers.context import RequestContext
from resolvers.field import LATE, Batched, Fetch, FetchAll, FieldCall, LinkedPath, flat
from schema.field import ElementField

Complete = Callable[[Any, "Run", LinkedPath], Any]
"""Makes the answer of a resolved value."""


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """A field with arguments or a fetch, as compiled: what does not change from request to request.
    `fetch_all`: what answers many places at once, if anything does. `together`: what fields have in common
    whose places are answered together; None: these are each by itself, or it depends on their parents."""

    nodes: tuple[FieldNode, ...]
    arguments: Arguments
    fetch: Fetch | None
    complete: Complete
    selected: frozenset[str]
    about: Any = field(init=False, default=None)
    fetch_all: FetchAll | None = field(init=False, default=None)
    together: FetchAll | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if isinstance(self.fetch, Batched):
            object.__setattr__(self, "about", self.fetch.about)
            object.__setattr__(self, "fetch_all", self.fetch.all)
            if self.fetch.apart is None:
                object.__setattr__(self, "together", self.fetch.all)


class Pending(msgspec.Struct):
    """A fetch to come: where its value goes is known already."""

    step: Step
    parent: Any
    out: dict[str, Any]
    key: str
    path: LinkedPath


class Run(msgspec.Struct, eq=False):
    """The state that generated code works on."""

    context: RequestContext
    variables: VariableValues
    errors: list[GraphQLError] = []
    nulls: list[LinkedPath] = []
    pending: list[Pending] = []
    _arguments: dict[Step, Mapping[str, Any]] = {}

    def fail(self, error: Exception, path: LinkedPath, nodes: Sequence[FieldNode]) -> None:
        """Records an error at a path; what stands there is null."""
        self.errors.append(located_error(error, list(nodes), flat(path)))
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
        known = step.arguments.constant
        if known is None:
            known = self._arguments.get(step)
        if known is None:
            known = self._arguments[step] = step.arguments.of(self.variables)
        return known

    def settle(self) -> Awaitable[Any]:
        """Runs the fetches that are pending, and those they lead to; branches do not wait for each other."""
        pending, self.pending = self.pending, []
        batches = _batches(pending) if len(pending) > 1 else ()
        return self._fetch(pending) if len(batches) < 2 else asyncio.gather(*map(self._fetch, batches))

    async def _fetch(self, batch: list[Pending]) -> None:
        """Places that are answered together, and what they lead to."""
        turns = self.context.turns
        while True:
            fetch_all = batch[0].step.fetch_all
            calls = None if fetch_all is None else self._calls(batch)
            values: Sequence[Any]
            if fetch_all is None or calls is None:
                values = await self._values(batch)
            else:
                try:
                    values = await fetch_all(calls)
                except Exception as error:  # noqa: BLE001  whatever a resolver raises is told at its field
                    values = [error] * len(calls)
            late: list[Coroutine[Any, Any, None]] = []
            mine: list[Pending] = []
            is_large = len(batch) > 1
            self.pending = mine  # to which what is completed adds; others do so while this waits
            for one, value in zip(batch, values, strict=True):
                if is_large and turns.is_over:
                    await turns.take()
                    self.pending = mine
                if isinstance(value, _UNUSUAL):
                    self._put_unusual(one, value, late)
                else:
                    one.out[one.key] = one.step.complete(value, self, one.path)
            if len(mine) < 2 and not late:
                if not mine:
                    return
                batch = mine
                continue
            batches = _batches(mine)
            if late or len(batches) > 1:
                late += [self._fetch(one) for one in batches]
                await (late[0] if len(late) == 1 else asyncio.gather(*late))
                return
            batch = mine

    def _put_unusual(self, one: Pending, value: Any, late: list[Coroutine[Any, Any, None]]) -> None:
        """A place whose value is an error, or comes later than those of the others."""
        if isinstance(value, Exception):
            self.fail(value, one.path, one.step.nodes)
        else:
            late.append(self._wait(one, value))

    async def _wait(self, one: Pending, value: Awaitable[Any]) -> None:
        """A place that its batch did not wait for, and what it leads to."""
        turns = self.context.turns
        try:
            found = await value
        except Exception as error:  # noqa: BLE001  whatever a resolver raises is told at its field
            found = error
        if isinstance(found, Exception):
            self.fail(found, one.path, one.step.nodes)
            return
        if turns.is_over:
            await turns.take()
        mine: list[Pending] = []
        self.pending = mine
        one.out[one.key] = one.step.complete(found, self, one.path)
        if mine:
            await self.settle()

    def _calls(self, batch: list[Pending]) -> list[FieldCall] | None:
        """What a resolver is given for each place; None where arguments of some place are wrong."""
        context, calls = self.context, []
        try:
            for one in batch:
                step = one.step
                known = step.arguments.constant
                if known is None:
                    known = self.arguments(step)
                calls.append(FieldCall(one.parent, known, context, one.path, step.selected, step.about))
        except GraphQLError:
            return None
        return calls

    async def _values(self, batch: list[Pending]) -> Sequence[Any]:
        """What the resolver says to each place. What it raises is told at all of them."""
        calls, fetch = self._calls(batch), batch[0].step.fetch
        if calls is None:
            return await self._values_of_some(batch)
        try:
            if isinstance(fetch, Batched):
                return await fetch.all(calls)
            value = fetch(calls[0]) if fetch else None
            return (await value if isawaitable(value) else value,)
        except Exception as error:  # noqa: BLE001  whatever a resolver raises is told at its field
            return [error] * len(calls)

    async def _values_of_some(self, batch: list[Pending]) -> Sequence[Any]:
        """The same, where arguments of some places are wrong: what is wrong stands in place of a value."""
        wrong: dict[int, GraphQLError] = {}
        for place, one in enumerate(batch):
            try:
                self.arguments(one.step)
            except GraphQLError as problem:
                wrong[place] = problem
        rest = [one for place, one in enumerate(batch) if place not in wrong]
        found = iter(await self._values(rest) if rest else ())
        return [wrong[place] if place in wrong else next(found) for place in range(len(batch))]


_UNUSUAL: Final = (Exception, *LATE)
"""Values that are not completed at once."""


def _batches(pending: list[Pending]) -> list[list[Pending]]:
    """Places that are answered together; a resolver that takes one place at a time has it to itself."""
    if len(pending) < 2:
        return [pending] if pending else []
    shared = [one.step.together for one in pending]
    if shared[0] is not None and shared.count(shared[0]) == len(shared):
        return [pending]
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
