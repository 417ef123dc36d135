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
    """The origins that may read responses."""

    def __init__(self, origins: Iterable[str]) -> None:
        self._allowed = frozenset(origins)

    def response_headers(self, origin: str | None) -> tuple[tuple[str, str], ...]:
        """What lets a page of this origin read a response; nothing for any other origin."""
        if origin not in self._allowed or origin is None:
            return ()
        return (("Access-Control-Allow-Origin", origin), ("Access-Control-Expose-Headers", EXPOSED_HEADERS))

    def preflight_headers(self, origin: str | None) -> tuple[tuple[str, str], ...]:
        """What answers a browser's question before a request; nothing for any other origin."""
        if origin not in self._allowed or origin is None:
            return ()
        return (
            ("Access-Control-Allow-Origin", origin),
            ("Access-Control-Allow-Methods", METHODS),
            ("Access-Control-Allow-Headers", REQUEST_HEADERS),
            ("Access-Control-Max-Age", str(PREFLIGHT_KEPT_S)),
        )
