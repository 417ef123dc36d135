"""Which person a record was linked to, remembered for the time in which its source is down."""

from collections.abc import Iterable, Sequence
from typing import Final

from resolvers.cache import Cache
from resolvers.resource import Resource

LINK_TTL_S: Final = 3600.0
LINK: Final = "link:"
"""Where links are remembered, before the source's name and the record's id."""
_FORGOTTEN: Final = b""


class LinkMemory:
    """Links by record, in the deployment's bounded cache.

    A record that its source calls inactive, or that speaks against the person, is not remembered, and what
    was remembered of it is forgotten. One that was replaced is remembered as its replacement's person.
    """

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    async def recall(self, source: str, id_: str) -> str | None:
        """The id of the person to whom the record belonged when its source last answered."""
        remembered = await self._cache.get(key_of(source, id_))
        return remembered.decode() if remembered else None

    async def keep(self, source: str, id_: str, person_id: str) -> None:
        """Remembers a link."""
        await self._cache.set(key_of(source, id_), person_id.encode(), LINK_TTL_S)

    async def forget(self, source: str, id_: str) -> None:
        """Forgets a link, where there is one."""
        if await self.recall(source, id_) is not None:
            await self._cache.set(key_of(source, id_), _FORGOTTEN, LINK_TTL_S)

    @staticmethod
    def note(remember: dict[str, bytes], records: Iterable[Resource], sealed: bytes | None) -> None:
        """Has links to a person remembered, or forgotten (None), with what else is to be kept."""
        for one in records:
            value = _FORGOTTEN if sealed is None or is_inactive(one) else sealed
            remember[key_of(one.source, one.id)] = value


def links_to_remember(records: Sequence[Resource], person_ids: Sequence[str]) -> dict[str, bytes]:
    """The links of records in use, each to a person."""
    pairs = zip(records, person_ids, strict=True)
    return {f"{LINK}{one.source}/{one.id}": id_.encode() for one, id_ in pairs}


def is_inactive(record: Resource) -> bool:
    """Whether the record's source says that it is not in use (R4 Patient.active)."""
    return record.json.get("active") is False


def key_of(source: str, id_: str) -> str:
    """The key in the cache."""
    return f"{LINK}{source}/{id_}"
