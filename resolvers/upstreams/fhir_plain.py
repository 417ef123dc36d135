"""A searchset with nothing odd about it, decoded to the few elements that are wanted of its rows.

Every entry is a match of the type asked for, no id stands twice, the links are those that are followed. What
is not so is left to `fhir_entries`, which says what is wrong.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, overload

import msgspec

from resolvers.resource import Resource
from resolvers.shape import PlainPage, Shape
from resolvers.upstreams.addresses import link_pattern
from resolvers.upstreams.fhir_bundles import decoded
from resolvers.upstreams.fhir_entries import (
    Asked,
    Entries,
    ignored_codes,
    next_address,
    read_entries,
)
from resolvers.upstreams.fhir_raw import RawAnswer
from resolvers.upstreams.upstream import Page

_ODD: Final[Any] = object()
_NEVER: Final = "\n"
"""What stands in no address."""


class Kind(msgspec.Struct):
    """What is expected of the pages of searches that differ in their patient only, worked out once.

    `query`: what they ask besides the patient; `about`: what stands before the patient's id; `row`: the
    struct of their shape; `is_counted`: their totals are exact. `mark`: what tells in a self link that
    nothing was ignored (empty: nothing was sent that could be); `leads_here`: matches a next link that is
    followed as it is; `prefix`: what stands before the ids.
    """

    asked: Asked
    shape: Shape | None
    row: Any
    query: str
    about: str
    is_counted: bool
    mark: str
    leads_here: Callable[[str], Any]
    prefix: str


def kind_of(
    asked: Asked, shape: Shape | None, query: str = "", *, about: str = "", is_counted: bool = True
) -> Kind:
    """The kind of searches that are held against `asked`."""
    return Kind(
        asked,
        shape,
        None if shape is None else shape.row,
        query,
        about,
        is_counted,
        _mark(asked.codes),
        link_pattern(asked.location.base_url).fullmatch,
        f"{asked.source}/{asked.type}/",
    )


class Decoded(Sequence[Resource]):
    """The resources of a page, decoded when the first is asked for."""

    __slots__ = ("_answers", "_asked", "_place", "_resources")

    def __init__(self, asked: Asked, answers: Sequence[RawAnswer], place: int = 0) -> None:
        self._asked = asked
        self._answers = answers
        self._place = place
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
            raw = self._answers[self._place]
            self._resources = resources_of(self._asked, entries_of(self._asked, raw), raw)
        return self._resources


def plain_page(kind: Kind, raw: RawAnswer) -> Page | None:
    """The page of an answer as rows of its kind's shape, None where there is anything odd about it."""
    if kind.row is None or raw.is_stale or not raw.is_success:
        return None
    bundle = decoded(raw.body, kind.row)
    if bundle is None:
        return None
    (page,) = plain_pages((kind,), (bundle,), raw.retrieved_at, (raw,), 0)
    return page


def plain_pages(
    kinds: Sequence[Kind],
    bundles: Sequence[Any],
    at: datetime,
    answers: Sequence[RawAnswer],
    first: int,
) -> list[Page | None]:
    """The pages of searchsets that have been decoded to rows of their kinds' shapes, and came in answers of
    which these are the `first` and those after it. None where there is anything odd about one."""
    pages: list[Page | None] = []
    for place, (kind, bundle) in enumerate(zip(kinds, bundles, strict=True), first):
        rows = [entry.resource for entry in bundle.entry]
        asked = kind.asked
        following = _following(asked, bundle, kind.mark, kind.leads_here)
        if following is _ODD or len({row.id_ for row in rows}) < len(rows):
            pages.append(None)
            continue
        plain = PlainPage(rows, asked.source, asked.location.base_url, asked.type, at, kind.prefix)
        total = bundle.total if kind.is_counted else None
        pages.append(Page(Decoded(asked, answers, place), following, total, (), plain))
    return pages


def entries_of(asked: Asked, raw: RawAnswer) -> Entries:
    """The entries of a searchset, as `read_entries` finds them, with less work where nothing is odd."""
    bundle = decoded(raw.body, asked.record) if raw.is_success else None
    if bundle is None:
        return read_entries(asked, raw.answer)
    rows = [entry.resource for entry in bundle.entry]
    kind = asked.type
    ids = {row.get("id") for row in rows if row.get("resourceType") == kind and type(row.get("id")) is str}
    ids.discard("")
    if len(ids) < len(rows):
        return read_entries(asked, raw.answer)
    leads_here = link_pattern(asked.location.base_url).fullmatch
    following = _following(asked, bundle, _mark(asked.codes), leads_here)
    if following is _ODD:
        return read_entries(asked, raw.answer)
    return Entries(rows, following, bundle.total)


def resources_of(asked: Asked, entries: Entries, raw: RawAnswer) -> tuple[Resource, ...]:
    """The matches of a page as resources of where they are from."""
    source, location, kind, at = asked.source, asked.location, asked.type, raw.retrieved_at
    old = raw.is_stale
    return tuple([Resource(source, location, kind, row["id"], row, at, old) for row in entries.matches])


def _following(asked: Asked, bundle: Any, mark: str, leads_here: Callable[[str], Any]) -> Any:
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
    if own and mark not in own and ignored_codes(asked, own):
        return _ODD
    total, link = bundle.total, link or other
    if total is not None and (total < 0 or (not link and total > len(bundle.entry) and asked.page is None)):
        return _ODD
    if not link:
        return None
    address = link if leads_here(link) is not None else next_address(asked, link)
    return _ODD if address is None or address == asked.page else address


@lru_cache(maxsize=1_000)
def _mark(codes: frozenset[str]) -> str:
    """What stands in a self link that names all of some parameters; of several each is looked for."""
    if not codes:
        return ""
    return f"&{next(iter(codes))}=" if len(codes) == 1 else _NEVER
