"""List fields: `observations(...)` at the root, and a Patient's reverse connections."""

from collections.abc import Awaitable, Callable

from clinical.compartment import patient_parameter
from resolvers.connection import Connection, connect
from resolvers.errors import AccessForbidden
from resolvers.field import FieldCall
from resolvers.question import question_of

Fetch = Callable[[FieldCall], Awaitable[Connection]]


def root_list(resource_type: str) -> Fetch:
    """All of a type over all sources; for a caller limited to a person, those about that person."""

    async def fetch(call: FieldCall) -> Connection:
        question = question_of(resource_type, call.arguments)
        if not call.context.is_limited:
            return await connect(call, question, None)
        if patient_parameter(resource_type) is None:
            raise AccessForbidden(f"{resource_type}: a token for one patient's record cannot list these")
        return await connect(call, question, await call.context.own_person())

    return fetch


def reverse_list(resource_type: str) -> Fetch:
    """All of a type about the Patient that the field stands on, from every linked source."""

    async def fetch(call: FieldCall) -> Connection:
        question = question_of(resource_type, call.arguments)
        person = await call.context.identity.of_record(call.parent.resource)
        return await connect(call, question, person)

    return fetch
