"""The HTTP side of a FHIR server: read, search, batch and metadata (R4 http.html)."""

import base64
from collections.abc import Iterable
from dataclasses import dataclass, field
from email.utils import format_datetime
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope, Send

from clinical.codec import encode_json
from clinical.dates import DateInvalid, interval
from sandbox.fhir.batch import answer_batch
from sandbox.fhir.bearer import Bearer
from sandbox.fhir.capability import capability_statement
from sandbox.fhir.outcome import RequestRefused
from sandbox.fhir.paging import CURSOR, OFFSET, SEALED, Page, Pager
from sandbox.fhir.profile import Profile
from sandbox.fhir.searchset import Searcher
from sandbox.fhir.store import Store

FORM = "application/x-www-form-urlencoded"
FHIR_JSON = b"application/fhir+json;charset=utf-8"
OFFSET_MAX = 1_000_000
Pairs = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Asked:
    """One interaction, from HTTP or from a batch entry; `path` is relative to the base, without a slash."""

    method: str
    path: str
    pairs: Pairs
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def is_strict(self) -> bool:
        """Whether unknown parameters shall be an error (R4 search 3.1.1.3.2)."""
        return "handling=strict" in self.headers.get("prefer", "").replace(" ", "")


@dataclass(frozen=True, slots=True)
class Answer:
    """What an interaction gives: a status, an encoded resource, and the version where it has one."""

    status: int
    body: bytes
    etag: str | None = None
    last_updated: str | None = None
    media_type: bytes = FHIR_JSON


class FhirServer:
    """A FHIR server as an ASGI application, mounted at the path of the store's base URL."""

    def __init__(
        self, store: Store, profile: Profile, bearer: Bearer | None = None, page_ttl_s: int = 300
    ) -> None:
        self._store = store
        self._profile = profile
        self._bearer = bearer
        self._pager = Pager(store.base_url, profile, page_ttl_s)
        self._searcher = Searcher(store, profile, self._pager)
        self._metadata = capability_statement(profile, store.base_url)
        self._root = "/" + store.base_url.partition("://")[2].partition("/")[2]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        asked = await _asked(scope, receive, self._root)
        try:
            if asked is None:
                raise RequestRefused(404, "not-found", "no such address")
            self._check_caller(asked)
            answer = self.answer(asked)
        except RequestRefused as refusal:
            answer = refused(refusal)
        await _send(send, asked, answer)

    def answer(self, asked: Asked) -> Answer:
        """The answer to one interaction. Raises RequestRefused."""
        match asked.method, asked.path.split("/") if asked.path else []:
            case "GET" | "HEAD", ["metadata"]:
                return Answer(200, self._metadata)
            case "GET" | "HEAD", []:
                return self._search_page(asked)
            case "POST", []:
                return self._batch(asked)
            case "GET" | "HEAD", [resource_type]:
                return self._search(resource_type, asked, asked.pairs)
            case "POST", [resource_type, "_search"] if self._profile.has_post_search:
                return self._search(resource_type, asked, asked.pairs + _form(asked))
            case "GET" | "HEAD", [resource_type, resource_id]:
                return self._read(resource_type, resource_id, asked)
        raise RequestRefused(405, "not-supported", f"{asked.method} is not supported here")

    def _check_caller(self, asked: Asked) -> None:
        if self._profile.header is not None and asked.path != "metadata":
            name, value = self._profile.header
            if asked.headers.get(name.lower()) != value:
                raise RequestRefused(403, "forbidden", f"a valid {name} header is needed")
        if self._bearer is not None and "authorization" in asked.headers:
            self._bearer.check(asked.headers["authorization"])

    def _read(self, resource_type: str, resource_id: str, asked: Asked) -> Answer:
        self._check_type(resource_type)
        row = self._store.read(resource_type, resource_id)
        if row is None:
            raise RequestRefused(404, "not-found", f"{resource_type}/{resource_id} is not known")
        if asked.headers.get("if-none-match") == row.etag:
            return Answer(304, b"", row.etag, row.last_updated)
        if resource_type == "Binary" and "json" not in asked.headers.get("accept", "json"):
            data, media_type = base64.b64decode(row.resource["data"]), row.resource["contentType"].encode()
            return Answer(200, data, row.etag, row.last_updated, media_type)  # R4 binary.html, native
        return Answer(200, row.body, row.etag, row.last_updated)

    def _search(self, resource_type: str, asked: Asked, pairs: Pairs) -> Answer:
        self._check_type(resource_type)
        if self._profile.next_link == "absolute" and (cursor := dict(pairs).get(CURSOR)):
            return Answer(200, self._searcher.search(self._pager.open(cursor)))
        offset = 0
        if self._profile.next_link == "relative":
            offset = _offset(dict(pairs).get(OFFSET, "0"))
            pairs = [pair for pair in pairs if pair[0] != OFFSET]
        return Answer(200, self._searcher.search(Page(resource_type, tuple(pairs), offset, asked.is_strict)))

    def _search_page(self, asked: Asked) -> Answer:
        sealed = dict(asked.pairs).get(SEALED)
        if sealed is None:
            raise RequestRefused(400, "not-supported", "searching all types is not supported")
        return Answer(200, self._searcher.search(self._pager.open(sealed)))

    def _batch(self, asked: Asked) -> Answer:
        if not self._profile.has_batch:
            raise RequestRefused(405, "not-supported", "batches are not supported")
        return Answer(200, answer_batch(asked.body, self._batched, self._store.base_url))

    def _batched(self, method: str, path: str, query: str) -> Answer:
        if not path:
            raise RequestRefused(400, "not-supported", "a batch entry must name a resource type")
        return self.answer(Asked(method, path, parse_qsl(query)))

    def _check_type(self, resource_type: str) -> None:
        if resource_type not in self._profile.types:
            raise RequestRefused(404, "not-supported", f"resource type {resource_type!r} is not served here")


