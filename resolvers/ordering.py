"""The order of a list: sort keys of rows, and their form in a cursor."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from clinical.order import SortKey, default_sort, parse_sort, sort_key
from clinical.syntax import SearchValueInvalid
from resolvers.errors import ArgumentInvalid
from resolvers.resource import Resource

Key = tuple[SortKey, ...]


class Ordering:
    """How a list of a type is sorted: as asked, else newest first, else (no date) by id."""

    def __init__(self, resource_type: str, sort: str | None) -> None:
        text = sort if sort is not None else default_sort(resource_type) or "_id"
        try:
            self._terms = parse_sort(resource_type, text)
        except SearchValueInvalid as problem:
            raise ArgumentInvalid(f"sort: {problem}") from None
        self.codes = tuple(parameter.code for parameter, _ in self._terms)
        self.sort = tuple(
            f"-{parameter.code}" if descends else parameter.code for parameter, descends in self._terms
        )

    @property
    def has_text(self) -> bool:
        """Whether a key may be of any length: sorted by text, a code or an address."""
        return any(parameter.type not in ("date", "number", "quantity") for parameter, _ in self._terms)

    def key(self, resource: Resource) -> Key:
        """The resource's sort key; ascending keys are the order asked for."""
        return tuple(sort_key(resource.json, parameter, descends) for parameter, descends in self._terms)

    def dump(self, key: Key) -> list[Any]:
        """A key as plain values, for a cursor."""
        return [_dump(one) for one in key]

    def load(self, values: list[Any]) -> Key:
        """The key that `dump` wrote."""
        pairs = zip(values, self._terms, strict=True)
        return tuple(_load(value, parameter.type, descends) for value, (parameter, descends) in pairs)


def _dump(key: SortKey) -> str | None:
    if key.is_missing:
        return None
    return key.value.isoformat() if isinstance(key.value, datetime) else str(key.value)


def _load(value: str | None, kind: str, descends: bool) -> SortKey:
    if value is None:
        return SortKey(True, None, descends)
    if kind == "date":
        return SortKey(False, datetime.fromisoformat(value), descends)
    if kind in ("number", "quantity"):
        return SortKey(False, Decimal(value), descends)
    return SortKey(False, value, descends)
