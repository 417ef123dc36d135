"""A searchset with nothing odd about it, decoded to the few elements that are wanted of its rows.

Every entry is a match of the type asked for, no id stands twice, the links are those that are followed. What
is not so is left to `fhir_entries`, which says what is wrong.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, NamedTuple, overload

from resolvers.resource import Resource
from resolvers.shape import PlainPage, Shape
from resolvers.upstreams.fhir_bundles import decoded
from resolvers.upstreams.fhir_entries import Asked, Entries, ignored_codes, read_entries, take_next
from resolvers.upstreams.fhir_raw import RawAnswer


class PlainEntries(NamedTuple):
    """A plain page, its next link, and how many rows the search has."""

    page: PlainPage
    next: str | None
    total: int | None


class Decoded(Sequence[Resource]):
    """The resources of a page, decoded when the first is asked for."""

    __slots__ = ("_decode", "_resources")

    def __init__(self, decode: Callable[[], tuple[Resource, ...]]) -> None:
        self._decode = decode
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
            self._resources = self._decode()
        return self._resources


def plain_entries(asked: Asked, shape: Shape, raw: RawAnswer) -> PlainEntries | None:
    """The page as rows of a shape, None where there is anything odd about it."""
    bundle = _bundle(raw, shape.row)
    if bundle is None:
        return None
    rows = [entry.resource for entry in bundle.entry]
    entries = _checked(asked, bundle, {row.id_ for row in rows})
    if entries is None:
        return None
    page = PlainPage(rows, asked.source, asked.location.base_url, shape.type, raw.retrieved_at)
    return PlainEntries(page, entries.next, entries.total)


def entries_of(asked: Asked, raw: RawAnswer) -> Entries:
    """The entries of a searchset, as `read_entries` finds them, with less work where nothing is odd."""
    bundle = _bundle(raw, dict)
    if bundle is None:
        return read_entries(asked, raw.answer)
    rows = [entry.resource for entry in bundle.entry]
    named = (row.get("id") for row in rows if row.get("resourceType") == asked.type)
    entries = _checked(asked, bundle, {one for one in named if type(one) is str and one})
    if entries is None:
        return read_entries(asked, raw.answer)
    entries.matches = rows
    return entries


def _bundle(raw: RawAnswer, row: Any) -> Any:
    if not raw.is_success:
        return None
    if raw.bundle is not None:  # of a batch, decoded to the rows of a shape
        return None if row is dict else raw.bundle
    return decoded(raw.body, row)


def _checked(asked: Asked, bundle: Any, ids: Collection[Any]) -> Entries | None:
    """The links and total of a bundle with nothing odd about it, whose rows have these ids."""
    if len(ids) < len(bundle.entry):
        return None
    links = {link.relation: link.url for link in bundle.link}
    entries = Entries(total=bundle.total)
    if ignored_codes(asked, links.get("self")):
        return None
    if link := links.get("next") or links.get("Next"):
        take_next(asked, link, entries)
    is_short = entries.next is None and bundle.total is not None and bundle.total > len(ids)
    if entries.problems or (bundle.total or 0) < 0 or (is_short and asked.page is None):
        return None
    return entries
