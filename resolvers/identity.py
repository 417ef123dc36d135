"""Who is who: the records of one person, found over all sources by a verified identifier.

A link is made only by an identifier of a configured system (by default the NHS number, its
check digit verified) that a trusted source states, and only where the birth dates agree. Names
never link. Every id of a person leads to the same `Person` (docs/schema.md).
"""

import asyncio
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from clinical.identifiers import Token
from permissions.principal import Principal
from resolvers.agreement import agreeing
from resolvers.cache import Cache
from resolvers.errors import ArgumentInvalid
from resolvers.ids import PERSON, RecordId, global_id, parse_record_id
from resolvers.linking import Linking, Links
from resolvers.loaders import Identify, Loaders, questions
from resolvers.outcome import SourceStatus
from resolvers.person import PersonIdInvalid
from resolvers.persons import (
    Answer,
    Outcomes,
    Person,
    first_error,
    found_outcome,
    linked_records,
    unlinked,
)
from resolvers.records import find_record
from resolvers.resource import Resource
from resolvers.restriction import Restrictions, is_restricted
from resolvers.together import settled, together
from resolvers.upstreams.errors import UpstreamDenied, UpstreamError
from resolvers.upstreams.upstream import Upstream

LINK_TTL_S = 3600.0


_Lookup = asyncio.Future[Mapping[Token, Person | UpstreamError | None]]
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
        self._restrictions = Restrictions(linking.trusted_sources, cache)
        self._principal = principal
        self._ids: dict[Token, str] = {}
        """Person ids that the caller gave: there is one for an identifier, so none need be sealed again."""
        self._lookups: dict[Token, _Lookup] = {}
        self._persons: dict[Resource, Person] = {}
        self._links = Links(linking, self._upstreams)

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
        if not self._links.links(identifier):
            return await self._found_by(identifier)
        await self._look_up({identifier: None})
        found = await self._result(identifier)
        if isinstance(found, UpstreamError):
            raise found
        return found

    async def of_record(self, record: Resource) -> Person:
        """The person whose record this is. Raises UpstreamError."""
        (person,) = await self.of_records((record,))
        if isinstance(person, UpstreamError):
            raise person
        return person

    async def of_records(self, records: Sequence[Resource]) -> list[Person | UpstreamError]:
        """The persons whose records these are, an error in the place of one that could not be told.

        A contained Patient is nobody's record: its id counts within its holder only, and what it states
        of itself is its holder's word. It has no records, and no source links it.
        """
        persons, identifier_of = self._persons, self._links.identifier_of
        tokens: dict[Resource, Token] = {}
        for one in records:
            if one not in persons and one.container is None and (token := identifier_of(one)) is not None:
                tokens[one] = token
        if tokens:
            await self._look_up({token: record for record, token in tokens.items()})
        found: list[Person | UpstreamError] = []
        for one in records:
            person = persons.get(one)
            found.append(person if person is not None else await self._person(one, tokens.get(one)))
        return found

    def close(self) -> None:
        """Ends the lookups that nobody waits for any more."""
        for lookup in set(self._lookups.values()):
            lookup.cancel()

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
        return await self.of_identifier(token)

    async def _of_record_id(self, record_id: RecordId) -> Person | None:
        upstream = self._upstreams.get(record_id.source)
        if upstream is None:
            return None
        try:
            record = await find_record(self._loaders, upstream, "Patient", record_id.id)
        except UpstreamDenied:
            raise  # what a source may not be asked is not told from memory either
        except UpstreamError:
            remembered = await self._cache.get(_link_key(record_id.source, record_id.id))
            if remembered is None:
                raise
            return await self._of_person_id(remembered.decode())
        return None if record is None else await self.of_record(record)

    async def _person(self, record: Resource, token: Token | None) -> Person | UpstreamError:
        if record.container is not None:
            return Person(global_id(record), (), unlinked(self._upstreams))
        found = None if token is None else await self._result(token)
        if isinstance(found, UpstreamError):
            return found
        joined = None if found is None else self._joined(found, record)
        made = self._persons[record] = joined or self._alone(record)
        return made

    def _joined(self, person: Person, record: Resource) -> Person | None:
        """The person with a record of the same identifier, None where they disagree.

        A source that failed or forgot in the lookup does not part a record in hand from its person.
        """
        for one in person.records:
            if one.is_same(record):
                return person
        ranks = list(self._upstreams)
        every = sorted((*person.records, record), key=lambda one: ranks.index(one.source))
        if len(agreeing(every)) < len(every):
            return None
        record.person_id = person.id
        self._loaders.prime(record)
        ended = dict(person.outcomes)
        if ended[record.source].status is SourceStatus.NOT_LINKED:
            ended[record.source] = found_outcome(record)
        return replace(person, records=tuple(every), outcomes=ended)

    async def _result(self, identifier: Token) -> Person | UpstreamError | None:
        """What the lookup gave that is done or under way."""
        lookup = self._lookups[identifier]
        found = lookup.result() if lookup.done() else await asyncio.shield(lookup)
        return found[identifier]

    async def _look_up(self, wanted: Mapping[Token, Resource | None]) -> None:
        """Looks up those whom nobody in this request has asked for; concurrent askers share a lookup.

        `wanted`: each identifier with the record that it was found on, if any.
        """
        wanted = {token: record for token, record in wanted.items() if token not in self._lookups}
        if not wanted:
            return
        lookup: _Lookup = asyncio.get_running_loop().create_future()
        self._lookups.update(dict.fromkeys(wanted, lookup))
        try:
            found = await self._linked(wanted)
        except BaseException:
            lookup.cancel()
            raise
        if not lookup.done():
            lookup.set_result(found)

    async def _linked(
        self, wanted: Mapping[Token, Resource | None]
    ) -> dict[Token, Person | UpstreamError | None]:
        """Asks every source; the records that agree make a person."""
        upstreams = self._upstreams
        asked = [
            self._loaders.identify_all(name, questions(one, wanted, self._principal))
            for name, one in upstreams.items()
        ]
        answers = await together(*asked)
        remember: dict[str, bytes] = {}
        found: dict[Token, Person | UpstreamError | None] = {}
        memo = Outcomes(upstreams)
        for (token, record), *mine in zip(wanted.items(), *answers, strict=True):
            person = found[token] = self._person_of(token, record, mine, memo)
            if isinstance(person, Person):
                withheld = self._mark(person, remember)
                if withheld is None:
                    withheld = await self._restrictions.recall(person.id)
                person.is_withheld = withheld
        await self._cache.set_all(remember, LINK_TTL_S)
        return found

    def _person_of(
        self, identifier: Token, found: Resource | None, said: Sequence[Answer], outcomes: Outcomes
    ) -> Person | UpstreamError | None:
        """The person of the records that link by the identifier and agree; an error where there is none and a
        source may know one. `said`: what each source found, `found`: the record that was asked about."""
        identifier_of = self._links.identifier_of
        answers: list[Answer] = []
        stated: list[Resource] = []
        has_failed = False
        for one in said:
            if isinstance(one, UpstreamError):
                has_failed = True
                answers.append(one)
            else:
                mine = [record for record in one if identifier_of(record) == identifier]
                stated += mine
                answers.append(mine)
        records = linked_records(stated, found if found and found.source in self._upstreams else None)
        if not records:
            return first_error(answers)
        is_plain = len(stated) == 1 and not has_failed
        ended = outcomes.of_only(records[0]) if is_plain else outcomes.of(answers, records)
        person_id = self._ids.get(identifier)
        if person_id is None:
            person_id = self._linking.key.seal(identifier.system or "", identifier.code or "")
        return Person(person_id, records, ended)

    def _alone(self, record: Resource) -> Person:
        """A record that links to nothing is a person of its own."""
        record.person_id = f"{record.source}/Patient/{record.id}"
        self._loaders.prime(record)
        ended = {**unlinked(self._upstreams), record.source: found_outcome(record)}
        return Person(record.person_id, (record,), ended, is_restricted(record))

    def _mark(self, person: Person, remember: dict[str, bytes]) -> bool | None:
        """Marks the records as this person's, and the links as to be remembered. Whether the person's
        whereabouts are withheld, None where that must be recalled."""
        id_ = person.id
        sealed = id_.encode()
        for record in person.records:
            record.person_id = id_
            self._persons[record] = person
            remember[_link_key(record.source, record.id)] = sealed
        self._loaders.prime(*person.records)
        return self._restrictions.judge(id_, person.records, person.outcomes.values(), remember)


def _link_key(source: str, record_id: str) -> str:
    return f"link:{source}/{record_id}"
