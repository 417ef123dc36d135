"""From identifiers to persons: the records that sources find, joined where they are one person's.

Nearly always each record states the one identifier that it was found by, and the records agree. Whatever
is more than that (several systems, replaced records, ambiguity) is gathered and grouped as a whole.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec.structs import replace

from clinical.identifiers import Token
from resolvers.conflict import ConflictReason, IdentityConflict
from resolvers.gathering import Gathered, Gathering, Key
from resolvers.grouping import Group, Grouper, Grouping, conflicts_about
from resolvers.link_memory import LinkMemory
from resolvers.linked import Found, Linked
from resolvers.linking import Linking, Links, Statement
from resolvers.outcome import SourceStatus
from resolvers.person import PREFIX, Sealing
from resolvers.persons import Answer, Outcomes, Person, first_error, found_outcome
from resolvers.replaced import leads_on
from resolvers.resource import Resource
from resolvers.restriction import Restrictions
from resolvers.upstreams.errors import UpstreamError
from resolvers.upstreams.upstream import Upstream

_TANGLED = object()


class Linker:
    """Links the records of one request."""

    def __init__(
        self,
        upstreams: Mapping[str, Upstream],
        linking: Linking,
        links: Links,
        gathering: Gathering,
        restrictions: Restrictions,
        sealing: Sealing,
    ) -> None:
        self._upstreams = upstreams
        self._linking = linking
        self._links = links
        self._gathering = gathering
        self._restrictions = restrictions
        self._id_of = sealing.id_of
        self.grouper = Grouper(linking.systems, linking.agree_on)

    async def link(
        self,
        wanted: Mapping[Token, Resource | None],
        answers: Sequence[Sequence[Answer]],
        tangled: Collection[Token],
        apart: Mapping[Key, Person],
    ) -> Linked:
        """The records that agree make a person. `wanted`: identifiers with the record that each was found on,
        if any; `answers`: what each source says of them; `tangled`: those that are known to lead further;
        `apart`: persons of records that an earlier lookup has not linked, by the record."""
        made = Linked()
        memo = Outcomes(self._upstreams)
        complex_: dict[Token, Sequence[Answer]] = {}
        for (token, record), *mine in zip(wanted.items(), *answers, strict=True):
            found = _TANGLED if token in tangled else self._plain(token, record, mine, memo, made)
            if found is _TANGLED:
                complex_[token] = mine
            else:
                made.found[token] = found  # type: ignore[assignment]
        if complex_:
            known = [one for token in complex_ if (one := self._asked(wanted[token])) is not None]
            gathered = await self._gathering.gather(complex_, known)
            _Untangling(self, gathered, memo, made).enter(complex_)
        for key, loner in made.loners.items():
            if (known_apart := apart.get(key)) is not None:
                loner.add_doubts(known_apart)
        made.count()
        mark, remember = self._mark, made.remember
        for person in made.persons:
            if (withheld := mark(person, remember)) is None:
                withheld = await self._restrictions.recall(person.id)
            person.is_withheld = withheld
        for record, person in made.former.values():
            LinkMemory.note(made.remember, (record,), person.id.encode() if person.is_linked else None)
        return made

    def _plain(
        self,
        identifier: Token,
        found: Resource | None,
        said: Sequence[Answer],
        memo: Outcomes,
        made: Linked,
    ) -> object:
        """The person of the records that state the identifier and nothing else; an error where there is none
        and a source may know one. `said`: what each source found, `found`: the record asked about."""
        statement_of, are_alike, own = self._links.of, self._links.are_alike, (identifier,)
        stated: list[Resource] = []
        error: UpstreamError | None = None
        is_in_order = True
        for one in said:
            if isinstance(one, UpstreamError):
                error = error or one
                continue
            is_in_order = is_in_order and len(one) < 2
            for record in one:
                # Nearly always it is the record asked about, which states no other: else it were tangled.
                is_alike = found is not None and are_alike(record, found)
                tokens = own if is_alike else statement_of(record).tokens
                if tokens == own and ("link" not in record.json or not leads_on(record)):
                    stated.append(record)
                elif identifier in tokens:
                    return _TANGLED
        if not stated and (asked := self._asked(found)) is not None:
            stated = [asked]
        if not stated:
            return error
        if not is_in_order:
            stated.sort(key=self._gathering.precedence)
        if len(stated) == 1 or self.grouper.are_one(stated):
            is_old = [one for one in stated if one.cached] if len(stated) > 1 else stated[0].cached
            outcomes = memo.of(said, stated) if is_old or error is not None else memo.of_found(stated)
            return Person(self.id_of(identifier), tuple(stated), outcomes)
        grouping = self.grouper.grouped({one: statement_of(one) for one in stated})
        records = tuple(grouping.groups[identifier].records)
        conflicts = tuple(grouping.loners.values())
        for conflict in conflicts:
            made.loners[conflict.record.key] = self.loner(conflict, stated, said, memo)
        return Person(self.id_of(identifier), records, memo.of(said, records, conflicts), conflicts=conflicts)

    def loner(
        self, conflict: IdentityConflict, related: Iterable[Resource], said: Iterable[Answer], memo: Outcomes
    ) -> Person:
        """The person of a record that is not linked. `related`: the records that state the same."""
        record = conflict.record
        doubted = tuple(one for one in related if one is not record)
        others = [IdentityConflict(one, conflict.reason) for one in doubted if one.source != record.source]
        if conflict.reason is ConflictReason.REPLACED_RECORD_UNREADABLE:
            others.append(conflict)  # what is used instead is missing
        return Person(
            f"{record.source}/Patient/{record.id}",
            (record,),
            memo.of(said, (record,), others),
            conflicts=(conflict,),
            doubted=doubted,
        )

    def joined(
        self, person: Person, record: Resource, said: Statement
    ) -> tuple[Person | None, ConflictReason | None]:
        """The person with a record in hand that states the same; none where they disagree, and why.

        A source that failed or forgot in the lookup does not part such a record from its person.
        """
        if person.holds(record):
            return person, None
        reason = self.grouper.objection(record, said, {one: self._links.of(one) for one in person.records})
        if reason is not None:
            return None, reason
        every = sorted((*person.records, record), key=self.precedence)
        record.person_id = person.id
        ended = dict(person.outcomes)
        if ended[record.source].status is SourceStatus.NOT_LINKED:
            ended[record.source] = found_outcome(record)
        return replace(person, records=tuple(every), outcomes=ended, is_plain=False), None

    def id_of(self, identifier: Token) -> str:
        """The person id that an identifier makes."""
        return self._id_of(identifier)

    def unlinked(self, record: Resource, memo: Outcomes) -> Person:
        """The person of a record that states nothing to link by."""
        return Person(f"{record.source}/Patient/{record.id}", (record,), memo.of(self.silence, (record,)))

    @property
    def silence(self) -> list[Answer]:
        """What sources say that know of nobody."""
        return [()] * len(self._upstreams)

    def tokens_of(self, record: Resource) -> tuple[Token, ...]:
        """The linking identifiers that a record states."""
        return self._links.of(record).tokens

    def precedence(self, record: Resource) -> tuple[int, bool, str, str]:
        """The order of a person's records."""
        return self._gathering.precedence(record)

    def _asked(self, record: Resource | None) -> Resource | None:
        return record if record is not None and record.source in self._upstreams else None

    def _mark(self, person: Person, remember: dict[str, bytes]) -> bool | None:
        """Marks the records as this person's, and the links as to be remembered. Whether the person's
        whereabouts are withheld (also where a record in doubt, or one that was replaced, withholds them),
        None where that must be recalled."""
        id_, concerned = person.id, person.records
        for record in concerned:
            record.person_id = id_
        LinkMemory.note(remember, concerned, id_.encode() if id_.startswith(PREFIX) else None)
        if person.conflicts:
            in_doubt = (*(one.record for one in person.conflicts), *person.doubted)
            LinkMemory.note(remember, [one for one in in_doubt if one.person_id is None], None)
            concerned = (*concerned, *in_doubt)
        if person.former:
            concerned = (*concerned, *person.former)
        return self._restrictions.judge(id_, concerned, person.outcomes, remember)