def refused(refusal: RequestRefused) -> Answer:
    """A refusal as an answer."""
    return Answer(refusal.status, encode_json(refusal.outcome()))


def _form(asked: Asked) -> Pairs:
    if asked.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise RequestRefused(415, "not-supported", f"_search takes {FORM}")
    return parse_qsl(asked.body.decode("utf-8", "replace"))


def _offset(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text[:9]) > OFFSET_MAX:
        raise RequestRefused(400, "invalid", f"{OFFSET} must be a whole number")
    return int(text[:9])


async def _asked(scope: Scope, receive: Receive, root: str) -> Asked | None:
    """The interaction a request asks for; None where its path is outside the server's base."""
    path: str = scope["path"]
    if path != root and not path.startswith(root.rstrip("/") + "/"):
        return None
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    body = await _read_body(receive) if scope["method"] == "POST" else b""
    pairs = parse_qsl(scope["query_string"].decode("latin-1"))
    return Asked(scope["method"], path[len(root) :].strip("/"), pairs, body, headers)


async def _read_body(receive: Receive) -> bytes:
    chunks: list[bytes] = []
    while True:
        message = await receive()
        chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(chunks)


async def _send(send: Send, asked: Asked | None, answer: Answer) -> None:
    headers = [(b"content-type", answer.media_type), (b"content-length", b"%d" % len(answer.body))]
    headers += [(name, value.encode("latin-1")) for name, value in _own_headers(asked, answer)]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    is_bodiless = asked is not None and asked.method == "HEAD"
    await send({"type": "http.response.body", "body": b"" if is_bodiless else answer.body})


def _own_headers(asked: Asked | None, answer: Answer) -> Iterable[tuple[bytes, str]]:
    if answer.etag is not None:
        yield b"etag", answer.etag
    if answer.last_updated is not None and (written := _http_date(answer.last_updated)):
        yield b"last-modified", written
    if answer.status == 401:
        yield b"www-authenticate", 'Bearer error="invalid_token"'
    if asked is not None and (request_id := asked.headers.get("x-request-id")):
        yield b"x-request-id", request_id


def _http_date(instant: str) -> str | None:
    """An instant as HTTP writes it (RFC 9110 section 5.6.7); None where a record's is unreadable."""
    try:
        return format_datetime(interval(instant).low, usegmt=True)
    except DateInvalid:
        return None
