"""Which pages may call the gateway from a browser: CORS by a list of origins (Fetch, 3.2)."""

from collections.abc import Iterable
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator

METHODS: Final = "GET, POST"
REQUEST_HEADERS: Final = (
    "accept, authorization, content-type, graphql-cost, x-request-id, traceparent, "
    "apollo-require-preflight, apollographql-client-name, apollographql-client-version, "
    "x-apollo-operation-name"
)
EXPOSED_HEADERS: Final = "Retry-After, RateLimit, RateLimit-Policy, X-Request-ID"
PREFLIGHT_KEPT_S: Final = 600
VARY: Final = (b"vary", b"Origin")

Headers = tuple[tuple[bytes, bytes], ...]
"""Header fields as ASGI sends them."""


def _origin(text: str) -> str:
    """An origin as browsers send it; raises ValueError with a sentence for the operator."""
    if text == "*":
        raise ValueError("must name each origin: `*` would let every page call the gateway")
    parts = urlsplit(text)
    if (
        text.lower() != f"{parts.scheme}://{parts.netloc}".lower()
        or not parts.hostname
        or "@" in parts.netloc
    ):
        raise ValueError(
            f"must be an origin such as https://app.example.org, without a path: `{text}` is not"
        )
    if parts.scheme not in ("http", "https"):
        raise ValueError(f"must be an http or https origin: `{text}` is not")
    return text.lower()


Origin = Annotated[str, AfterValidator(_origin)]


class OriginList:
    """The origins that may read responses. Where there are none, responses do not vary by origin."""

    def __init__(self, origins: Iterable[str]) -> None:
        exposed = (b"access-control-expose-headers", EXPOSED_HEADERS.encode())
        self._allowed = {
            origin.encode(): ((b"access-control-allow-origin", origin.encode()), exposed, VARY)
            for origin in origins
        }
        self._others: Headers = (VARY,) if self._allowed else ()

    def response_headers(self, origin: bytes | None) -> Headers:
        """What lets a page of this origin read a response; for any other origin, that another might."""
        return self._others if origin is None else self._allowed.get(origin, self._others)

    def preflight_headers(self, origin: bytes) -> tuple[tuple[str, str], ...]:
        """What `response_headers` lack to answer a browser's question before a request."""
        if origin not in self._allowed:
            return ()
        return (
            ("Access-Control-Allow-Methods", METHODS),
            ("Access-Control-Allow-Headers", REQUEST_HEADERS),
            ("Access-Control-Max-Age", str(PREFLIGHT_KEPT_S)),
        )
