"""Who is who: the records of one person, found over all sources by verified identifiers.

A link is made only by an identifier of a configured system (by default the NHS number, its
check digit verified) that a trusted source states, and only where the records agree (by default on the
birth date). Names alone never link. Every id of a person leads to the same `Person` (docs/record.md).
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from clinical.identifiers import Token
from permissions.principal import Principal
from resolvers.cache import Cache
from resolvers.conflict import ConflictReason, IdentityConflict
from resolvers.errors import ArgumentInvalid
from resolvers.gathering import Gathering
from resolvers.ids import PERSON, RecordId, global_id, parse_record_id
from resolvers.known_persons import KnownPersons
from resolvers.link_memory import LINK_TTL_S, LinkMemory
from resolvers.linked import Found
from resolvers.linker import Linker
from resolvers.linking import Linking, Links, Statement
from resolvers.loaders import Loaders
from resolvers.person import PersonIdInvalid
from resolvers.persons import Person, alone, first_error, unlinked
from resolvers.records import find_record
from resolvers.replaced import is_replaced, successors, with_former
from resolvers.resource import Resource
from resolvers.restriction import Restrictions
from resolvers.together import settled
from resolvers.upstreams.errors import UpstreamDenied, UpstreamError
from resolvers.upstreams.upstream import Upstream

_Lookup = asyncio.Future[Mapping[Token, Found]]
"""One batch of identifiers, and the person of each."""


_SHARED: Final = "identifier: more than one person has it"


class IdentifierAmbiguous(ArgumentInvalid):
    """An identifier that several people have names none of them."""


class Identity:
    """Persons of one request, each looked up once, many in one batch."""

    def __init__(
        self,
        upstreams: Mapping[str, Upstream],
        linking: Linking,
        loaders: Loaders,
        cache: Cache,
        principal: Principal,
    ) -> None:
        self._upstreams = {name: one for name, one in upstreams.items() if "Patient" in one.types}
        self._linking = linking
        self._loaders = loaders
        self._cache = cache
        self._memory = LinkMemory(cache)
        self._ids: dict[Token, str] = {}
        """Person ids that the caller gave: there is one for an identifier, so none need be sealed again."""
        self._lookups: dict[Token, _Lookup] = {}
        self._known = KnownPersons(loaders)
        self._shared: set[Token] = set()
        self._links = Links(linking, self._upstreams)
        gathering = Gathering(self._upstreams, self._links, loaders, principal)
        restrictions = Restrictions(linking.trusted_sources, cache)
        self._linker = Linker(self._upstreams, linking, self._links, gathering, restrictions, self._ids)
        self.refill = linking.refill
        self.contested: dict[Token, tuple[IdentityConflict, ...]] = {}
        """For identifiers that lead to nobody, the records that state them nevertheless."""

    async def of_id(self, text: str) -> Person | None:
        """The person that any of the person's ids names. Raises UpstreamError."""
        if text.startswith(f"{PERSON}/"):
            return await self._of_person_id(text)
        record_id = parse_record_id(text)
        if record_id is None or record_id.type != "Patient" or record_id.contained:
            return None
        return await self._of_record_id(record_id)

    async def of_identifier(self, identifier: Token) -> Person | None:
        """The person with an identifier; one that does not link is only looked for.

        Raises UpstreamError where a source that may know is down, IdentifierAmbiguous.
        """
        if self._links.links(identifier):
            looked_up = await self._look_up({identifier: None})
            is_told = identifier in looked_up and identifier not in self._shared
            found = looked_up[identifier] if is_told else await self._told(identifier)
        else:
            found = await self._found_by(identifier)
        if isinstance(found, BaseException):
            raise found
        return found

    async def of_identifiers(
        self, identifiers: Sequence[Token]
    ) -> list[Person | UpstreamError | IdentifierAmbiguous | None]:
        """The persons with some identifiers, all looked up at once; in the place of one that could not be
        told, why."""
        linking = [one for one in identifiers if self._links.links(one)]
        others = list(dict.fromkeys(one for one in identifiers if one not in linking))
        if linking:
            await self._look_up(dict.fromkeys(linking))
        found = dict(zip(others, await settled(*map(self._found_by, others)), strict=True)) if others else {}
        told: list[Person | UpstreamError | IdentifierAmbiguous | None] = []
        for one in identifiers:
            answer = found[one] if one in found else await self._told(one)
            if isinstance(answer, BaseException) and not isinstance(
                answer, UpstreamError | IdentifierAmbiguous
            ):
                raise answer
            told.append(answer)
        return told

    async def of_record(self, record: Resource) -> Person:
        """The person whose record this is. Raises UpstreamError."""
        (person,) = await self.of_records((record,))
        if isinstance(person, UpstreamError):
            raise person
        return person

    async def of_records(self, records: Sequence[Resource]) -> list[Person | UpstreamError]:
        """The persons whose records these are, an error in the place of one that could not be told.

        A contained Patient is nobody's record: its id counts within its holder only, and no source links it.
        The person of a record that was replaced is that of its replacement.
        """
        known, statement_of = self._known, self._links.of
        stated: dict[Resource, Statement] = {}
        wanted: dict[Token, Resource | None] = {}
        tangled: set[Token] = set()
        fresh = known.unknown(records)
        replaced = [one for one in fresh if "link" in one.json and is_replaced(one)]
        if replaced:
            await self._follow(replaced)
            fresh = known.unknown(fresh)
        for one in fresh:
            stated[one] = said = statement_of(one)
            tokens = said.tokens
            for token in tokens:
                wanted[token] = one
            if len(tokens) > 1 or one in replaced:
                tangled.update(tokens)
        if wanted:
            known.keep_found_again(stated, await self._look_up(wanted, tangled))
        persons = known.persons
        return [persons.get(one) or await self._person(one, stated.get(one)) for one in records]

    def conflict_counts(self) -> dict[str, int]:
        """How many records of each source were found in this request and not linked."""
        return self._known.conflict_counts()

    def close(self) -> None:
        """Ends the lookups that nobody waits for any more."""
        for lookup in set(self._lookups.values()):
            lookup.cancel()

    async def _follow(self, replaced: Sequence[Resource]) -> None:
        """Finds out whose the records are that took the place of some."""
        instead = await successors(self._loaders, replaced)
        pairs = [(one, other) for one, other in zip(replaced, instead, strict=True) if other is not None]
        persons = await self.of_records([other for _, other in pairs])
        for (one, _), person in zip(pairs, persons, strict=True):
            self._known.persons[one] = person
            if isinstance(person, Person) and person.add_former(one).is_linked:
                await self._memory.keep(one.source, one.id, person.id)

    async def _found_by(self, identifier: Token) -> Person | None:
        """The one person whose records carry an identifier of any system, such as a hospital number."""
        if identifier.system in self._linking.systems:
            return None
        upstreams = self._upstreams.values()
        answers = await settled(*(self._loaders.identify(one, identifier) for one in upstreams))
        records = [record for answer in answers if isinstance(answer, tuple) for record in answer]
        found = await self.of_records(records)
        error = first_error(found or answers)
        if error is not None:
            raise error
        persons = {one.id: one for one in found if isinstance(one, Person)}
        if len(persons) > 1:
            raise IdentifierAmbiguous(_SHARED)
        return next(iter(persons.values()), None)

    async def _of_person_id(self, text: str) -> Person | None:
        try:
            system, value = self._linking.key.open(text)
        except PersonIdInvalid:
            return None
        token = Token(system, value)
        self._ids[token] = text
        try:
            return await self.of_identifier(token)
        except IdentifierAmbiguous:
            return None

    async def _of_record_id(self, record_id: RecordId) -> Person | None:
        upstream = self._upstreams.get(record_id.source)
        if upstream is None:
            return None
        source, id_ = record_id.source, record_id.id
        try:
            record = await find_record(self._loaders, upstream, "Patient", id_)
        except UpstreamDenied:
            raise  # what a source may not be asked is not told from memory either
        except UpstreamError:
            remembered = await self._memory.recall(source, id_)
            if remembered is None:
                raise
            return await self._of_person_id(remembered)
        person = None if record is None else await self.of_record(record)
        if person is None or not person.is_linked:
            await self._memory.forget(source, id_)
        elif record is not None and record.id != id_:  # its source answers with the record that replaced it
            await self._memory.keep(source, id_, person.id)
        return person

    async def _person(self, record: Resource, said: Statement | None) -> Person | UpstreamError:
        if record.container is not None:
            return Person(global_id(record), (), unlinked(self._upstreams))
        found = await self._result(said.tokens[0]) if said is not None and said.tokens else None
        if isinstance(found, UpstreamError):
            return found
        apart = self._known.apart(record)
        if apart is not None:
            return apart
        reason = ConflictReason.SEVERAL_IDENTIFIERS if said is not None and said.is_ambiguous else None
        if is_replaced(record):
            reason = ConflictReason.REPLACED_RECORD_UNREADABLE
        joined = None
        if found is not None and said is not None and reason is None:
            joined, reason = self._linker.joined(found, record, said)
        made = joined or await with_former(self._loaders, alone(record, reason, self._upstreams))
        self._known.keep(record, made)
        return made

    async def _told(self, identifier: Token) -> Found | IdentifierAmbiguous:
        """Who has an identifier that was looked up; why nobody is named by one that several have."""
        found = await self._result(identifier)
        return IdentifierAmbiguous(_SHARED) if identifier in self._shared else found

    async def _result(self, identifier: Token) -> Found:
        """What the lookup gave that is done or under way."""
        lookup = self._lookups[identifier]
        found = lookup.result() if lookup.done() else await asyncio.shield(lookup)
        return found[identifier]

    async def _look_up(
        self, wanted: Mapping[Token, Resource | None], tangled: Collection[Token] = ()
    ) -> Mapping[Token, Found]:
        """Looks up those whom nobody in this request has asked for, and gives those; concurrent askers share
        a lookup.

        `wanted`: each identifier with the record that it was found on, if any; `tangled`: those that are
        known to lead further.
        """
        if self._lookups:
            wanted = {token: record for token, record in wanted.items() if token not in self._lookups}
        if not wanted:
            return {}
        lookup: _Lookup = asyncio.get_running_loop().create_future()
        self._lookups.update(dict.fromkeys(wanted, lookup))
        try:
            made = await self._linker.link(wanted, tangled)
            self._known.keep_linked(made)
            self._shared |= made.shared
            self.contested |= made.contested
            await self._cache.set_all(made.remember, LINK_TTL_S)
        except BaseException:
            lookup.cancel()
            raise
        if not lookup.done():
            lookup.set_result(made.found)
        return made.found
