"""Who is who: the records of one person, found over all sources by verified identifiers.

A link is made only by an identifier of a configured system (by default the NHS number, its
check digit verified) that a trusted source states, and only where the records agree (by default on the
birth date). Names alone never link. Every id of a person leads to the same `Person` (docs/record.md).
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress

import msgspec

from clinical.identifiers import Token
from permissions.principal import Principal
from resolvers.cache import Cache
from resolvers.conflict import ConflictReason, IdentityConflict
from resolvers.ids import global_id
from resolvers.known_persons import KnownPersons
from resolvers.link_memory import LINK_TTL_S, LinkMemory
from resolvers.linkage import Linkage, linkage_of
from resolvers.linked import Found, Linked, Wanted
from resolvers.linking import Linking, Statement, stated_by_each
from resolvers.loaders import Loaders
from resolvers.person import PREFIX, PersonIdInvalid, Sealing
from resolvers.person_lookup import IdentifierAmbiguous, PersonLookup, found_by, of_record_id
from resolvers.persons import Person, alone, unlinked
from resolvers.plain_link import plain_person, plainly_found
from resolvers.replaced import is_replaced, successors, with_former
from resolvers.resource import Resource
from resolvers.together import settled
from resolvers.upstreams.errors import UpstreamError
from resolvers.upstreams.upstream import Upstream


class Identity(msgspec.Struct, eq=False):
    """Persons of one request, each looked up once, many in one batch."""

    _sources: Mapping[str, Upstream]
    linking: Linking
    _cache: Cache
    _principal: Principal
    _loaders: Loaders
    _lookups: dict[Token, PersonLookup] = {}
    _given: dict[Token, str] = {}
    """Person ids that the caller gave, by identifier."""
    _made_linkage: Linkage | None = None
    known: KnownPersons = msgspec.field(default_factory=KnownPersons)

    @property
    def contested(self) -> Mapping[Token, tuple[IdentityConflict, ...]]:
        """For identifiers that lead to nobody, the records that state them nevertheless."""
        return self.known.contested

    async def of_id(self, text: str) -> Person | None:
        """The person that any of the person's ids names. Raises UpstreamError."""
        if not text.startswith(PREFIX):
            return await self._of_record_id(text)
        linking = self.linking
        try:
            system, code = linking.key.open(text)
        except PersonIdInvalid:
            return None
        token, check, sources = Token(system, code), linking.checks.get(system), self._sources
        if len(sources) != 1 or token in self._lookups or check is None or not check(code):
            return await self._named(token, text)
        (only,) = sources.values()
        if "Patient" not in only.types:
            return await self._named(token, text)
        lookup = self._lookups[token] = PersonLookup()
        remember: dict[str, bytes] = {}
        try:
            (said,) = await self._loaders.identify_all(only, {token: None}, self._principal)
            person = plain_person(token, text, said, linking, remember)
            if person is None:  # the loaders remember what the source said
                await self._look_up({token: None}, lookup=lookup)
                return await self._named(token, text)
            record = person.records[0]
            self.known.persons[record] = self.known.by_id[text] = person
            self._loaders.prime(record)
            await self._cache.set_all(remember, LINK_TTL_S)
        except BaseException:
            lookup.give_up()
            raise
        if lookup.waiting is None and not lookup.is_given_up:
            lookup.found = {token: person}
        else:
            lookup.answer({token: person})
        return person

    async def _named(self, identifier: Token, id_: str) -> Person | None:
        """The person whose id was made of an identifier; nobody where it is one that several people have."""
        self._given[identifier] = id_
        with suppress(IdentifierAmbiguous):
            return await self.of_identifier(identifier)
        return None

    async def of_identifier(self, identifier: Token) -> Person | None:
        """The person with an identifier; one that does not link is only looked for.

        Raises UpstreamError where a source that may know is down, IdentifierAmbiguous.
        """
        if self._linkage.links.links(identifier):
            await self._look_up({identifier: None})
            found = await self._told(identifier)
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
        linking = [one for one in identifiers if self._linkage.links.links(one)]
        others = list(dict.fromkeys(one for one in identifiers if one not in linking))
        if linking:
            await self._look_up(dict.fromkeys(linking))
        found = dict(zip(others, await settled(*map(self._found_by, others)), strict=True)) if others else {}
        told: list[Person | UpstreamError | IdentifierAmbiguous | None] = []
        for one in identifiers:
            answer = found[one] if one in found else await self._told(one)
            if not isinstance(answer, Person | UpstreamError | IdentifierAmbiguous | None):
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
        known, persons = self.known, self.known.persons
        made: Linked | None = None
        if persons:
            found = [*map(persons.get, records)]
            if None not in found:
                return found  # type: ignore[return-value]
            fresh = known.unknown(records)
        else:
            fresh = list(records)
            if not self._lookups and len(self._sources) == 1:
                looked_up = await self._look_up_fresh(fresh)
                if type(looked_up) is list:
                    return looked_up  # type: ignore[return-value]
                made = looked_up  # type: ignore[assignment]
        replaced: list[Resource] = []
        if [one for one in fresh if "link" in one.json or one.container is not None]:
            fresh = known.unknown(fresh)
            replaced = [one for one in fresh if is_replaced(one)]
        if replaced:
            await self._follow(replaced)
            fresh = known.unknown(fresh)
        tokens = None if replaced or made is not None else self._linkage.links.of_each(fresh)
        if tokens:
            made = await self._look_up(dict(zip(tokens, fresh, strict=True)))
        if made is not None and made.plain is not None and len(made.plain.again) == len(records):
            return [*made.persons]
        stated = await self._look_up_stated(fresh, replaced, made)
        return [persons.get(one) or await self._person(one, stated.get(one)) for one in records]

    async def _look_up_fresh(self, records: Sequence[Resource]) -> list[Found] | Linked | None:
        """The persons of the first records of a request, of the only source, which is asked for them; what
        it said of those where that takes a closer look (None: nothing was asked)."""
        (only,), linking = self._sources.values(), self.linking
        stated = (
            stated_by_each(records, linking, linking.trusted_sources) if "Patient" in only.types else None
        )
        if stated is None:
            return None
        lookup = PersonLookup()
        self._lookups.update(dict.fromkeys(stated, lookup))
        try:
            parts = self._loaders, self._principal, self._cache, self.known
            found = await plainly_found(stated, only, linking, *parts)
            if found is None:  # the loaders remember what the source said
                return await self._look_up(stated, lookup=lookup)
        except BaseException:
            lookup.give_up()
            raise
        if lookup.waiting is None and not lookup.is_given_up:
            lookup.found = found
        else:
            lookup.answer(found)
        return [*found.values()]

    async def _look_up_stated(
        self, fresh: Sequence[Resource], replaced: Sequence[Resource], made: Linked | None
    ) -> Mapping[Resource, Statement]:
        """Looks up what some records state, as far as `made` has not, and gives it."""
        stated = {one: self._linkage.links.of(one) for one in fresh}
        wanted = {token: one for one, said in stated.items() for token in said.tokens}
        tangled: set[Token] = set()
        for one, said in stated.items():
            if len(said.tokens) > 1 or one in replaced:
                tangled.update(said.tokens)
        made = made or (await self._look_up(wanted, tangled) if wanted else None)
        if made is not None:
            self._loaders.prime(*self.known.keep_found_again(stated, made.found))
        return stated

    def close(self) -> None:
        """Ends the lookups that nobody waits for any more."""
        for lookup in self._lookups.values():
            if lookup.found is None:
                lookup.give_up()

    async def _follow(self, replaced: Sequence[Resource]) -> None:
        """Finds out whose the records are that took the place of some."""
        instead = await successors(self._loaders, replaced)
        pairs = [(one, other) for one, other in zip(replaced, instead, strict=True) if other is not None]
        persons = await self.of_records([other for _, other in pairs])
        for (one, _), person in zip(pairs, persons, strict=True):
            self.known.persons[one] = person
            if isinstance(person, Person) and person.add_former(one).is_linked:
                await LinkMemory(self._cache).keep(one.source, one.id, person.id)

    async def _found_by(self, identifier: Token) -> Person | None:
        """The one person whose records carry an identifier of any system, such as a hospital number."""
        if identifier.system in self.linking.systems:
            return None
        return await found_by(identifier, self._loaders, self._linkage.upstreams.values(), self.of_records)

    async def _of_record_id(self, text: str) -> Person | None:
        parts = self._loaders, self._cache, self.of_record, self.of_id
        return await of_record_id(text, self._linkage.upstreams, *parts)

    async def _person(self, record: Resource, said: Statement | None) -> Person | UpstreamError:
        if record.container is not None:
            return Person(global_id(record), (), unlinked(self._linkage.upstreams))
        found = await self._result(said.tokens[0]) if said is not None and said.tokens else None
        if isinstance(found, UpstreamError):
            return found
        apart = self.known.apart(record)
        if apart is not None:
            return apart
        reason = ConflictReason.SEVERAL_IDENTIFIERS if said is not None and said.is_ambiguous else None
        if is_replaced(record):
            reason = ConflictReason.REPLACED_RECORD_UNREADABLE
        joined = None
        if found is not None and said is not None and reason is None:
            joined, reason = self._linkage.linker.joined(found, record, said)
        made = joined or await with_former(self._loaders, alone(record, reason, self._linkage.upstreams))
        self.known.keep(record, made)
        self._loaders.prime(record)
        return made

    async def _told(self, identifier: Token) -> Found | IdentifierAmbiguous:
        """Who has an identifier that was looked up; why nobody is named by one that several have."""
        found = await self._result(identifier)
        return IdentifierAmbiguous() if identifier in self.known.shared else found

    async def _result(self, identifier: Token) -> Found:
        """What the lookup gave that is done or under way."""
        return (await self._lookups[identifier].result())[identifier]

    async def _look_up(
        self, wanted: Wanted, tangled: Collection[Token] = (), lookup: PersonLookup | None = None
    ) -> Linked | None:
        """Looks up those whom nobody in this request has asked for, and gives what was found of those (None:
        there are none); concurrent askers share a lookup. `wanted`, `tangled`: as `Linkage` has them;
        `lookup`: the one that is to be answered, where it is begun."""
        if lookup is None:
            if self._lookups:
                wanted = {token: record for token, record in wanted.items() if token not in self._lookups}
            if not wanted:
                return None
            lookup = PersonLookup()
            self._lookups.update(dict.fromkeys(wanted, lookup))
        try:
            made = await self._linkage.look_up(wanted, tangled)
        except BaseException:
            lookup.give_up()
            raise
        lookup.answer(made.found)
        return made

    @property
    def _linkage(self) -> Linkage:
        """Made when it is first needed: a plain person who is asked for alone takes none of it."""
        if self._made_linkage is None:
            sealing, parts = Sealing(self.linking.key, self._given), (self._loaders, self._cache)
            self._made_linkage = linkage_of(
                self._sources, self.linking, sealing, *parts, self._principal, self.known
            )
        return self._made_linkage
