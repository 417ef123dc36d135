"""Searches that differ from request to request in their patients only: how they are asked is worked out once.

A request fills in the patients. What is not as expected is left to `fhir_search`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from resolvers.resource import Location
from resolvers.shape import PlainPage
from resolvers.turns import Turns
from resolvers.upstreams.errors import UpstreamError
from resolvers.upstreams.exchange import Question
from resolvers.upstreams.fhir_bundles import batch_decoder, decoded, fitting_batch
from resolvers.upstreams.fhir_capabilities import Capabilities
from resolvers.upstreams.fhir_discovery import Discovery
from resolvers.upstreams.fhir_kinds import Kinds
from resolvers.upstreams.fhir_plain import Kind, page_of, plain_rows
from resolvers.upstreams.fhir_query import id_text
from resolvers.upstreams.fhir_raw import RawAnswer, TypedAnswers, entry_answers, raw_answer
from resolvers.upstreams.fhir_search import page_in
from resolvers.upstreams.fhir_server import LARGE_BYTES, FhirServer, batch_parts
from resolvers.upstreams.upstream import Call, Page, Search

_SOMEBODY: Final = "5f0c6b7e-patient-1d9a2e44"
"""Stands where a patient's id goes; nothing else in a search says this."""
_IN_BODY: Final = _SOMEBODY.encode()
_PAGES_A_TURN: Final = 10
_OK: Final = 200


class FhirPages(msgspec.Struct, eq=False):
    """What came of some searches (`resolvers.upstreams.upstream.FirstPages`)."""

    types: frozenset[str]
    plain: list[PlainPage | None]
    _discovery: Discovery
    _kinds: Sequence[Kind]
    _searches: Sequence[Search]
    _patients: Sequence[str]
    _whole: RawAnswer | UpstreamError

    def answers(self) -> Iterator[tuple[Search, Page | UpstreamError]]:
        """Each search with its page, or what went wrong."""
        answers = self._each()
        for place, (kind, search, patient, plain) in enumerate(
            zip(self._kinds, self._searches, self._patients, self.plain, strict=True)
        ):
            page: Page | UpstreamError
            if plain is None:
                page = page_in(self._discovery, kind, answers[place])
            else:  # nothing but a success has plain rows
                page = page_of(kind, plain, answers, place)  # type: ignore[arg-type]
            yield replace(search, patient=patient), page

    async def let_go(self, turns: Turns) -> None:
        """Frees the rows bit by bit."""
        for place in range(len(self.plain)):
            self.plain[place] = None
            if turns.is_over:
                await turns.take()

    def _each(self) -> Sequence[RawAnswer | UpstreamError]:
        whole, count = self._whole, len(self.plain)
        if isinstance(whole, UpstreamError):
            return [whole] * count
        if count == 1:
            return (whole,)
        if any(self.plain):
            return TypedAnswers(whole, self.plain)
        try:
            return entry_answers(whole, count)
        except UpstreamError as problem:
            return [problem] * count


