"""What an issuer publishes about itself (RFC 8414, OpenID Connect Discovery), read with care."""

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import httpx
import msgspec

from gateway.authn.issuer import IssuerSettings, secure_url

DOCUMENT_BYTES_MAX: Final = 262_144
DEFAULT_LIFETIME_S: Final = 300.0
METADATA_LIFETIME_S: Final = 3600.0

_MAX_AGE: Final = re.compile(r"(?:^|[\s,])(?:s-maxage|max-age)\s*=\s*\"?(\d{1,9})", re.IGNORECASE)
_UNCACHEABLE: Final = re.compile(r"(?:^|[\s,])no-(?:store|cache)(?:$|[\s,=])", re.IGNORECASE)


class MetadataInvalid(Exception):
    """What the issuer published is not what the specification asks for."""


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
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()

    async def jwks_uri(self) -> str:
        """Where the issuer's keys are; raises `MetadataInvalid` or `httpx.HTTPError`."""
        if self._settings.jwks_uri is not None:
            return self._settings.jwks_uri
        uri = (await self.document()).get("jwks_uri")
        try:
            return secure_url(uri if isinstance(uri, str) else "")
        except ValueError as problem:
            raise MetadataInvalid("no usable jwks_uri") from problem

    async def document(self) -> Mapping[str, Any]:
        """The discovery document; raises `MetadataInvalid` or `httpx.HTTPError`."""
        async with self._reading:
            if self._document is None or self._clock() - self._read_at > METADATA_LIFETIME_S:
                self._document = await self._read()
                self._read_at = self._clock()
            return self._document

    async def _read(self) -> Mapping[str, Any]:
        problem: Exception = MetadataInvalid("no discovery document")
        for url in discovery_urls(self.issuer):
            try:
                document, _ = await fetch_json(self._client, url)
            except (httpx.HTTPError, httpx.InvalidURL, MetadataInvalid) as failure:
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
    """A small JSON document, no redirects; raises `httpx.HTTPError` or `MetadataInvalid`."""
    async with client.stream("GET", url, headers={"Accept": "application/json"}) as response:
        if response.status_code != 200:
            raise MetadataInvalid(f"status {response.status_code}")
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > DOCUMENT_BYTES_MAX:
                raise MetadataInvalid("too large")
    try:
        return msgspec.json.decode(body), response.headers
    except (msgspec.DecodeError, RecursionError) as problem:
        raise MetadataInvalid("not JSON") from problem


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
