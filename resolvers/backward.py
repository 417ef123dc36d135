"""An order read from its end: the same places, compared the other way round."""

from decimal import Decimal
from typing import Any

from resolvers.ordering import MISSING, Backwards, Key, Ordering, Place
from resolvers.resource import Json, Resource

_MISSING: tuple[Any, ...] = (0,)
"""What is missing comes last in the order, so first from its end."""


class Backward(Ordering):
    """The order of a list from its last row to its first. What a cursor holds is the same either way."""

    def __init__(self, forward: Ordering) -> None:
        self._forward = forward
        self.codes = forward.codes
        self.code_set = forward.code_set
        self.has_text = forward.has_text
        self.sort = tuple(one.removeprefix("-") if one.startswith("-") else f"-{one}" for one in forward.sort)

    @property
    def date_element(self) -> str | None:
        """None: it is not the order of newest first."""
        return None

    def key(self, resource: Resource) -> Key:
        """The resource's sort key; ascending keys are the order from the end."""
        return _reversed(self._forward.key(resource))

    def key_of(self, json: Json) -> Key:
        """The same of a resource's JSON."""
        return _reversed(self._forward.key_of(json))

    def place(self, resource: Resource, rank: int) -> Place:
        """Where a row stands, counted from the end."""
        return (self.key(resource), -rank, Backwards(resource.id))

    def place_of(self, key: Key, rank: int, id_: str) -> Place:
        """The place of a row by its key (of this order)."""
        return (key, -rank, Backwards(id_))

    def before_all(self, key: Key) -> Place:
        """The place before every row of a key."""
        return (key, -_RANK_MAX, "")

    def is_undated(self, key: Key) -> bool:
        """Whether the row has no value for what is sorted by first."""
        return key[0] == _MISSING

    def dump(self, key: Key) -> list[Any]:
        """A key as plain values, for a cursor: as the order itself writes it."""
        return self._forward.dump(_forward(key))

    def load(self, values: list[Any]) -> Key:
        """The key that `dump` wrote."""
        return _reversed(self._forward.load(values))


_RANK_MAX = 1 << 30


def _reversed(key: Key) -> Key:
    return tuple([_MISSING if part == MISSING else (1, _opposite(part[1])) for part in key])


def _forward(key: Key) -> Key:
    return tuple([MISSING if part == _MISSING else (0, _opposite(part[1])) for part in key])


def _opposite(value: Any) -> Any:
    if isinstance(value, Backwards):
        return str(value)
    if isinstance(value, str):
        return Backwards(value)
    assert isinstance(value, int | Decimal)
    return -value
