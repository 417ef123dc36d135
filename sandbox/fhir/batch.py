"""Batch Bundles: each entry answered by itself, in order (R4 http.html 3.1.0.11)."""

from collections.abc import Callable
from typing import Any, Protocol
from urllib.parse import unquote

from clinical.codec import JsonInvalid, decode_json, encode_json
from sandbox.fhir.outcome import RequestRefused

ENTRIES_MAX = 1_000
REASONS = {200: "200 OK", 400: "400 Bad Request", 404: "404 Not Found", 405: "405 Method Not Allowed"}


class Answered(Protocol):
    """What a batch needs to know of an entry's answer."""

    @property
    def status(self) -> int:
        """HTTP status."""

    @property
    def body(self) -> bytes:
        """The encoded resource."""

    @property
    def etag(self) -> str | None:
        """Its version, as an ETag."""

    @property
    def last_updated(self) -> str | None:
        """When that version was written."""


Perform = Callable[[str, str, str], Answered]
"""(method, path relative to the base, query string) -> answer; may raise RequestRefused."""


def answer_batch(body: bytes, perform: Perform, base_url: str) -> bytes:
    """The batch-response Bundle. Raises RequestRefused for a body that is no batch."""
    entries = [_answer_entry(one, perform, base_url) for one in _entries(body)]
    return b'{"resourceType":"Bundle","type":"batch-response","entry":[%b]}' % b",".join(entries)


def _entries(body: bytes) -> list[Any]:
    try:
        bundle = decode_json(body)
    except JsonInvalid as problem:
        raise RequestRefused(400, "structure", "the body is not JSON") from problem
    if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle":
        raise RequestRefused(400, "structure", "the body is not a Bundle")
    if bundle.get("type") != "batch":
        raise RequestRefused(400, "not-supported", "only batch Bundles are supported")
    entries = bundle.get("entry", [])
    if not isinstance(entries, list) or len(entries) > ENTRIES_MAX:
        raise RequestRefused(400, "too-costly", f"a batch has a list of at most {ENTRIES_MAX} entries")
    return entries


def _answer_entry(one: Any, perform: Perform, base_url: str) -> bytes:
    try:
        answer = perform(*_request(one, base_url))
    except RequestRefused as refusal:
        status = REASONS.get(refusal.status, str(refusal.status))
        return encode_json({"response": {"status": status, "outcome": refusal.outcome()}})
    response: dict[str, str] = {"status": REASONS.get(answer.status, str(answer.status))}
    if answer.etag is not None:
        response["etag"] = answer.etag
    if answer.last_updated is not None:
        response["lastModified"] = answer.last_updated
    return b'{"resource":%b,"response":%b}' % (answer.body, encode_json(response))


def _request(one: Any, base_url: str) -> tuple[str, str, str]:
    request = one.get("request") if isinstance(one, dict) else None
    url = request.get("url") if isinstance(request, dict) else None
    if not isinstance(request, dict) or not isinstance(url, str):
        raise RequestRefused(400, "structure", "a batch entry needs request.method and request.url")
    path, _, query = url.removeprefix(base_url).lstrip("/").partition("?")
    return str(request.get("method")), unquote(path), query
