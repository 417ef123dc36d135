"""One execution under way: its errors, its fetches, and the nulls that bubble."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import Any

import msgspec
from graphql import FieldNode, GraphQLError, VariableValues, located_error
from graphql.pyutils import is_iterable

from gateway.execution.arguments import Arguments
from resolvers.contained import held
from resolvers.context import RequestContext
from resolvers.field import LATE, Batched, Fetch, FieldCall, LinkedPath, flat
from schema.field import ElementField

Complete = Callable[[Any, "Run", LinkedPath], Any]
"""Makes the answer of a resolved value."""


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """A field with arguments or a fetch, as compiled: what does not change from request to request."""

    nodes: tuple[FieldNode, ...]
    arguments: Arguments
    fetch: Fetch | None
    complete: Complete
    selected: frozenset[str]


class Pending(msgspec.Struct):
    """A fetch to come: where its value goes is known already."""

    step: Step
    parent: Any
    out: dict[str, Any]
    key: str
    path: LinkedPath


@dataclass(slots=True)
class Run:
    """The state that generated code works on."""

    context: RequestContext
    variables: VariableValues
    errors: list[GraphQLError] = field(default_factory=list)
    nulls: list[LinkedPath] = field(default_factory=list)
    pending: list[Pending] = field(default_factory=list)
    _arguments: dict[Step, Mapping[str, Any]] = field(default_factory=dict)

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

    def _arguments_or_error(self, step: Step) -> Mapping[str, Any] | GraphQLError:
        try:
            return self.arguments(step)
        except GraphQLError as error:
            return error

    async def settle(self) -> None:
        """Runs the fetches that are pending, and those they lead to; branches do not wait for each other."""
        pending, self.pending = self.pending, []
        await self._fetch_all(pending)

    async def _fetch_all(self, pending: list[Pending]) -> None:
        batches = _batches(pending) if len(pending) > 1 else [pending]
        if len(batches) > 1:
            await asyncio.gather(*map(self._fetch, batches))
        elif pending:
            await self._fetch(pending)

    async def _fetch(self, batch: list[Pending]) -> None:
        """Places that are answered together, and what they lead to."""
        values = await self._values(batch)
        late: list[Coroutine[Any, Any, None]] = []
        mine: list[Pending] = []
        turns, is_large = self.context.turns, len(batch) > 1
        for one, value in zip(batch, values, strict=True):
            if isinstance(value, LATE):
                late.append(self._wait(one, value))
                continue
            if is_large and turns.is_over:
                await turns.take()
            self._put(one, value, mine)
        if mine:
            late.append(self._fetch_all(mine))
        if len(late) == 1:
            await late[0]
        elif late:
            await asyncio.gather(*late)

    async def _wait(self, one: Pending, value: Awaitable[Any]) -> None:
        """A place that its batch did not wait for, and what it leads to."""
        try:
            found = await value
        except Exception as error:  # noqa: BLE001  whatever a resolver raises is told at its field
            found = error
        turns = self.context.turns
        if turns.is_over:
            await turns.take()
        mine: list[Pending] = []
        self._put(one, found, mine)
        await self._fetch_all(mine)

    def _put(self, one: Pending, value: Any, mine: list[Pending]) -> None:
        """Completes a place; the fetches that this leads to are added to `mine`."""
        if isinstance(value, Exception):
            self.fail(value, one.path, one.step.nodes)
            return
        outer, self.pending = self.pending, mine
        one.out[one.key] = one.step.complete(value, self, one.path)
        self.pending = outer

    async def _values(self, batch: list[Pending]) -> Sequence[Any]:
        """What the resolver says to each place. What it raises is told at all of them."""
        calls: list[FieldCall] = []
        values: dict[int, Any] = {}
        context, last, about = self.context, None, None
        arguments: Mapping[str, Any] | GraphQLError = {}
        for place, one in enumerate(batch):
            step = one.step
            if step is not last:
                last, arguments = step, self._arguments_or_error(step)
                about = step.fetch.about if isinstance(step.fetch, Batched) else None
            if isinstance(arguments, GraphQLError):
                values[place] = arguments
            else:
                calls.append(FieldCall(one.parent, arguments, context, one.path, step.selected, about))
        found = await _answers(batch[0].step.fetch, calls)
        if not values:
            return found
        rest = iter(found)
        return [values[place] if place in values else next(rest) for place in range(len(batch))]


async def _answers(fetch: Fetch | None, calls: list[FieldCall]) -> Sequence[Any]:
    if not calls:
        return ()
    try:
        if isinstance(fetch, Batched):
            return await fetch.all(calls)
        value = fetch(calls[0]) if fetch else None
        return (await value if isawaitable(value) else value,)
    except Exception as error:  # noqa: BLE001  whatever a resolver raises is told at its field
        return [error] * len(calls)


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
