"""Searching whole records: filtered, sorted and paged here; a page's mark is the last id before it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Final

from clinical.order import default_sort, in_order
from clinical.parameters import parameters
from clinical.search import compile_search
from clinical.syntax import SearchValueInvalid
from resolvers.resource import Json, Location, Resource
from resolvers.upstreams.errors import PageExpired, SearchNotSupported
from resolvers.upstreams.evaluation import Predicate, predicate
from resolvers.upstreams.upstream import Page, Search

_SORTED: Final = frozenset(("date", "number", "quantity", "reference", "string", "token", "uri"))


@cache
def sorts(resource_type: str) -> frozenset[str]:
    """The parameters of a type by which whole resources can be sorted."""
    return frozenset(code for code, row in parameters(resource_type).items() if row.type in _SORTED)


def is_asked_for(source: str, search: Search, base_url: str) -> Predicate:
    """Whether a resource of a patient's record answers a search. Raises SearchNotSupported."""
    passes = predicate(source, search, base_url)
    if search.patient is None:
        return passes
    own = f"Patient/{search.patient}"
    if search.type == "Patient":
        return lambda row: row.get("id") == search.patient and passes(row)
    parameter = parameters(search.type).get(search.patient_parameter or "patient")
    if parameter is None:
        raise SearchNotSupported(source, f"{source} lists {search.type} of no patient.")
    is_own = compile_search(parameter, (own,), None, base_url)
    return lambda row: is_own(row) and passes(row)


@dataclass(frozen=True, slots=True)
class Answer:
    """The whole answer to a search, in its order. `places`: where the row of an id stands."""

    rows: Sequence[Json]
    places: Mapping[str, int]
    problems: tuple[str, ...]
    retrieved_at: datetime

    def page(self, source: str, location: Location, search: Search) -> Page:
        """The page that a search asks for. Raises PageExpired where the row before it is no longer there."""
        start = 0 if search.page is None else self.places.get(search.page, -1) + 1
        if search.page is not None and not start:
            raise PageExpired(source, f"{source} does not know this page.")
        shown = self.rows[start : start + search.count]
        following = str(shown[-1]["id"]) if shown and start + len(shown) < len(self.rows) else None
        resources = tuple(
            Resource(source, location, search.type, row["id"], row, self.retrieved_at) for row in shown
        )
        return Page(resources, following, None if self.problems else len(self.rows), self.problems)


def answer_of(
    source: str, search: Search, found: Iterable[Json], problems: Iterable[str], retrieved_at: datetime
) -> Answer:
    """The answer to a search that these rows pass. Raises SearchNotSupported."""
    rows = _sorted(source, search, found)
    places = {row["id"]: place for place, row in enumerate(rows)}
    return Answer(rows, places, tuple(dict.fromkeys(problems)), retrieved_at)


def _sorted(source: str, search: Search, found: Iterable[Json]) -> list[Json]:
    text = ",".join(search.sort) or default_sort(search.type) or "_id"
    if not {one.removeprefix("-") for one in text.split(",")} <= sorts(search.type):
        raise SearchNotSupported(source, f"{source} does not sort by this.")
    try:
        return in_order(found, search.type, text)
    except SearchValueInvalid as problem:
        raise SearchNotSupported(source, f"{source} does not sort by this.") from problem
