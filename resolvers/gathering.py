"""Everything that sources say of some identifiers, and of those that lead on from them.

A record may state identifiers of several linking systems, and may have been replaced by another record.
What they lead to is asked for in rounds, each one batch for each source, until nothing new turns up.
"""

from collections.abc import Awaitable, Collection, Mapping, Sequence
from typing import Final

import msgspec

from clinical.identifiers import Token
from permissions.principal import Principal
from resolvers.link_memory import is_inactive
from resolvers.linking import Links, Statement
from resolvers.loaders import Loaders
from resolvers.persons import Answer
from resolvers.replaced import is_replaced, predecessors, successors
from resolvers.resource import Resource
from resolvers.together import together
from resolvers.upstreams.errors import UpstreamError
from resolvers.upstreams.upstream import Upstream

ROUNDS_MAX: Final = 6

Key = tuple[str, str, str, str]
"""`Resource.key`."""


class Gathered(msgspec.Struct, eq=False):
    """`answers`: for each identifier, each source's. `records`: those that are in use and state a linking
    identifier. `replaced`: for each record that was replaced, what is used instead (None: unknown)."""

    answers: dict[Token, Sequence[Answer]] = {}
    records: dict[Key, Resource] = {}
    stated: dict[Resource, Statement] = {}
    replaced: dict[Key, tuple[Resource, Resource | None]] = {}
    unread: list[Resource] = []
    """Records that say that they have replaced one which could not be read."""

    def in_use(self, record: Resource) -> Resource:
        """The one object that stands for a record here."""
        return self.records.get(record.key, record)

    @property
    def unreadable(self) -> set[Resource]:
        """Records that must not be used, while nobody knows what instead."""
        return {record for record, instead in self.replaced.values() if instead is None}


async def ask(
    upstreams: Collection[Upstream],
    wanted: Mapping[Token, Resource | None],
    loaders: Loaders,
    principal: Principal,
) -> Sequence[Sequence[Answer]]:
    """What each source says of each identifier, which comes with the record it was found on."""
    if len(upstreams) == 1:
        (only,) = upstreams
        return (await loaders.identify_all(only, wanted, principal),)
    return await together(*[loaders.identify_all(one, wanted, principal) for one in upstreams])


class Gathering:
    """Asks the sources of one request."""

    def __init__(
        self, upstreams: Mapping[str, Upstream], links: Links, loaders: Loaders, principal: Principal
    ) -> None:
        self._upstreams = upstreams
        self._ranks = {name: rank for rank, name in enumerate(upstreams)}
        self._links = links
        self._loaders = loaders
        self._principal = principal

    def ask(self, wanted: Mapping[Token, Resource | None]) -> Awaitable[Sequence[Sequence[Answer]]]:
        """What each source says of each identifier, which comes with the record it was found on."""
        return ask(self._upstreams.values(), wanted, self._loaders, self._principal)

    async def gather(self, begun: Mapping[Token, Sequence[Answer]], found: Sequence[Resource]) -> Gathered:
        """All that the answers lead to, with the records `found` that were asked about."""
        made = Gathered(dict(begun), {}, {}, {}, [])
        fresh = [*self._stating(begun), *found]
        for _ in range(ROUNDS_MAX):
            wanted = await self._enter(made, fresh)
            if not wanted:
                break
            answers = await self.ask(wanted)
            of_tokens = dict(zip(wanted, zip(*answers, strict=True), strict=True))
            made.answers.update(of_tokens)
            fresh = self._stating(of_tokens)
        made.stated = {one: made.stated[one] for one in sorted(made.stated, key=self.precedence)}
        return made

    def precedence(self, record: Resource) -> tuple[int, bool, str, str]:
        """An order of a person's records: by source, in use before inactive, then always the same."""
        rank = self._ranks.get(record.source, len(self._ranks))
        return rank, is_inactive(record), record.location.base_url, record.id

    def _stating(self, answers: Mapping[Token, Sequence[Answer]]) -> list[Resource]:
        """The records that state what was asked for, and not only formerly did."""
        return [
            record
            for token, of_token in answers.items()
            for one in of_token
            if not isinstance(one, UpstreamError)
            for record in one
            if token in self._links.of(record).tokens
        ]

    async def _enter(self, made: Gathered, fresh: Sequence[Resource]) -> dict[Token, Resource | None]:
        """Enters records, and gives the identifiers that nobody has been asked for yet."""
        known, replaced = made.records, made.replaced
        new = {one.key: one for one in fresh if one.key not in known and one.key not in replaced}
        gone = [one for one in new.values() if is_replaced(one)]
        instead = await successors(self._loaders, gone) if gone else ()
        for one, other in zip(gone, instead, strict=True):
            del new[one.key]
            replaced[one.key] = (one, other)
            if other is None:
                made.stated[one] = self._links.of(one)
            elif other.key not in known:
                new.setdefault(other.key, other)
        await self._look_back(made, [one for one in new.values() if "link" in one.json])
        wanted: dict[Token, Resource | None] = {}
        for one in new.values():
            said = self._links.of(one)
            known[one.key] = one
            if said.tokens:
                made.stated[one] = said
            if not said.is_ambiguous:
                wanted |= {token: one for token in said.tokens if token not in made.answers}
        return wanted

    async def _look_back(self, made: Gathered, linked: Sequence[Resource]) -> None:
        """Enters the records that some have replaced."""
        found = await together(*(predecessors(self._loaders, one) for one in linked)) if linked else ()
        for one, (former, is_whole) in zip(linked, found, strict=True):
            for record in former:
                made.replaced.setdefault(record.key, (record, one))
            if not is_whole:
                made.unread.append(one)
