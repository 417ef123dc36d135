"""From what sources answered to persons, for one request: plain ones at one look, others by `Linker`."""

from collections.abc import Collection, Mapping, Sequence

import msgspec

from clinical.identifiers import Token
from permissions.principal import Principal
from resolvers.cache import Cache
from resolvers.gathering import Gathering, ask
from resolvers.known_persons import KnownPersons
from resolvers.link_memory import LINK_TTL_S
from resolvers.linked import Linked, Wanted
from resolvers.linker import Linker
from resolvers.linking import Linking, Links
from resolvers.loaders import Loaders
from resolvers.person import Sealing
from resolvers.persons import Answer
from resolvers.plain_link import plainly_linked
from resolvers.restriction import Restrictions
from resolvers.upstreams.upstream import Upstream


class Linkage(msgspec.Struct, eq=False):
    """What it takes to find and link the records of one request, of the sources that have Patients."""

    upstreams: Mapping[str, Upstream]
    links: Links
    _sealing: Sealing
    _linking: Linking
    _loaders: Loaders
    _cache: Cache
    _principal: Principal
    _known: KnownPersons
    _made_linker: Linker | None = None

    async def look_up(self, wanted: Wanted, tangled: Collection[Token] = ()) -> Linked:
        """Links what the sources answer of some identifiers, and keeps and remembers what came of it.

        `wanted`: each with the record that it was found on, if any; `tangled`: those that are known to lead
        further.
        """
        upstreams, made = self.upstreams, None
        if len(upstreams) == 1:
            (only,) = upstreams.values()
            said = await self._loaders.identify_all(only, wanted, self._principal)
            answers: Sequence[Sequence[Answer]] = (said,)
        else:
            answers = await ask(upstreams.values(), wanted, self._loaders, self._principal)
        if not tangled:
            made = plainly_linked(wanted, answers, upstreams, self.links, self._sealing)
        if made is None:
            made = await self.linker.link(wanted, answers, tangled, self._known.of_apart)
        known, plain = self._known, made.plain
        if plain is None:
            known.keep_linked(made)
            self._loaders.prime(*[record for one in made.persons for record in one.records])
        else:
            known.by_id.update(zip(plain.ids, made.persons, strict=True))
            known.persons.update(zip(plain.records, made.persons, strict=True))
            if plain.again:
                known.persons.update(zip(plain.again, made.persons, strict=True))
            self._loaders.prime(*plain.records)
        await self._cache.set_all(made.remember, LINK_TTL_S)
        return made

    @property
    def linker(self) -> Linker:
        """Made when it is first needed: nearly every lookup is plain."""
        if self._made_linker is None:
            gathering = Gathering(self.upstreams, self.links, self._loaders, self._principal)
            parts = gathering, Restrictions(self._linking.trusted_sources, self._cache), self._sealing
            self._made_linker = Linker(self.upstreams, self._linking, self.links, *parts)
        return self._made_linker


def linkage_of(
    sources: Mapping[str, Upstream],
    linking: Linking,
    sealing: Sealing,
    loaders: Loaders,
    cache: Cache,
    principal: Principal,
    known: KnownPersons,
) -> Linkage:
    """The linkage of a request that may ask these sources."""
    upstreams = {name: one for name, one in sources.items() if "Patient" in one.types}
    parts = sealing, linking, loaders, cache, principal, known
    return Linkage(upstreams, Links(linking, upstreams), *parts)
