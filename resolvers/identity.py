"""Who is who: the records of one person, found over all sources by verified identifiers.

A link is made only by an identifier of a configured system (by default the NHS number, its
check digit verified) that a trusted source states, and only where the records agree (by default on the
birth date). Names alone never link. Every id of a person leads to the same `Person` (docs/record.md).
"""

from collections.abc import Collection, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any

from clinical.identifiers import Token
from permissions.principal import Principal
from resolvers.cache import Cache
from resolvers.conflict import ConflictReason, IdentityConflict
from resolvers.gathering import Gathering, ask
from resolvers.ids import global_id, parse_record_id
from resolvers.known_persons import KnownPersons
from resolvers.link_memory import LINK_TTL_S, LinkMemory
from resolvers.linked import Found, Linked
from resolvers.linker import Linker
from resolvers.linking import Linking, Links, Statement
from resolvers.loaders import Loaders
from resolvers.person import PREFIX, PersonIdInvalid, Sealing
from resolvers.person_lookup import IdentifierAmbiguous, PersonLookup
from resolvers.persons import Answer, Person, alone, first_error, unlinked
from resolvers.plain_link import one_plainly_linked, plainly_linked
from resolvers.records import find_record
from resolvers.replaced import is_replaced, successors, with_former
from resolvers.resource import Resource
from resolvers.restriction import Restrictions
from resolvers.together import settled
from resolvers.upstreams.errors import UpstreamDenied, UpstreamError
from resolvers.upstreams.upstream import Upstream


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
        for one in upstreams.values():
            if "Patient" not in one.types:  # rare
                upstreams = {name: one for name, one in upstreams.items() if "Patient" in one.types}
                break
        self._upstreams = upstreams
        self._linking = linking
        self._loaders = loaders
        self._cache = cache
        self._principal = principal
        self._sealing = Sealing(linking.key)
        self._lookups: dict[Token, PersonLookup] = {}
        self.known = KnownPersons(loaders)
        self._shared: set[Token] = set()
        self._links = Links(linking, upstreams)
        self._made_linker: Linker | None = None
        self.refill = linking.refill
        self.contested: dict[Token, tuple[IdentityConflict, ...]] = {}
        """For identifiers that lead to nobody, the records that state them nevertheless."""

    def of_id(self, text: str) -> Coroutine[Any, Any, Person | None]:
        """The person that any of the person's ids names. Raises UpstreamError."""
        return self._of_person_id(text) if text.startswith(PREFIX) else self._of_record_id(text)

    async def of_identifier(self, identifier: Token) -> Person | None:
        """The person with an identifier; one that does not link is only looked for.

        Raises UpstreamError where a source that may know is down, IdentifierAmbiguous.
        """
        if self._links.links(identifier):
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
        known = self.known
        persons = known.persons
        if persons:
            found = [*map(persons.get, records)]
            if None not in found:
                return found  # type: ignore[return-value]
        fresh = known.unknown(records)
        replaced = [one for one in fresh if "link" in one.json and is_replaced(one)]
        if replaced:
            await self._follow(replaced)
            fresh = known.unknown(fresh)
        tokens = None if replaced else self._links.of_each(fresh)
        made = await self._look_up(dict(zip(tokens, fresh, strict=True))) if tokens else None
        if made is not None and made.plain is not None and len(made.plain.again) == len(records):
            return [*made.persons]
        stated = await self._look_up_stated(fresh, replaced, made)
        return [persons.get(one) or await self._person(one, stated.get(one)) for one in records]

    async def _look_up_stated(
        self, fresh: Sequence[Resource], replaced: Sequence[Resource], made: Linked | None
    ) -> Mapping[Resource, Statement]:
        """Looks up what some records state, as far as `made` has not, and gives it."""
        stated = {one: self._links.of(one) for one in fresh}
        wanted = {token: one for one, said in stated.items() for token in said.tokens}
        tangled: set[Token] = set()
        for one, said in stated.items():
            if len(said.tokens) > 1 or one in replaced:
                tangled.update(said.tokens)
        made = made or (await self._look_up(wanted, tangled) if wanted else None)
        if made is not None:
            self.known.keep_found_again(stated, made.found)
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
        if identifier.system in self._linking.systems:
            return None
        answers = await settled(
            *(self._loaders.identify(one, identifier) for one in self._upstreams.values())
        )
        records = [record for answer in answers if isinstance(answer, tuple) for record in answer]
        found = await self.of_records(records)
        error = first_error(found or answers)
        if error is not None:
            raise error
        persons = {one.id: one for one in found if isinstance(one, Person)}
        if len(persons) > 1:
            raise IdentifierAmbiguous()
        return next(iter(persons.values()), None)

    async def _of_person_id(self, text: str) -> Person | None:
        try:
            token = Token(*self._linking.key.open(text))
        except PersonIdInvalid:
            return None
        self._sealing.known[token] = text
        made = await self._look_up({token: None}) if self._links.links(token) else None
        if made is None or token in self._shared:
            with suppress(IdentifierAmbiguous):
                return await self.of_identifier(token)
            return None
        found = made.found[token]
        if isinstance(found, UpstreamError):
            raise found
        return found

    async def _of_record_id(self, text: str) -> Person | None:
        record_id = parse_record_id(text)
        if record_id is None or record_id.type != "Patient" or record_id.contained:
            return None
        upstream = self._upstreams.get(record_id.source)
        if upstream is None:
            return None
        source, id_, memory = record_id.source, record_id.id, LinkMemory(self._cache)
        try:
            record = await find_record(self._loaders, upstream, "Patient", id_)
        except UpstreamDenied:
            raise  # what a source may not be asked is not told from memory either
        except UpstreamError:
            remembered = await memory.recall(source, id_)
            if remembered is None:
                raise
            return await self._of_person_id(remembered)
        person = None if record is None else await self.of_record(record)
        if person is None or not person.is_linked:
            await memory.forget(source, id_)
        elif record is not None and record.id != id_:  # its source answers with the record that replaced it
            await memory.keep(source, id_, person.id)
        return person

    async def _person(self, record: Resource, said: Statement | None) -> Person | UpstreamError:
        if record.container is not None:
            return Person(global_id(record), (), unlinked(self._upstreams))
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
            joined, reason = self._linker.joined(found, record, said)
        made = joined or await with_former(self._loaders, alone(record, reason, self._upstreams))
        self.known.keep(record, made)
        return made

    async def _told(self, identifier: Token) -> Found | IdentifierAmbiguous:
        """Who has an identifier that was looked up; why nobody is named by one that several have."""
        found = await self._result(identifier)
        return IdentifierAmbiguous() if identifier in self._shared else found

    async def _result(self, identifier: Token) -> Found:
        """What the lookup gave that is done or under way."""
        return (await self._lookups[identifier].result())[identifier]

    async def _look_up(
        self, wanted: Mapping[Token, Resource | None], tangled: Collection[Token] = ()
    ) -> Linked | None:
        """Looks up those whom nobody in this request has asked for, and gives what was found of those (None:
        there are none); concurrent askers share a lookup. `wanted`: each identifier with the record that it
        was found on, if any; `tangled`: those that are known to lead further."""
        if self._lookups:
            wanted = {token: record for token, record in wanted.items() if token not in self._lookups}
        if not wanted:
            return None
        lookup = PersonLookup()
        self._lookups.update(dict.fromkeys(wanted, lookup))
        upstreams, links, sealing = self._upstreams, self._links, self._sealing
        try:
            if len(upstreams) == 1:
                (only,) = upstreams.values()
                said = await self._loaders.identify_all(only, wanted, self._principal)
                answers: Sequence[Sequence[Answer]] = (said,)
            else:
                answers = await ask(upstreams.values(), wanted, self._loaders, self._principal)
            made = None
            if not tangled and len(wanted) == len(answers) == 1:
                made = one_plainly_linked(wanted, answers[0][0], links, sealing)
            elif not tangled:
                made = plainly_linked(wanted, answers, upstreams, links, sealing)
            if made is None:
                made = await self._linker.link(wanted, answers, tangled, self.known.of_apart)
                self._shared |= made.shared
                self.contested |= made.contested
            self.known.keep_linked(made)
            await self._cache.set_all(made.remember, LINK_TTL_S)
        except BaseException:
            lookup.give_up()
            raise
        if not lookup.is_given_up:
            lookup.found = made.found
            if lookup.waiting is not None and not lookup.waiting.done():
                lookup.waiting.set_result(made.found)
        return made

    @property
    def _linker(self) -> Linker:
        """Made when it is first needed: nearly every lookup is plain."""
        if self._made_linker is None:
            gathering = Gathering(self._upstreams, self._links, self._loaders, self._principal)
            parts = gathering, Restrictions(self._linking.trusted_sources, self._cache), self._sealing
            self._made_linker = Linker(self._upstreams, self._linking, self._links, *parts)
        return self._made_linker
