"""Whose records are whose, as far as one request has found out."""

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from clinical.identifiers import Token
from resolvers.conflict import IdentityConflict
from resolvers.gathering import Key
from resolvers.linked import Found, Linked
from resolvers.linking import Statement
from resolvers.persons import Person
from resolvers.resource import Resource
from resolvers.upstreams.errors import UpstreamError


class KnownPersons(msgspec.Struct, eq=False):
    """The persons of one request. `persons`: by each record that was seen of them."""

    persons: dict[Resource, Person | UpstreamError] = {}
    by_id: dict[str, Person] = {}
    of_apart: dict[Key, Person] = {}
    """Persons of records that are not linked, and of those that were replaced, by the record."""

    shared: set[Token] = set()
    """Identifiers that several people have."""

    contested: dict[Token, tuple[IdentityConflict, ...]] = {}
    """For identifiers that lead to nobody, the records that state them nevertheless."""

    _conflicts: dict[Key, IdentityConflict] = {}
    """Every record that was found and not linked."""

    def conflict_counts(self) -> dict[str, int]:
        """How many records of each source were found and not linked."""
        return dict(Counter(one.source for one in self._conflicts.values())) if self._conflicts else {}

    def unknown(self, records: Iterable[Resource]) -> list[Resource]:
        """The records of which it is still to be found out whose they are."""
        persons = self.persons
        return [
            one
            for one in records
            if one not in persons
            and one.container is None
            and (one.person_id is None or not self._is_known(one, one.person_id))
        ]

    def _is_known(self, record: Resource, person_id: str) -> bool:
        """Whether the person is known whose record it was said to be: what was made of a record is that
        person's too."""
        known = self.by_id.get(person_id)
        if known is not None:
            self.persons[record] = known
        return known is not None

    def keep(self, record: Resource, person: Person) -> None:
        """Keeps whose record this is."""
        self.persons[record] = self.by_id[person.id] = person
        self._note(person.conflicts)

    def keep_found_again(
        self, stated: Mapping[Resource, Statement], found: Mapping[Token, Found]
    ) -> list[Resource]:
        """Keeps whose the records are that a lookup of the one identifier that they state found again, and
        gives those.

        `stated`: records with what they state; `found`: what the lookup gave. Most records are found again.
        """
        persons, by_id, apart = self.persons, self.by_id, self.of_apart
        again = []
        for record, said in stated.items():
            tokens = said.tokens
            if len(tokens) != 1 or "link" in record.json or (apart and record.key in apart):
                continue
            person = found.get(tokens[0])
            if type(person) is Person and record not in persons and person.holds(record):
                persons[record] = by_id[person.id] = person
                record.person_id = person.id
                again.append(record)
        return again

    def keep_linked(self, made: Linked) -> None:
        """Keeps all whom a lookup found, and whom the records belong to that it did not link."""
        persons, by_id = self.persons, self.by_id
        for person in made.persons:
            by_id[person.id] = person
            for record in person.records:
                persons[record] = person
            self._note(person.conflicts)
        for record, person in made.former.values():
            persons[record] = self.of_apart[record.key] = person
        self.of_apart |= made.loners
        self.shared |= made.shared
        self.contested |= made.contested
        for conflicts in made.contested.values():
            self._note(conflicts)

    def apart(self, record: Resource) -> Person | None:
        """The person of a record that a lookup did not link, or that was replaced."""
        person = self.of_apart.get(record.key)
        if person is not None:
            self.persons[record] = person
        return person

    def _note(self, conflicts: Iterable[IdentityConflict]) -> None:
        for one in conflicts:
            self._conflicts.setdefault(one.record.key, one)
