"""Asking a practice's API: pages of 100 by `links.next`, and whose a row is by the address it links to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

from resolvers.resource import Location
from resolvers.upstreams.addresses import resolved_link
from resolvers.upstreams.errors import UpstreamError
from resolvers.upstreams.exchange import Exchange
from resolvers.upstreams.http_answers import get_json, strange_answer
from resolvers.upstreams.practice_mapping import linked_id
from resolvers.upstreams.upstream import Call

PAGE_SIZE: Final = 100


@dataclass(slots=True)
class Listed:
    """The rows of a list by the patient that each links to, and what was seen on the way."""

    by_patient: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


class PracticeApi:
    """The API of one practice. `patient_query`: what to add to a list's address so that it holds one patient
    only, with `{id}` in it; without it every list is walked whole."""

    def __init__(
        self,
        exchange: Exchange,
        location: Location,
        user_agent: str,
        max_pages: int,
        patient_query: str | None,
    ) -> None:
        self._exchange = exchange
        self._location = location
        self._base_url = location.base_url
        self._headers = {"Accept": "application/json", "User-Agent": user_agent, **dict(location.headers)}
        self._max_pages = max_pages
        self._patient_query = patient_query

    @property
    def is_narrow(self) -> bool:
        """Whether a list can be had for one patient."""
        return self._patient_query is not None

    async def rows(self, kind: str, patient: str | None, call: Call) -> Listed:
        """All rows of a list (`invoices`), of one patient where the list can be narrowed. Raises
        UpstreamError where a page cannot be had: half of a list is not a list."""
        found, unreadable = Listed(), 0
        seen: set[str] = set()
        url: str | None = self._address(kind, patient)
        while url is not None:
            seen.add(url)
            body = await get_json(self._exchange, kind, url, self._headers, call)
            listed = body.get(kind) if body is not None else None
            if body is None or not isinstance(listed, list):
                raise strange_answer(self._exchange.source, f"no {kind}")
            for row in listed:
                owner = linked_id(row, "patient") if isinstance(row, dict) else None
                if owner is None:
                    unreadable += 1
                else:
                    found.by_patient.setdefault(owner, []).append(row)
            url = self._next(body)
            if url in seen:
                raise strange_answer(self._exchange.source, "a page that is its own next")
            if url is not None and len(seen) >= self._max_pages:
                found.problems.append(f"{self._exchange.source} gave more than {self._max_pages} pages.")
                break
        if unreadable:
            found.problems.append(f"{self._exchange.source}: {unreadable} rows of nobody left out.")
        return found

    async def probe(self, call: Call) -> UpstreamError | None:
        """Whether the API answers, by the shortest list."""
        url = f"{self._base_url}/invoices?per_page=1"
        try:
            await get_json(self._exchange, "probe", url, self._headers, call)
        except UpstreamError as problem:
            return problem
        return None

    def _address(self, kind: str, patient: str | None) -> str:
        narrowing = ""
        if patient is not None and self._patient_query is not None:
            narrowing = "&" + self._patient_query.replace("{id}", quote(patient, safe=""))
        return f"{self._base_url}/{kind}?per_page={PAGE_SIZE}{narrowing}"

    def _next(self, body: Mapping[str, Any]) -> str | None:
        """The next page; one that does not lie below our own base is never asked for."""
        links = body.get("links")
        following = links.get("next") if isinstance(links, dict) else None
        if following is None:
            return None
        address = resolved_link(following, self._location, False) if isinstance(following, str) else None
        if address is None:
            raise strange_answer(self._exchange.source, "a next link that leads elsewhere")
        return address
