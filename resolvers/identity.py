"""Who is who: the records of one person, found over all sources by verified identifiers.

A link is made only by an identifier of a configured system (by default the NHS number, its
check digit verified) that a trusted source states, and only where the records agree (by default on the
birth date). Names alone never link. Every id of a person leads to the same `Person` (docs/record.md).
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from clinical.identifiers import Token
from permissions.principal import Principal
from resolvers.agreement import elements_of
from resolvers.cache import Cache
from resolvers.conflict import ConflictReason, IdentityConflict
from resolvers.errors import ArgumentInvalid
from resolvers.gathering import Gathering, Key
from resolvers.ids import PERSON, RecordId, global_id, parse_record_id
from resolvers.link_memory import LINK_TTL_S, LinkMemory
from resolvers.linker import Found, Linker
from resolvers.linking import Linking, Links, Statement
from resolvers.loaders import Identify, Loaders
from resolvers.person import PersonIdInvalid
from resolvers.persons import Person, alone, first_error, unlinked
from resolvers.records import find_record
from resolvers.replaced import is_replaced, successors
from resolvers.resource import Resource
from resolvers.restriction import Restrictions
from resolvers.together import settled
from resolvers.upstreams.errors import UpstreamDenied, UpstreamError
from resolvers.upstreams.upstream import Upstream

_Lookup = asyncio.Future[Mapping[Token, Found]]
"""One batch of identifiers, and the person of each."""


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
        self._persons: dict[Resource, Person | UpstreamError] = {}
        self._by_id: dict[str, Person] = {}
        self._apart: dict[Key, Person] = {}
        """Persons of records that are not linked, and of those that were replaced, by the record."""
        self._shared: set[Token] = set()
        self._links = Links(linking, self._upstreams)
        gathering = Gathering(self._upstreams, self._links, loaders, principal)
        restrictions = Restrictions(linking.trusted_sources, cache)
        self._linker = Linker(self._upstreams, linking, self._links, gathering, restrictions, self._ids)
        self.refill = linking.refill
        self.elements = elements_of(linking.agree_on)
        self.contested: dict[Token, tuple[IdentityConflict, ...]] = {}
        """For identifiers that lead to nobody, the records that state them nevertheless."""
        self.conflicts: dict[Key, IdentityConflict] = {}
        """Every record that this request found and did not link."""

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
        (found,) = await self.of_identifiers((identifier,))
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
            answer = found[one] if one in found else await self._result(one)
            if one in self._shared:
                answer = IdentifierAmbiguous("identifier: more than one person has it")
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

        A contained Patient is nobody's record: its id counts within its holder only, and what it states
        of itself is its holder's word. It has no records, and no source links it. The person of a record
        that was replaced is that of its replacement.
        """
        persons = self._persons
        stated: dict[Resource, Statement] = {}
        wanted: dict[Token, Resource | None] = {}
        tangled: set[Token] = set()
        replaced = [one for one in records if self._is_new(one) and is_replaced(one)]
        if replaced:
            await self._follow(replaced)
        for one in records:
            if not self._is_new(one):
                continue
            said = stated[one] = self._links.of(one)
            wanted.update(dict.fromkeys(said.tokens, one))
            if len(said.tokens) > 1 or one in replaced:
                tangled.update(said.tokens)
        if wanted:
            await self._look_up(wanted, tangled)
        found: list[Person | UpstreamError] = []
        for one in records:
            person = persons.get(one)
            found.append(person if person is not None else await self._person(one, stated.get(one)))
        return found

    def conflict_counts(self) -> dict[str, int]:
        """How many records of each source were found in this request and not linked."""
        return dict(Counter(one.source for one in self.conflicts.values()))

    def close(self) -> None:
        """Ends the lookups that nobody waits for any more."""
        for lookup in set(self._lookups.values()):
            lookup.cancel()

    def _is_new(self, record: Resource) -> bool:
        """Whether it is not known yet whose a record is. What was made of a record is that person's too."""
        if record in self._persons or record.container is not None:
            return False
        known = self._by_id.get(record.person_id) if record.person_id is not None else None
        if known is not None:
            self._persons[record] = known
        return known is None

    async def _follow(self, replaced: Sequence[Resource]) -> None:
        """Finds out whose the records are that took the place of some."""
        instead = await successors(self._loaders, replaced)
        pairs = [(one, other) for one, other in zip(replaced, instead, strict=True) if other is not None]
        persons = await self.of_records([other for _, other in pairs])
        for (one, _), person in zip(pairs, persons, strict=True):
            self._persons[one] = person
            if isinstance(person, Person) and person.is_linked:
                await self._memory.keep(one.source, one.id, person.id)

    async def _found_by(self, identifier: Token) -> Person | None:
        """The one person whose records carry an identifier of any system, such as a hospital number."""
        if identifier.system in self._linking.systems:
            return None
        asked = [(one.name, Identify(identifier, one.locations())) for one in self._upstreams.values()]
        answers = await settled(*(self._loaders.identify(name, key) for name, key in asked))
        records = [record for answer in answers if isinstance(answer, tuple) for record in answer]
        found = await self.of_records(records)
        error = first_error(found or answers)
        if error is not None:
            raise error
        persons = {one.id: one for one in found if isinstance(one, Person)}
        if len(persons) > 1:
            raise IdentifierAmbiguous("identifier: more than one person has it")
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
        apart = self._apart.get(record.key)
        if apart is not None:
            self._persons[record] = apart
            return apart
        reason = ConflictReason.SEVERAL_IDENTIFIERS if said is not None and said.is_ambiguous else None
        if is_replaced(record):
            reason = ConflictReason.REPLACED_RECORD_UNREADABLE
        joined = None
        if found is not None and said is not None and reason is None:
            joined, reason = self._linker.joined(found, record, said)
        made = self._persons[record] = joined or alone(record, reason, self._upstreams)
        self._by_id[made.id] = made
        self._loaders.prime(record)
        self._note(made.conflicts)
        return made

    async def _result(self, identifier: Token) -> Found:
        """What the lookup gave that is done or under way."""
        lookup = self._lookups[identifier]
        found = lookup.result() if lookup.done() else await asyncio.shield(lookup)
        return found[identifier]

    async def _look_up(self, wanted: Mapping[Token, Resource | None], tangled: Iterable[Token] = ()) -> None:
        """Looks up those whom nobody in this request has asked for; concurrent askers share a lookup.

        `wanted`: each identifier with the record that it was found on, if any; `tangled`: those that are
        known to lead further.
        """
        wanted = {token: record for token, record in wanted.items() if token not in self._lookups}
        if not wanted:
            return
        lookup: _Lookup = asyncio.get_running_loop().create_future()
        self._lookups.update(dict.fromkeys(wanted, lookup))
        try:
            found = await self._linked(wanted, frozenset(tangled))
        except BaseException:
            lookup.cancel()
            raise
        if not lookup.done():
            lookup.set_result(found)

    async def _linked(
        self, wanted: Mapping[Token, Resource | None], tangled: frozenset[Token]
    ) -> Mapping[Token, Found]:
        made = await self._linker.link(wanted, tangled)
        for person in made.persons():
            self._by_id[person.id] = person
            for record in person.records:
                self._persons[record] = person
            self._loaders.prime(*person.records)
            self._note(person.conflicts)
        for record, person in made.former.values():
            self._persons[record] = self._apart[record.key] = person
        self._apart |= made.loners
        self._shared |= made.shared
        self.contested |= made.contested
        for conflicts in made.contested.values():
            self._note(conflicts)
        await self._cache.set_all(made.remember, LINK_TTL_S)
        return made.found

    def _note(self, conflicts: Iterable[IdentityConflict]) -> None:
        for one in conflicts:
            self.conflicts.setdefault(one.record.key, one)