class _Untangling:
    """Enters persons for identifiers that lead further."""

    def __init__(self, linker: Linker, gathered: Gathered, memo: Outcomes, made: Linked) -> None:
        self._linker = linker
        self._gathered = gathered
        self._memo = memo
        self._made = made
        self._grouping: Grouping = linker.grouper.grouped(gathered.stated, gathered.unreadable)
        self._persons: dict[Group, Person] = {}
        self._unlinked: dict[Key, Person] = {}
        """Persons of records that state nothing: each may have replaced several records."""

    def enter(self, identifiers: Iterable[Token]) -> None:
        stated, loners = self._gathered.stated, self._grouping.loners
        for record, conflict in loners.items():
            tokens = stated[record].tokens
            related = [one for one, said in stated.items() if not set(tokens).isdisjoint(said.tokens)]
            said = self._said(tokens)
            self._made.loners[record.key] = self._linker.loner(conflict, related, said, self._memo)
        for key, (record, instead) in self._gathered.replaced.items():
            if instead is not None:
                self._made.former[key] = (record, self._person_with(instead).add_former(record))
        for record in self._gathered.unread:
            self._person_with(record).note_unread(record.source)
        for one in identifiers:
            self._made.found[one] = self._found(one)

    def _found(self, identifier: Token) -> Found:
        groups = self._grouping.of_token(identifier)
        if len(groups) == 1:
            return self._person(groups[0])
        if groups:
            self._made.shared.add(identifier)
            return None
        error = first_error(self._gathered.answers[identifier])
        if error is not None:
            return error  # a source that did not answer may hold a record that is in use
        self._made.contested[identifier] = self._conflicts((identifier,))
        heirs = {one.id: one for one in self._heirs(identifier)}
        if len(heirs) > 1:
            self._made.shared.add(identifier)
        return next(iter(heirs.values())) if len(heirs) == 1 else None

    def _heirs(self, identifier: Token) -> Iterable[Person]:
        """The persons whose records took the place of those that state the identifier."""
        for record, person in self._made.former.values():
            if identifier in self._linker.tokens_of(record):
                yield person

    def _person_with(self, record: Resource) -> Person:
        record = self._gathered.in_use(record)
        for group in self._grouping.groups.values():
            if record in group.records:
                return self._person(group)
        loner = self._made.loners.get(record.key) or self._unlinked.get(record.key)
        if loner is None:
            loner = self._unlinked[record.key] = self._linker.unlinked(record, self._memo)
        return loner

    def _person(self, group: Group) -> Person:
        known = self._persons.get(group)
        if known is not None:
            return known
        records = tuple(sorted(group.records, key=self._linker.precedence))
        conflicts = (*self._conflicts(group.tokens), *self._superseded(group))
        outcomes = self._memo.of(self._said(group.tokens), records, conflicts)
        made = Person(self._linker.id_of(group.key), records, outcomes, conflicts=conflicts)
        self._persons[group] = made
        return made

    def _conflicts(self, tokens: Iterable[Token]) -> tuple[IdentityConflict, ...]:
        return conflicts_about(tokens, self._grouping.loners, self._gathered.stated)

    def _superseded(self, group: Group) -> Iterable[IdentityConflict]:
        """Records that state what the person's do, and were replaced by those of somebody else."""
        for record, instead in self._gathered.replaced.values():
            if instead is None or self._gathered.in_use(instead) in group.records:
                continue
            if not group.tokens.isdisjoint(self._linker.tokens_of(record)):
                yield IdentityConflict(record, ConflictReason.IDENTIFIER_SUPERSEDED)

    def _said(self, tokens: Iterable[Token]) -> list[Answer]:
        """What each source says of any of the identifiers: what is wrong with it, where something is."""
        known = [answers for token in tokens if (answers := self._gathered.answers.get(token)) is not None]
        if not known:
            return self._linker.silence
        return [first_error(of_source) or () for of_source in zip(*known, strict=True)]
