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

from gateway.authn.issuer import IssuerSettings, secure_url

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
    """The discovery document of one issuer, read when first needed and again after an hour."""

    def __init__(
        self,
        settings: IssuerSettings,
        client: httpx.AsyncClient,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.issuer = settings.issuer
        self._settings = settings
        self._client = client
        self._clock = clock
        self._document: Mapping[str, Any] | None = None
        self._read_at = self._next_read_at = float("-inf")
        self._reading = asyncio.Lock()

    async def jwks_uri(self) -> str:
        """Where the issuer's keys are; raises `MetadataUnavailable`."""
        if self._settings.jwks_uri is not None:
            return self._settings.jwks_uri
        uri = (await self.document()).get("jwks_uri")
        try:
            return secure_url(uri if isinstance(uri, str) else "")
        except ValueError as problem:
            raise MetadataUnavailable("no usable jwks_uri") from problem

    async def document(self) -> Mapping[str, Any]:
        """The discovery document; raises `MetadataUnavailable`."""
        async with self._reading:
            is_old = self._clock() - self._read_at > METADATA_LIFETIME_S
            if is_old and self._clock() >= self._next_read_at:
                self._next_read_at = self._clock() + PAUSE_AFTER_FAILURE_S
                await self._renew()
        if self._document is None:
            raise MetadataUnavailable("no discovery document")
        return self._document

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


async def fetch_json(client: httpx.AsyncClient, url: str) -> tuple[Any, httpx.Headers]:
    """A small JSON document, no redirects; raises `MetadataUnavailable`."""
    try:
        async with asyncio.timeout(FETCH_TIMEOUT_S):
            body, headers = await _fetch(client, url)
        return msgspec.json.decode(body), headers
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as problem:
        raise MetadataUnavailable(type(problem).__name__) from problem
    except (msgspec.DecodeError, RecursionError) as problem:
        raise MetadataUnavailable("not JSON") from problem


async def _fetch(client: httpx.AsyncClient, url: str) -> tuple[bytes, httpx.Headers]:
    async with client.stream("GET", url, headers={"Accept": "application/json"}) as response:
        if response.status_code != 200:
            raise MetadataUnavailable(f"status {response.status_code}")
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > DOCUMENT_BYTES_MAX:
                raise MetadataUnavailable("too large")
        return bytes(body), response.headers


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
