"""The order of a list of persons: the sources' order of precedence first."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from resolvers.ordering import Key, Ordering
from resolvers.resource import Resource

BY_ID: Final = ("_id",)
"""What a list is sorted by, where that is the id alone."""


class SourceFirst(Ordering):
    """Sources in order of precedence; the order asked for within each."""

    def __init__(self, resource_type: str, sort: str | None, sources: Sequence[str]) -> None:
        super().__init__(resource_type, sort)
        self._ranks: Mapping[str, int] = {name: rank for rank, name in enumerate(sources)}

    def key(self, resource: Resource) -> Key:
        """The source's rank, then the sort key."""
        return ((0, self._ranks[resource.source]), *super().key(resource))

    def is_reversible(self, *, has_cursor: bool) -> bool:
        """By id alone: a row's whole source may come before it, undated rows and all."""
        return self.sort == BY_ID

    def newer_than(self, key: Key) -> None:
        """None: what comes before a row is not all newer."""

    def dump(self, key: Key) -> list[Any]:
        """As `Ordering.dump`, the rank in front."""
        return [key[0][1], *super().dump(key[1:])]

    def load(self, values: list[Any]) -> Key:
        """The key that `dump` wrote."""
        return ((0, values[0]), *super().load(values[1:]))


@lru_cache(maxsize=1024)
def source_first(sort: str | None, sources: tuple[str, ...]) -> SourceFirst:
    """The ordering of a list of persons over these sources, made once. Raises ArgumentInvalid."""
    return SourceFirst("Patient", sort, sources)
