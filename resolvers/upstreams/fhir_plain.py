"""A searchset with nothing odd about it, decoded to the few elements that are wanted of its rows.

Every entry is a match of the type asked for, no id stands twice, the links are those that are followed. What
is not so is left to `fhir_entries`, which says what is wrong.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final, overload

import msgspec

from resolvers.resource import Resource
from resolvers.shape import PlainPage, Shape
from resolvers.upstreams.fhir_bundles import decoded
from resolvers.upstreams.fhir_entries import (
    Asked,
    Entries,
    ignored_codes,
    names_all,
    next_address,
    read_entries,
)
from resolvers.upstreams.fhir_raw import RawAnswer

_ODD: Final[Any] = object()


class PlainEntries(msgspec.Struct):
    """A plain page, its next link, and how many rows the search has."""

    page: PlainPage
    next: str | None
    total: int | None


class Decoded(Sequence[Resource]):
    """The resources of a page, decoded when the first is asked for."""

    __slots__ = ("_asked", "_raw", "_resources")

    def __init__(self, asked: Asked, raw: RawAnswer) -> None:
        self._asked = asked
        self._raw = raw
        self._resources: tuple[Resource, ...] | None = None

    def __len__(self) -> int:
        return len(self._whole())

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._whole())

    @overload
    def __getitem__(self, index: int) -> Resource: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Resource]: ...
    def __getitem__(self, index: int | slice) -> Resource | Sequence[Resource]:
        return self._whole()[index]

    def _whole(self) -> tuple[Resource, ...]:
        if self._resources is None:
            entries = entries_of(self._asked, self._raw)
            self._resources = resources_of(self._asked, entries, self._raw)
        return self._resources


def plain_entries(asked: Asked, shape: Shape, raw: RawAnswer) -> PlainEntries | None:
    """The page as rows of a shape, None where there is anything odd about it."""
    bundle = raw.bundle or _bundle(raw, shape.row)
    if bundle is None:
        return None
    rows = [entry.resource for entry in bundle.entry]
    if len({row.id_ for row in rows}) < len(rows):
        return None
    following = _following(asked, bundle)
    if following is _ODD:
        return None
    source, type_ = asked.source, shape.type
    page = PlainPage(rows, source, asked.location.base_url, type_, raw.retrieved_at, f"{source}/{type_}/")
    return PlainEntries(page, following, bundle.total)


def entries_of(asked: Asked, raw: RawAnswer) -> Entries:
    """The entries of a searchset, as `read_entries` finds them, with less work where nothing is odd."""
    bundle = _bundle(raw, asked.record)
    if bundle is None:
        return read_entries(asked, raw.answer)
    rows = [entry.resource for entry in bundle.entry]
    kind = asked.type
    ids = {row.get("id") for row in rows if row.get("resourceType") == kind and type(row.get("id")) is str}
    ids.discard("")
    following = _ODD if len(ids) < len(rows) else _following(asked, bundle)
    if following is _ODD:
        return read_entries(asked, raw.answer)
    return Entries(rows, following, bundle.total)


def resources_of(asked: Asked, entries: Entries, raw: RawAnswer) -> tuple[Resource, ...]:
    """The matches of a page as resources of where they are from."""
    source, location, kind, at = asked.source, asked.location, asked.type, raw.retrieved_at
    old = raw.is_stale
    return tuple([Resource(source, location, kind, row["id"], row, at, old) for row in entries.matches])


def _bundle(raw: RawAnswer, row: Any) -> Any:
    if not raw.is_success:
        return None
    if raw.bundle is not None:  # of a batch, decoded to the rows of a shape
        return raw.bundle if issubclass(row, msgspec.Struct) else None
    return decoded(raw.body, row)


def _following(asked: Asked, bundle: Any) -> Any:
    """The next link of a bundle, None where there is none; `_ODD` where its links or total are odd."""
    own = link = other = None
    for one in bundle.link:
        relation = one.relation
        if relation == "self":
            own = one.url
        elif relation == "next":
            link = one.url
        elif relation == "Next":
            other = one.url
    if own and not names_all(own, asked.codes) and ignored_codes(asked, own):
        return _ODD
    total, link = bundle.total, link or other
    if total is not None and (total < 0 or (not link and total > len(bundle.entry) and asked.page is None)):
        return _ODD
    if not link:
        return None
    address = next_address(asked, link)
    return _ODD if address is None or address == asked.page else address
