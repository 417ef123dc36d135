"""Sources in memory whose pages go through bytes, as a FHIR server's do, and cursors that can be compared."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from clinical.codec import encode_json
from clinical.order import in_order
from permissions.decision import Decisions
from permissions.policy import Policy
from permissions.principal import Principal
from permissions.rules import Rules
from permissions.scopes import parse_scopes
from resolvers.cache import MemoryCache
from resolvers.context import RequestContext
from resolvers.cursor import Cursors, Position
from resolvers.federation import Federation
from resolvers.linking import Linking
from resolvers.shape import PlainPage
from resolvers.turns import Turns
from resolvers.upstreams.errors import UpstreamError
from resolvers.upstreams.fhir_entries import Asked
from resolvers.upstreams.fhir_plain import entries_of, kind_of, plain_page, resources_of
from resolvers.upstreams.fhir_raw import RawAnswer
from resolvers.upstreams.upstream import Call, Page, Search
from tests.resolvers.asking import KEY, NHS
from tests.resolvers.memory import NOW, MemoryUpstream

NUMBER = "9990000018"


@dataclass
class SearchsetUpstream(MemoryUpstream):
    """`surplus`: rows that a page holds beyond what was asked (fewer where negative).

    `sends_strays`: whatever is asked is answered with all rows of the type. `opens_empty`: the first page
    has none, and says where the next one is.
    """

    surplus: int = 0
    sends_strays: bool = False
    opens_empty: bool = False

    def _page(self, search: Search) -> Any:
        raw = RawAnswer(self.name, 200, encode_json(self._bundle(search)), NOW)
        asked = Asked(self.name, search.type, search.location, is_only_place=True, page=search.page)
        if (plain := plain_page(kind_of(asked, search.shape), raw)) is not None:
            return plain
        try:
            entries = entries_of(asked, raw)
        except UpstreamError as error:
            return error
        resources = resources_of(asked, entries, raw)
        return Page(resources, entries.next, entries.total, tuple(entries.problems))

    def _bundle(self, search: Search) -> dict[str, Any]:
        rows = self._sorted(search)
        start = int(search.page.rpartition("=")[2]) if search.page else 0
        end = start + max(min(search.count, self.page_size_max) + self.surplus, 1)
        if self.opens_empty and search.page is None:
            end = start
        link = {"relation": "next", "url": f"{self.location.base_url}/{search.type}?page={end}"}
        entries = [{"resource": one, "search": {"mode": "match"}} for one in rows[start:end]]
        return {"resourceType": "Bundle", "link": [link] if end < len(rows) else [], "entry": entries}

    def _sorted(self, search: Search) -> list[dict[str, Any]]:
        rows = self._matching(search)
        return rows if self.lies_about_order else in_order(rows, search.type, ",".join(search.sort) or "_id")

    def _matching(self, search: Search) -> list[dict[str, Any]]:
        if self.sends_strays and search.type != "Patient":
            return self.resources.get(search.type, [])
        return super()._matching(search)


@dataclass
class PagesInMemory:
    """The first pages of some searches (`resolvers.upstreams.upstream.FirstPages`)."""

    types: frozenset[str]
    found: Sequence[tuple[Search, Page | UpstreamError]]

    @property
    def plain(self) -> list[PlainPage | None]:
        return [page.plain if isinstance(page, Page) else None for _, page in self.found]

    def answers(self) -> Sequence[tuple[Search, Page | UpstreamError]]:
        return self.found

    async def let_go(self, turns: Turns) -> None:
        self.found = ()


@dataclass
class PreparedInMemory:
    """Searches about patients (`resolvers.upstreams.upstream.PreparedSearches`); `most` at once."""

    source: MemoryUpstream
    searches: Sequence[Search]
    most: int = 50

    def __post_init__(self) -> None:
        self.types = frozenset(one.type for one in self.searches)
        self.location = self.searches[0].location

    async def fetch(self, patients: Sequence[str], call: Call) -> PagesInMemory | None:
        if len(patients) > self.most:
            return None
        of = self.searches if len(self.searches) == len(patients) else [*self.searches] * len(patients)
        asked = [replace(one, patient=patient) for one, patient in zip(of, patients, strict=True)]
        return PagesInMemory(self.types, list(zip(asked, await self.source.search(asked, call), strict=True)))


class OpenCursors(Cursors):
    """Cursors that anybody can read: two ways to one page must come to the same."""

    def seal(self, position: Position, bound_to: bytes, expires_at: int | None = None) -> str:
        marks = sorted(position.marks.items())
        return encode_json([position.key, position.source, position.id, marks, position.whole.hex()]).decode()


def federation(sources: Sequence[MemoryUpstream], types: Sequence[str]) -> Federation:
    """These sources, all trusted to say who somebody is."""
    cache = MemoryCache()
    linking = Linking((NHS,), frozenset(one.name for one in sources), KEY)
    return Federation(
        sources, linking, OpenCursors(b"c" * 32, cache), cache, frozenset(types), pages_max=1000
    )


def context_of(opened: Federation) -> RequestContext:
    """One request of a caller who may see everybody."""
    principal = Principal("i", "c", "s", parse_scopes("system/*.rs"))
    permissions = Decisions(Rules(Policy(), ())).of(principal)
    return opened.open(principal, permissions, deadline_s=30, request_id="r")
