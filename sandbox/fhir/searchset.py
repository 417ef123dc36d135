"""Searches answered as Bundle bytes: matches, included resources, warnings, total and links."""

from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import urlencode

from clinical.codec import encode_json
from clinical.paths import compile_path
from sandbox.fhir.evaluation import evaluate
from sandbox.fhir.outcome import operation_outcome
from sandbox.fhir.paging import OFFSET, Page, Pager
from sandbox.fhir.profile import Profile
from sandbox.fhir.projection import match_entry
from sandbox.fhir.query import Include, Query, parse_query
from sandbox.fhir.store import Row, Store, entry

KEPT_RESULTS = 512
INCLUDE_DEPTH = 3


class Searcher:
    """Answers searches over a store within a profile. Results are kept, as the store never changes."""

    def __init__(self, store: Store, profile: Profile, pager: Pager) -> None:
        self._store = store
        self._profile = profile
        self._pager = pager
        self._found = lru_cache(maxsize=KEPT_RESULTS)(self._find)

    def search(self, page: Page) -> bytes:
        """The searchset for a page. Raises RequestRefused."""
        query, rows = self._found(page.resource_type, page.pairs, page.is_strict)
        if query.summary == "count":
            return self._bundle(query, len(rows), [], [self._link("self", self._self_url(query, page))])
        shown = rows[page.offset : page.offset + query.count]
        base = self._store.base_url
        entries = [match_entry(row, query, base) for row in shown]
        entries += [
            entry(f"{base}/{row.reference}", row.body, "include") for row in self._included(query, shown)
        ]
        if query.ignored and not page.offset:
            entries.append(_warning(query.ignored))
        links = [self._link("self", self._self_url(query, page))]
        end = page.offset + query.count
        if end < len(rows):
            links.append(self._link("next", self._pager.next_link(query, end, page.is_strict)))
        return self._bundle(query, len(rows) if query.total != "none" else None, entries, links)

    def _find(
        self, resource_type: str, pairs: tuple[tuple[str, str], ...], is_strict: bool
    ) -> tuple[Query, list[Row]]:
        query = parse_query(resource_type, pairs, self._profile, is_strict)
        return query, evaluate(self._store, query)

    def _included(self, query: Query, rows: Sequence[Row]) -> list[Row]:
        """What the matches refer to, each once, without the matches themselves."""
        if not query.includes:
            return []
        seen = {row.reference for row in rows}
        found: list[Row] = []
        fringe, includes = list(rows), query.includes
        for _ in range(INCLUDE_DEPTH):
            fringe = [
                row for one in includes for source in fringe for row in self._referred(source, one, seen)
            ]
            found += fringe
            includes = tuple(one for one in query.includes if one.is_iterated)
        return found

    def _referred(self, source: Row, include: Include, seen: set[str]) -> list[Row]:
        if include.parameter.base not in (source.resource["resourceType"], "Resource", "DomainResource"):
            return []
        found: list[Row] = []
        for typed in compile_path(include.parameter.expression)(source.resource):
            text = typed.value.get("reference") if isinstance(typed.value, dict) else None
            local = self._store.local(text) if isinstance(text, str) else None
            if local is None or local in seen:
                continue
            resource_type, _, resource_id = local.partition("/")
            row = self._store.read(resource_type, resource_id)
            if row is not None and include.target in (None, resource_type):
                seen.add(local)
                found.append(row)
        return found

    def _self_url(self, query: Query, page: Page) -> str:
        pairs = [*query.pairs] + ([(OFFSET, str(page.offset))] if page.offset else [])
        return f"{self._store.base_url}/{page.resource_type}?{urlencode(pairs)}"

    def _link(self, relation: str, url: str) -> bytes:
        return encode_json({"relation": relation, "url": url})

    def _bundle(self, query: Query, total: int | None, entries: list[bytes], links: list[bytes]) -> bytes:
        parts = [b'{"resourceType":"Bundle","type":"searchset"']
        if total is not None:
            parts.append(b',"total":%d' % total)
        parts.append(b',"link":[%b]' % b",".join(links))
        if entries:
            parts.append(b',"entry":[%b]' % b",".join(entries))
        parts.append(b"}")
        return b"".join(parts)


def _warning(sentences: Sequence[str]) -> bytes:
    outcome = encode_json(operation_outcome("warning", "not-supported", *sentences))
    return b'{"resource":%b,"search":{"mode":"outcome"}}' % outcome
