"""List fields: `observations(...)` at the root, and a Patient's reverse connections."""

from collections.abc import Awaitable, Callable, Sequence
from inspect import isawaitable
from typing import Any

from resolvers.connection import Connection
from resolvers.errors import ArgumentInvalid
from resolvers.field import Batched, FieldCall
from resolvers.level import give_as_before, keep_level, key_of_level
from resolvers.listing import connect, give, plan
from resolvers.persons import Person
from resolvers.plan import Asked
from resolvers.question import Question, question_of
from resolvers.reach import reached, reaches_all
from resolvers.upstreams.errors import UpstreamError


def root_list(resource_type: str) -> Callable[[FieldCall], Awaitable[Connection | None]]:
    """All of a type over all sources that the caller's scopes reach."""

    async def fetch(call: FieldCall) -> Connection | None:
        asked = await reached(call, question_of(resource_type, call.arguments, call.context.first_max), None)
        if asked is None:
            return None
        (found,) = await connect((call,), (asked,))
        made: Connection | BaseException = await found if isawaitable(found) else found
        if isinstance(made, BaseException):
            raise made
        return made

    return fetch


def reverse_list(resource_type: str) -> Batched:
    """All of a type about the Patients that the field stands on, from every linked source."""
    return Batched(_reverse_lists, resource_type)


async def _reverse_lists(calls: Sequence[FieldCall]) -> Sequence[Any]:
    """Lists of any types (`call.about`), about any patients."""
    persons = await calls[0].context.identity.of_records([one.parent.resource for one in calls])
    key = key_of_level(calls)
    if key is not None and (before := await give_as_before(key, calls, persons)) is not None:
        return before
    found: list[Any] = list(persons)
    places: list[int] = []
    lists: list[Asked] = []
    arguments = about = None
    is_whole = False
    for place, (call, person) in enumerate(zip(calls, persons, strict=True)):
        if call.arguments is not arguments or call.about is not about:
            arguments, about, question = call.arguments, call.about, _question_or_error(call)
            is_whole = isinstance(question, Question) and reaches_all(call, question)
        if isinstance(question, ArgumentInvalid):
            found[place] = found[place] if isinstance(person, UpstreamError) else question
        elif isinstance(person, Person):
            asked = Asked(question, person) if is_whole else await reached(call, question, person)
            found[place] = None
            if asked is not None:
                places.append(place)
                lists.append(asked)
    if len(lists) == len(found):
        connections = await plan(calls[0].context, lists)
        if key is not None:
            keep_level(key, calls, connections)
        return await give(calls, connections)
    if lists:
        given = await connect([calls[place] for place in places], lists)
        for place, one in zip(places, given, strict=True):
            found[place] = one
    return found


def _question_or_error(call: FieldCall) -> Question | ArgumentInvalid:
    try:
        return question_of(call.about, call.arguments, call.context.first_max)
    except ArgumentInvalid as problem:
        return problem
