"""What an issuer publishes about itself (RFC 8414, OpenID Connect Discovery), read with care."""

import asyncio
import logging
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import httpx
import msgspec

from gateway.authn.issuer import secure_url

log = logging.getLogger(__name__)

DOCUMENT_BYTES_MAX: Final = 262_144
DEFAULT_LIFETIME_S: Final = 300.0
METADATA_LIFETIME_S: Final = 3600.0
PAUSE_AFTER_FAILURE_S: Final = 5.0
FETCH_TIMEOUT_S: Final = 5.0

_MAX_AGE: Final = re.compile(r"(?:^|[\s,])(?:s-maxage|max-age)\s*=\s*\"?(\d{1,9})", re.IGNORECASE)
_UNCACHEABLE: Final = re.compile(r"(?:^|[\s,])no-(?:store|cache)(?:$|[\s,=])", re.IGNORECASE)


class MetadataUnavailable(Exception):
    """What the issuer publishes cannot be had, or is not what the specification asks for."""


class IssuerMetadata:
    """The discovery document of one issuer, read when first needed and again after an hour.

    `configured` are addresses that the settings give, by their names in the document.
    """

    def __init__(
        self,
        issuer: str,
        client: httpx.AsyncClient,
        configured: Mapping[str, str | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.issuer = issuer
        self._client = client
        self._configured = configured
        self._clock = clock
        self._document: Mapping[str, Any] | None = None
        self._read_at = self._next_read_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None

    async def address(self, name: str) -> str:
        """The address of that name, as configured or else as published; raises `MetadataUnavailable`."""
        configured = self._configured.get(name)
        if configured is not None:
            return configured
        published = (await self.document()).get(name)
        try:
            return secure_url(published if isinstance(published, str) else "")
        except ValueError as problem:
            raise MetadataUnavailable(f"no usable {name}") from problem

    async def document(self) -> Mapping[str, Any]:
        """The discovery document; raises `MetadataUnavailable`."""
        if self._clock() - self._read_at > METADATA_LIFETIME_S:
            if self._reading is None and self._clock() >= self._next_read_at:
                self._next_read_at = self._clock() + PAUSE_AFTER_FAILURE_S
                self._reading = asyncio.create_task(self._renew(), name="metadata")
                self._reading.add_done_callback(self._renewed)
            if self._reading is not None:
                # Shielded: a caller that goes away must not take the document from the others.
                await asyncio.shield(self._reading)
        if self._document is None:
            raise MetadataUnavailable("no discovery document")
        return self._document

    async def close(self) -> None:
        """Ends a reading under way."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    def _renewed(self, _task: "asyncio.Task[None]") -> None:
        self._reading = None

    async def _renew(self) -> None:
        """Reads the document anew; where that fails, the one at hand stays in use."""
        try:
            self._document = await self._read()
        except MetadataUnavailable as problem:
            log.warning("metadata of %s not read: %s", self.issuer, problem)
        else:
            self._read_at = self._clock()

    async def _read(self) -> Mapping[str, Any]:
        problem = MetadataUnavailable("it names another issuer")
        for url in discovery_urls(self.issuer):
            try:
                document, _ = await fetch_json(self._client, url)
            except MetadataUnavailable as failure:
                problem = failure
                continue
            # RFC 8414 section 3.3: a document that names another issuer must not be used.
            if isinstance(document, dict) and document.get("issuer") == self.issuer:
                return document
        raise problem


def discovery_urls(issuer: str) -> tuple[str, str]:
    """Where OpenID Connect Discovery (appended) and RFC 8414 (inserted) put the document."""
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    inserted = parts._replace(path="/.well-known/oauth-authorization-server" + path)
    return issuer.rstrip("/") + "/.well-known/openid-configuration", urlunsplit(inserted)


async def fetch_json(
    client: httpx.AsyncClient,
    url: str,
    form: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[Any, httpx.Headers]:
    """A small JSON document, by POST where there is a form, no redirects; raises `MetadataUnavailable`."""
    method = "GET" if form is None else "POST"
    try:
        # Not compressed, so that what is small on the wire is small in memory.
        sent = {"Accept": "application/json", "Accept-Encoding": "identity", **(headers or {})}
        request = client.build_request(method, url, data=form, headers=sent)
        async with asyncio.timeout(FETCH_TIMEOUT_S):
            body, received = await _fetch(client, request)
        return msgspec.json.decode(body), received
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as problem:
        raise MetadataUnavailable(type(problem).__name__) from problem
    except (msgspec.DecodeError, RecursionError) as problem:
        raise MetadataUnavailable("not JSON") from problem


async def _fetch(client: httpx.AsyncClient, request: httpx.Request) -> tuple[bytes, httpx.Headers]:
    response = await client.send(request, stream=True)
    try:
        if response.status_code != 200:
            raise MetadataUnavailable(f"status {response.status_code}")
        if response.headers.get("content-encoding", "identity") != "identity":
            raise MetadataUnavailable("compressed")
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > DOCUMENT_BYTES_MAX:
                raise MetadataUnavailable("too large")
        return bytes(body), response.headers
    finally:
        await response.aclose()


def lifetime_s(headers: httpx.Headers) -> float:
    """How long a response may be kept by its Cache-Control (RFC 9111), less its Age."""
    cache_control = headers.get("cache-control", "")
    if _UNCACHEABLE.search(cache_control):
        return 0.0
    max_age = _MAX_AGE.search(cache_control)
    if max_age is None:
        return DEFAULT_LIFETIME_S
    age = headers.get("age", "0").strip()
    return max(0.0, float(max_age[1]) - (float(age) if age.isdecimal() else 0.0))
