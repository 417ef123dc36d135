"""A lookup of persons under way, which others of the same request may wait for; and one that names nobody."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

import msgspec

from clinical.identifiers import Token
from resolvers.cache import Cache
from resolvers.errors import ArgumentInvalid
from resolvers.ids import parse_record_id
from resolvers.link_memory import LinkMemory
from resolvers.linked import Found
from resolvers.loaders import Loaders
from resolvers.persons import Person, first_error
from resolvers.records import find_record
from resolvers.resource import Resource
from resolvers.together import settled
from resolvers.upstreams.errors import UpstreamDenied, UpstreamError
from resolvers.upstreams.upstream import Upstream


class IdentifierAmbiguous(ArgumentInvalid):
    """An identifier that several people have names none of them."""

    def __init__(self) -> None:
        super().__init__("identifier: more than one person has it")


class PersonLookup(msgspec.Struct, eq=False):
    """One batch of identifiers, and the person of each as soon as that is known. `waiting`: for those who
    wait and have not asked; None where nobody does."""

    found: Mapping[Token, Found] | None = None
    waiting: "asyncio.Future[Mapping[Token, Found]] | None" = None
    is_given_up: bool = False

    async def result(self) -> Mapping[Token, Found]:
        """What was found, or is to be; ends at once where nobody looks for it any more."""
        if self.found is not None:
            return self.found
        if self.waiting is None:
            self.waiting = asyncio.get_running_loop().create_future()
            if self.is_given_up:
                self.waiting.cancel()
        return await asyncio.shield(self.waiting)  # who gives up waiting takes the answer from nobody

    def answer(self, found: Mapping[Token, Found]) -> None:
        """Tells those who wait what was found, unless the lookup was given up."""
        if not self.is_given_up:
            self.found = found
            if self.waiting is not None and not self.waiting.done():
                self.waiting.set_result(found)

    def give_up(self) -> None:
        """Ends a lookup that has not been answered: there is no answer for those who wait."""
        self.is_given_up = True
        if self.waiting is not None:
            self.waiting.cancel()


async def found_by(
    identifier: Token,
    loaders: Loaders,
    upstreams: Collection[Upstream],
    of_records: Callable[[Sequence[Resource]], Awaitable[Sequence[Person | UpstreamError]]],
) -> Person | None:
    """The one person whose records carry an identifier that does not link. Raises UpstreamError,
    IdentifierAmbiguous."""
    answers = await settled(*(loaders.identify(one, identifier) for one in upstreams))
    records = [record for answer in answers if isinstance(answer, tuple) for record in answer]
    found = await of_records(records)
    error = first_error(found or answers)
    if error is not None:
        raise error
    persons = {one.id: one for one in found if isinstance(one, Person)}
    if len(persons) > 1:
        raise IdentifierAmbiguous()
    return next(iter(persons.values()), None)


async def of_record_id(
    text: str,
    upstreams: Mapping[str, Upstream],
    loaders: Loaders,
    cache: Cache,
    of_record: Callable[[Resource], Awaitable[Person]],
    of_id: Callable[[str], Awaitable[Person | None]],
) -> Person | None:
    """The person that the id of one of the person's records names; while its source is down, the one whom
    the record was linked to when it last answered. Raises UpstreamError."""
    record_id = parse_record_id(text)
    if record_id is None or record_id.type != "Patient" or record_id.contained:
        return None
    upstream = upstreams.get(record_id.source)
    if upstream is None:
        return None
    source, id_, memory = record_id.source, record_id.id, LinkMemory(cache)
    try:
        record = await find_record(loaders, upstream, "Patient", id_)
    except UpstreamDenied:
        raise  # what a source may not be asked is not told from memory either
    except UpstreamError:
        remembered = await memory.recall(source, id_)
        if remembered is None:
            raise
        return await of_id(remembered)
    person = None if record is None else await of_record(record)
    if person is None or not person.is_linked:
        await memory.forget(source, id_)
    elif record is not None and record.id != id_:  # its source answers with the record that replaced it
        await memory.keep(source, id_, person.id)
    return person
