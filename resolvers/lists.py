"""List fields: `observations(...)` at the root, and a Patient's reverse connections."""

from collections.abc import Awaitable, Callable, Sequence
from inspect import isawaitable
from typing import Any

from clinical.compartment import patient_parameter
from resolvers.connection import Connection
from resolvers.errors import AccessForbidden, ArgumentInvalid
from resolvers.field import Batched, FieldCall
from resolvers.listing import connect
from resolvers.persons import Person
from resolvers.question import Question, question_of
from resolvers.upstreams.errors import UpstreamError


def root_list(resource_type: str) -> Callable[[FieldCall], Awaitable[Connection]]:
    """All of a type over all sources; for a caller limited to a person, those about that person."""

    async def fetch(call: FieldCall) -> Connection:
        question = question_of(resource_type, call.arguments)
        if not call.context.is_limited:
            return await _only(call, question, None)
        if patient_parameter(resource_type) is None:
            raise AccessForbidden(f"{resource_type}: a token for one patient's record cannot list these")
        return await _only(call, question, await call.context.own_person())

    return fetch


def reverse_list(resource_type: str) -> Batched:
    """All of a type about the Patients that the field stands on, from every linked source."""
    return Batched(_reverse_lists, resource_type)


async def _reverse_lists(calls: Sequence[FieldCall]) -> Sequence[Any]:
    """Lists of any types (`call.about`), about any patients."""
    persons = await calls[0].context.identity.of_records([one.parent.resource for one in calls])
    found: list[Any] = list(persons)
    lists: dict[int, tuple[Question, Person]] = {}
    last: FieldCall | None = None
    for place, (call, person) in enumerate(zip(calls, persons, strict=True)):
        if last is None or call.arguments is not last.arguments or call.about != last.about:
            last, question = call, _question_or_error(call)
        if isinstance(question, ArgumentInvalid):
            found[place] = found[place] if isinstance(person, UpstreamError) else question
        elif isinstance(person, Person):
            lists[place] = (question, person)
    if lists:
        made = await connect([calls[place] for place in lists], list(lists.values()))
        for place, one in zip(lists, made, strict=True):
            found[place] = one
    return found


def _question_or_error(call: FieldCall) -> Question | ArgumentInvalid:
    try:
        return question_of(call.about, call.arguments)
    except ArgumentInvalid as problem:
        return problem


async def _only(call: FieldCall, question: Question, person: Person | None) -> Connection:
    (found,) = await connect((call,), ((question, person),))
    made: Connection = await found if isawaitable(found) else found
    return made