class FhirPrepared(msgspec.Struct, eq=False):
    """Searches about patients at one place (`resolvers.upstreams.upstream.PreparedSearches`)."""

    types: frozenset[str]
    location: Location
    _server: FhirServer
    _discovery: Discovery
    _searches: Sequence[Search]
    """Without a patient."""
    _kinds: Sequence[Kind]
    _parts: tuple[str, Sequence[str], str]
    """The Bundle in which they are asked together, in parts and whole."""
    _body: bytes
    _headers: Mapping[str, str]
    _decoder: Any
    """Decodes what a Bundle of them is answered with."""
    _address: str
    """That of the search, where it is but one."""
    _together: int
    """How many they are, where they go into one Bundle and one turn; 0 where not."""
    _room: int
    """How long a patient's id may be, so that one search fits into an address."""

    async def fetch(self, patients: Sequence[str], call: Call) -> FhirPages | None:
        """The first page of each search about its patient, or of the one search about each of them. None:
        the source cannot be asked so much at once."""
        server, patient, count = self._server, patients[0], len(patients)
        if count != self._together or patients.count(patient) != count:
            return await self._fetch(patients, call)
        is_plain = patient.isascii() and patient.replace("-", "").isalnum()
        text, kinds = patient if is_plain else id_text(patient), self._kinds
        if count > 1:
            if server.refuses_bundles:
                return None
            body = self._body.replace(_IN_BODY, text.encode())
            question = Question("batch", self.location.base_url, self._headers, "POST", body)
        elif len(text) > self._room:
            return None
        else:
            url, headers = self._address.replace(_SOMEBODY, text), server.headers[self.location]
            question = Question("search", url, headers)
        plain: list[PlainPage | None] | None = None
        whole: RawAnswer | UpstreamError
        try:
            whole = raw_answer(server.source, await server.exchange.send(question, call))
            body = whole.body
            if whole.status != _OK or whole.is_stale or len(body) > LARGE_BYTES:
                return await self._of_answer(kinds, self._searches, patients, whole, call)
            bundles: Sequence[Any] | None
            if count > 1:
                bundles = fitting_batch(self._decoder, body, count)
            else:
                found = decoded(body, kinds[0].row)
                bundles = None if found is None else (found,)
            if bundles is not None:
                plain = plain_rows(kinds, bundles, whole.retrieved_at)
        except UpstreamError as problem:
            whole = problem
        if plain is None:
            plain = [None] * count
        return FhirPages(self.types, plain, self._discovery, kinds, self._searches, patients, whole)

    async def _fetch(self, patients: Sequence[str], call: Call) -> FhirPages | None:
        """The same of several patients, or of many searches."""
        server, kinds, searches, count = self._server, self._kinds, self._searches, len(patients)
        question = self._question(patients)
        if question is None or server.refuses_bundles:
            return None
        if len(kinds) < count:
            kinds, searches = [*kinds] * count, [*searches] * count
        try:
            whole = raw_answer(server.source, await server.exchange.send(question, call))
            return await self._of_answer(kinds, searches, patients, whole, call)
        except UpstreamError as problem:
            plain: list[PlainPage | None] = [None] * count
            return FhirPages(self.types, plain, self._discovery, kinds, searches, patients, problem)

    async def _of_answer(
        self,
        kinds: Sequence[Kind],
        searches: Sequence[Search],
        patients: Sequence[str],
        whole: RawAnswer,
        call: Call,
    ) -> FhirPages | None:
        """What an answer holds. Raises UpstreamError."""
        count = len(kinds)
        if count > 1 and not await self._server.has_taken(whole, call):
            return None
        plain = await self._plain(kinds, whole, call) if whole.is_success and not whole.is_stale else None
        plain = plain or [None] * count
        return FhirPages(self.types, plain, self._discovery, kinds, searches, patients, whole)

    def _question(self, patients: Sequence[str]) -> Question | None:
        """The Bundle that asks for them; None where it is too much for one."""
        before, entries, after = self._parts
        if len(patients) > self._server.settings.bundle_entries_max:
            return None
        all_ids = "".join(patients)
        is_plain = all_ids.isascii() and all_ids.replace("-", "").isalnum()
        texts = patients if is_plain else [*map(id_text, patients)]
        if len(entries) == 1:
            head, _, tail = entries[0].partition(_SOMEBODY)
            asked = head + f"{tail},{head}".join(texts) + tail
        else:
            pairs = zip(entries, texts, strict=True)
            asked = ",".join([entry.replace(_SOMEBODY, text) for entry, text in pairs])
        body = (before + asked + after).encode()
        return Question("batch", self.location.base_url, self._headers, "POST", body)

    async def _plain(
        self, kinds: Sequence[Kind], whole: RawAnswer, call: Call
    ) -> list[PlainPage | None] | None:
        """The rows of the searchsets in an answer; None where it does not fit."""
        if len(kinds) == 1:
            found = decoded(whole.body, kinds[0].row)
            return None if found is None else plain_rows(kinds, (found,), whole.retrieved_at)
        bundles = fitting_batch(self._decoder, whole.body, len(kinds))
        if bundles is None:
            return None
        pages: list[PlainPage | None] = []
        for first in range(0, len(bundles), _PAGES_A_TURN):
            if call.turns is not None and call.turns.is_over:
                await call.turns.take()
            some = slice(first, first + _PAGES_A_TURN)
            pages += plain_rows(kinds[some], bundles[some], whole.retrieved_at)
        return pages


def prepared(
    server: FhirServer,
    discovery: Discovery,
    kinds: Kinds,
    capabilities: Capabilities,
    searches: Sequence[Search],
) -> FhirPrepared | None:
    """How searches are asked that are about some patient; None where they go out one by one, or are not
    always asked in the same way."""
    location, types = searches[0].location, frozenset(one.type for one in searches)
    if any(one.location is not location or one.page is not None or one.shape is None for one in searches):
        return None
    if "Patient" in types or len(set(searches)) < len(searches) or not capabilities.has_batch:
        return None
    found, asks = kinds.asks([replace(one, patient=_SOMEBODY) for one in searches], capabilities)
    longest = max(len(one.path) + len(one.query) for one in asks) + len(location.base_url) + 2
    room = server.settings.url_length_max - longest + len(_SOMEBODY)
    before, entries, after = parts = batch_parts(asks)
    body = (before + ",".join(entries) + after).encode()
    address = f"{location.base_url}/{asks[0].path}?{asks[0].query}"
    together_max = min(server.settings.bundle_entries_max, _PAGES_A_TURN)
    together = len(asks) if len(asks) <= max(together_max, 1) else 0
    return FhirPrepared(
        types,
        location,
        server,
        discovery,
        searches,
        found,
        parts,
        body,
        server.bundle_headers[location],
        batch_decoder([one.row for one in found]),
        address,
        together,
        room,
    )
