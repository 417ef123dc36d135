"""Bundles as typed structs: decoded in one pass to the rows that are wanted (R4 bundle.html).

A searchset fits where it holds matches only, of the row's type; a batch answer where each of its entries is
such a searchset and a success. What does not fit is not decoded, and read with more care elsewhere.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Annotated, Any, Final, Literal, NewType

import msgspec

_KEPT: Final = 2_000
_OK: Final = frozenset({"200", "200 OK"})
_SUCCESS: Final = re.compile(r"2[0-9]{2}")
_STATUS: Final = attrgetter("response.status")
_RESOURCE: Final = attrgetter("resource")
NOT_FITTING: Final = (msgspec.DecodeError, UnicodeError, RecursionError)
"""What a body that does not fit is told by."""


class Link(msgspec.Struct, gc=False):
    """A link of a Bundle."""

    relation: str
    url: str


class _Search(msgspec.Struct, gc=False):
    mode: Literal["match"] | None = None


class _Response(msgspec.Struct, gc=False):
    status: str


_named: Any = NewType
_SAID: Final = _named("Said", _Search | None)
_LINKS: Final = _named("Links", list[Link])
_TOTAL: Final = _named("Total", Annotated[int, msgspec.Meta(ge=0)] | None)
"""Annotations with a name, into which msgspec does not look anew for each searchset."""


@lru_cache(maxsize=_KEPT)
def searchset_of(row: Any) -> Any:
    """The struct of a searchset with rows of a type: `entry` (each with `resource`), `link`, `total`."""
    is_json = not issubclass(row, msgspec.Struct)
    entry = msgspec.defstruct("Entry", [("resource", row), ("search", _SAID, None)], gc=is_json)
    return msgspec.defstruct(
        "Searchset",
        [
            ("resourceType", Literal["Bundle"]),
            ("entry", list[entry], msgspec.field(default_factory=list)),  # type: ignore[valid-type]
            ("link", _LINKS, msgspec.field(default_factory=list)),
            ("total", _TOTAL, None),
        ],
        gc=is_json,
    )


def decoded(body: bytes | msgspec.Raw, row: Any) -> Any:
    """The searchset in a body, None where it is none that fits."""
    body, decoder = bytes(body), searchset_decoder(row)
    try:
        if not body.isascii():
            str(body, "utf-8")  # what nobody wants is skipped unread, but the whole must be JSON
        return decoder.decode(body)
    except NOT_FITTING:
        return None


def decoded_batch(body: bytes, rows: Sequence[Any]) -> list[Any] | None:
    """The searchsets in a batch answer, each with rows of its type; None where the answer does not fit."""
    return fitting_batch(batch_decoder(rows), body, len(rows))


def fitting_batch(decoder: Any, body: bytes, count: int) -> list[Any] | None:
    """The same with the decoder of such batch answers (`batch_decoder`), where there are so many entries."""
    try:
        if not body.isascii():
            str(body, "utf-8")
        entries = decoder.decode(body).entry
    except NOT_FITTING:
        return None
    if len(entries) != count:
        return None
    if not _OK.issuperset(map(_STATUS, entries)) and not all(map(_SUCCESS.match, map(_STATUS, entries))):
        return None
    return [*map(_RESOURCE, entries)]


def batch_decoder(rows: Sequence[Any]) -> Any:
    """Decodes batch answers whose entries are searchsets with rows of these types."""
    first = rows[0]
    return _batches(first) if rows.count(first) == len(rows) else _mixed_batches(tuple(rows))


@lru_cache(maxsize=_KEPT)
def searchset_decoder(row: Any) -> Any:
    """Decodes searchsets with rows of a type; numbers in rows that are decoded whole keep their digits."""
    return msgspec.json.Decoder(searchset_of(row), float_hook=msgspec.Raw)


@lru_cache(maxsize=_KEPT)
def _batches(row: Any) -> Any:
    return _batch_decoder(list[_answer_of(row)])  # type: ignore[misc]


@lru_cache(maxsize=256)
def _mixed_batches(rows: tuple[Any, ...]) -> Any:
    return _batch_decoder(tuple[tuple(map(_answer_of, rows))])  # type: ignore[misc]


def _batch_decoder(entries: Any) -> Any:
    batch = msgspec.defstruct("Batch", [("resourceType", Literal["Bundle"]), ("entry", entries)], gc=False)
    return msgspec.json.Decoder(batch, float_hook=msgspec.Raw)


@lru_cache(maxsize=_KEPT)
def _answer_of(row: Any) -> Any:
    return msgspec.defstruct("Answer", [("resource", searchset_of(row)), ("response", _Response)], gc=False)
