"""A searchset with nothing odd about it, decoded to the few elements that are wanted of its rows.

Every entry is a match of the type asked for, no id stands twice, the links are those that are followed. What
is not so is left to `fhir_entries`, which says what is wrong.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from operator import attrgetter, itemgetter
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
_RESOURCE: Final = attrgetter("resource")
_ID: Final = attrgetter("id_")
_JSON_ID: Final = itemgetter("id")
_JSON_TYPE: Final = itemgetter("resourceType")
_TEXT: Final = {str}
_NEVER: Final = "&\n"
"""What stands in no address."""


class Kind(msgspec.Struct):
    """What is expected of the pages of searches that differ in their patient only, worked out once.

    `query`: what they ask besides the patient; `about`: what stands before the patient's id; `row`: the
    struct of their shape; `is_counted`: their totals are exact. `mark`: what tells in a self link that
    nothing was ignored (empty: nothing was sent that could be; what is in no link: each is to be looked at);
    `leads_here`: matches a next link that is followed as it is; `prefix`: what stands before the ids.
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
        _mark(asked.codes) if asked.page is None else _NEVER,
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
    (plain,) = (None,) if bundle is None else plain_rows((kind,), (bundle,), raw.retrieved_at)
    return None if plain is None else page_of(kind, plain, (raw,), 0)


def plain_rows(kinds: Sequence[Kind], bundles: Sequence[Any], at: datetime) -> list[PlainPage | None]:
    """The rows of searchsets that have been decoded to their kinds' shapes; None where there is anything odd
    about one."""
    pages: list[PlainPage | None] = []
    for kind, bundle in zip(kinds, bundles, strict=True):
        rows = [*map(_RESOURCE, bundle.entry)]
        asked, links, total, count = kind.asked, bundle.link, bundle.total, len(rows)
        # Nearly always a self link that names all, and a next link or none after it.
        following: Any = links[1].url if len(links) == 2 and links[1].relation == "next" else None
        if not (
            links
            and links[0].relation == "self"
            and kind.mark in links[0].url
            and (kind.leads_here(following) if following else len(links) == 1 and (total or 0) <= count)
        ):
            following = _following(asked, bundle, kind.mark, kind.leads_here)
        if following is _ODD or len(set(map(_ID, rows))) < count:
            pages.append(None)
            continue
        base_url, total = asked.location.base_url, total if kind.is_counted else None
        pages.append(PlainPage(rows, asked.source, base_url, asked.type, at, kind.prefix, following, total))
    return pages


def page_of(kind: Kind, plain: PlainPage, answers: Sequence[RawAnswer], place: int) -> Page:
    """The page that is the answer at a place."""
    return Page(Decoded(kind.asked, answers, place), plain.next, plain.total, (), plain)


def entries_of(asked: Asked, raw: RawAnswer) -> Entries:
    """The entries of a searchset, as `read_entries` finds them, with less work where nothing is odd."""
    bundle = decoded(raw.body, asked.record) if 200 <= raw.status < 300 else None
    if bundle is None:
        return read_entries(asked, raw.answer)
    rows = [*map(_RESOURCE, bundle.entry)]
    try:
        ids, types = set(map(_JSON_ID, rows)), set(map(_JSON_TYPE, rows))
    except (KeyError, TypeError):  # an id or type is not there, or is no text
        return read_entries(asked, raw.answer)
    if len(ids) < len(rows) or "" in ids or not (types <= {asked.type} and set(map(type, ids)) <= _TEXT):
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
    if own and mark not in own and f"?{mark[1:]}" not in own and ignored_codes(asked, own):
        return _ODD
    total, link = bundle.total, link or other
    if total is not None and not link and total > len(bundle.entry) and asked.page is None:
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
