"""What a lookup of identifiers has found: whose they are, and what else was learnt on the way."""

from collections.abc import Mapping, Sequence

import msgspec

from clinical.identifiers import Token
from resolvers.conflict import IdentityConflict
from resolvers.gathering import Key
from resolvers.persons import Person
from resolvers.resource import Resource
from resolvers.upstreams.errors import UpstreamError

Wanted = Mapping[Token, Resource | None]
"""Identifiers that are looked up, each with the record that it was found on, if any."""

Found = Person | UpstreamError | None


class Plain(msgspec.Struct, eq=False):
    """Of plain persons (`Person.is_plain`) in order: the `ids`, the one record of each, and the records asked
    about, where they are those `again`."""

    ids: Sequence[str]
    records: Sequence[Resource]
    again: Sequence[Resource]


class Linked(msgspec.Struct, eq=False):
    """What became of some identifiers, and what else was learnt on the way.

    `loners`: persons of one record each that is not linked, by the record. `former`: whose record took the
    place of one that was replaced. `shared`: identifiers of several persons. `contested`: for identifiers
    of nobody, the records that state them nevertheless. `remember`: what goes to the cache.
    """

    found: dict[Token, Found] = {}
    loners: dict[Key, Person] = {}
    former: dict[Key, tuple[Resource, Person]] = {}
    shared: set[Token] = set()
    contested: dict[Token, tuple[IdentityConflict, ...]] = {}
    remember: dict[str, bytes] = {}
    persons: list[Person] = []
    """Everyone who was found, each once."""

    plain: Plain | None = None
    """Where all are plain persons."""

    def count(self) -> None:
        """Counts the persons up."""
        found = [one for one in self.found.values() if type(one) is Person]
        if self.former or self.loners or len(found) > 1:
            former = [one for _, one in self.former.values()]
            found = list(dict.fromkeys([*found, *former, *self.loners.values()]))
        self.persons = found
