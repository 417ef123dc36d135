"""List fields: `observations(...)` at the root, and a Patient's reverse connections."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from clinical.compartment import patient_parameter
from resolvers.connection import Connection, connect
from resolvers.errors import AccessForbidden
from resolvers.field import Batched, FieldCall
from resolvers.persons import Person
from resolvers.question import Question, question_of


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

    async def fetch(calls: Sequence[FieldCall]) -> Sequence[Any]:
        call = calls[0]
        question = question_of(resource_type, call.arguments)
        persons = await call.context.identity.of_records([one.parent.resource for one in calls])
        known = [
            (one, person) for one, person in zip(calls, persons, strict=True) if isinstance(person, Person)
        ]
        if not known:
            return persons
        found = iter(await connect([one for one, _ in known], question, [person for _, person in known]))
        return [next(found) if isinstance(person, Person) else person for person in persons]

    return Batched(fetch)


async def _only(call: FieldCall, question: Question, person: Person | None) -> Connection:
    (found,) = await connect((call,), question, (person,))
    if isinstance(found, BaseException):
        raise found
    return found
