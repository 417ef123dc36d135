"""The order of a list: sort keys of rows as plain values that compare fast, and their form in a cursor."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from clinical.dates import DateInvalid, interval
from clinical.order import default_sort, parse_sort, sort_key
from clinical.parameters import SearchParameter
from clinical.syntax import SearchValueInvalid
from resolvers.errors import ArgumentInvalid
from resolvers.resource import Json, Resource

Key = tuple[tuple[Any, ...], ...]
"""For each term `(0, value)`, or `(1,)` where there is none: what is missing comes last."""

Place = tuple[Key, int, str]
"""Where a row stands among all rows of all sources: its sort key, its source's rank, its id."""

MISSING = (1,)
"""The key of a term that a resource has no value for."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_ONE_ELEMENT = re.compile(r"[A-Z]\w+\.(?P<element>[a-z]\w*)")


class Backwards(str):
    """A text that sorts from the end of the alphabet."""

    __slots__ = ()

    def __lt__(self, other: str) -> bool:
        return str.__gt__(self, other)

    def __gt__(self, other: str) -> bool:
        return str.__lt__(self, other)


class _Term:
    """One part of a sort: a parameter and its direction."""

    def __init__(self, parameter: SearchParameter, descends: bool) -> None:
        self.parameter = parameter
        self.descends = descends
        self._comparable = _comparable(parameter.type, descends)
        self._is_id = parameter.code == "_id"
        plain = _ONE_ELEMENT.fullmatch(parameter.expression) if parameter.type == "date" else None
        self.elements = (plain["element"], f"{plain['element']}DateTime") if plain else ()
        self.is_one_date = bool(plain) or parameter.code == "_lastUpdated"
        """Whether it is a date of which a resource has one."""

    def key(self, resource: Json) -> tuple[Any, ...]:
        """The resource's value, to be compared with others' of this term."""
        if self._is_id and type(resource.get("id")) is str:
            return (0, self._comparable(resource["id"]))
        for name in self.elements:  # nearly every row says it in this one way
            text = resource.get(name)
            if type(text) is str:
                try:
                    return (0, self._comparable(interval(text).low))
                except DateInvalid:
                    break
        found = sort_key(resource, self.parameter, self.descends)
        return MISSING if found.is_missing else (0, self._comparable(found.value))

    def load(self, value: Any) -> tuple[Any, ...]:
        """The key that was dumped to a plain value."""
        if value is None:
            return MISSING
        if self.parameter.type in ("number", "quantity"):
            return (0, Decimal(value))
        return (0, Backwards(value) if self.descends and isinstance(value, str) else value)


class Ordering:
    """How a list of a type is sorted: as asked, else newest first, else (no date) by id."""

    def __init__(self, resource_type: str, sort: str | None) -> None:
        text = sort if sort is not None else default_sort(resource_type) or "_id"
        try:
            self._terms = tuple(_Term(*one) for one in parse_sort(resource_type, text))
        except SearchValueInvalid as problem:
            raise ArgumentInvalid(f"sort: {problem}") from None
        self.codes = tuple(one.parameter.code for one in self._terms)
        self.code_set = frozenset(self.codes)
        self.has_text = any(map(_has_text, self._terms))
        """Whether a key may be of any length: sorted by text, a code or an address, but not by id."""
        self.sort = tuple(
            f"-{one.parameter.code}" if one.descends else one.parameter.code for one in self._terms
        )

    @property
    def date_element(self) -> str | None:
        """The element that says the date by which rows are sorted, newest first; None for any other order.

        It is a date itself, or a Period, or a choice of several types (`effective` for `effectiveDateTime`).
        """
        only = self._terms[0]
        return only.elements[0] if len(self._terms) == 1 and only.descends and only.elements else None

    def key(self, resource: Resource) -> Key:
        """The resource's sort key; ascending keys are the order asked for."""
        return self.key_of(resource.json)

    def key_of(self, json: Json) -> Key:
        """The sort key of a resource's JSON, or of those of its elements that are sorted by."""
        return tuple([one.key(json) for one in self._terms])

    def place(self, resource: Resource, rank: int) -> Place:
        """Where a row of the source of this rank stands among all rows of all sources."""
        return (self.key(resource), rank, resource.id)

    def place_of(self, key: Key, rank: int, id_: str) -> Place:
        """The place of a row by its key."""
        return (key, rank, id_)

    def before_all(self, key: Key) -> Place:
        """The place before every row of a key."""
        return (key, -1, "")

    def is_undated(self, key: Key) -> bool:
        """Whether the row has no value for what is sorted by first."""
        return key[0] == MISSING

    def is_reversible(self, *, has_cursor: bool) -> bool:
        """Whether a source that sorts the other way round gives the rows in just the reverse order.

        Not by what may have several values, of which each direction sorts by another; nor where undated
        rows, which come last in either direction, belong to what is asked for.
        """
        terms = self._terms
        if any(one.parameter.code != "_id" for one in terms[1:]):
            return False
        return terms[0].parameter.code == "_id" or (has_cursor and terms[0].is_one_date)

    def newer_than(self, key: Key) -> tuple[str, datetime] | None:
        """The search parameter and the moment from which on all rows are that come before a dated key, where
        the newest come first; None for any other order."""
        first = self._terms[0]
        if not (first.descends and first.is_one_date) or key[0] == MISSING:
            return None
        return first.parameter.code, _EPOCH - key[0][1] * _MICROSECOND

    def dump(self, key: Key) -> list[Any]:
        """A key as plain values, for a cursor."""
        return [_dumped(one) for one in key]

    def load(self, values: list[Any]) -> Key:
        """The key that `dump` wrote."""
        return tuple(one.load(value) for one, value in zip(self._terms, values, strict=True))


@lru_cache(maxsize=1024)
def ordering_of(resource_type: str, sort: str | None) -> Ordering:
    """The ordering of a type's lists, made once. Raises ArgumentInvalid."""
    return Ordering(resource_type, sort)


def _has_text(term: _Term) -> bool:
    return term.parameter.type not in ("date", "number", "quantity") and term.parameter.code != "_id"


def _dumped(part: tuple[Any, ...]) -> Any:
    if part == MISSING:
        return None
    return str(part[1]) if isinstance(part[1], Decimal | str) else part[1]


def _comparable(kind: str, descends: bool) -> Callable[[Any], Any]:
    """From a search value to one that compares as the term sorts."""
    if kind == "date":
        return _newest_first if descends else _oldest_first
    if kind in ("number", "quantity"):
        return _negative if descends else _same
    return Backwards if descends else _same


@lru_cache(maxsize=16384)
def _oldest_first(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def _newest_first(moment: datetime) -> int:
    return -_oldest_first(moment)


def _negative(value: Decimal) -> Decimal:
    return -value


def _same(value: Any) -> Any:
    return value
