"""Which media type a body has and which one is answered (RFC 9110 section 12.5.1, GraphQL over HTTP)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, wraps
from typing import Final, TypeVar

from gateway.http_errors import MediaTypeNotAcceptable, MediaTypeNotSupported

GRAPHQL_RESPONSE: Final = "application/graphql-response+json"
JSON: Final = "application/json"
HTML: Final = "text/html"

TEXTS_KEPT: Final = 256
CHARACTERS_KEPT: Final = 512

_Chosen = TypeVar("_Chosen")


def _remembered(choose: Callable[[str | None], _Chosen]) -> Callable[[str | None], _Chosen]:
    """A choice by the text of a header, kept: clients send few different texts. Long ones are not kept."""
    kept = lru_cache(TEXTS_KEPT)(choose)

    @wraps(choose)
    def chosen(header: str | None) -> _Chosen:
        return kept(header) if header is None or len(header) <= CHARACTERS_KEPT else choose(header)

    return chosen


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One entry of an Accept header. `specificity`: 0 for `*/*`, 1 for `type/*`, 2 for one media type."""

    type: str
    quality: float
    specificity: int
    charset: str | None = None

    def covers(self, media_type: str) -> bool:
        """Whether a media type in UTF-8 falls under this entry."""
        if self.charset not in (None, "utf-8", "utf8"):
            return False
        if self.specificity == 0:
            return True
        prefix = self.type[:-1] if self.specificity == 1 else self.type
        return media_type.startswith(prefix) if self.specificity == 1 else media_type == prefix


def parse_accept(header: str) -> tuple[MediaRange, ...]:
    """The entries of an Accept header; those that are not well-formed are left out."""
    ranges = (_media_range(part) for part in header.lower().split(","))
    return tuple(entry for entry in ranges if entry is not None)


def preferred(accept: str | None, offered: tuple[str, ...]) -> str | None:
    """The offered media type that the client prefers, earlier offers winning ties, or None."""
    if accept is None or not accept.strip():
        return offered[0]
    ranges = parse_accept(accept)
    best = max(offered, key=lambda media_type: _quality(ranges, media_type))  # the first of equals
    return best if _quality(ranges, best) > 0 else None


@_remembered
def response_type(accept: str | None) -> str:
    """The media type of a GraphQL response; raises `MediaTypeNotAcceptable`.

    A client that does not say (`*/*` or nothing) gets `application/json`, as clients from before the
    GraphQL over HTTP specification expect.
    """
    named = accept is not None and _names(accept, GRAPHQL_RESPONSE)
    chosen = preferred(accept, (GRAPHQL_RESPONSE, JSON) if named else (JSON, GRAPHQL_RESPONSE))
    if chosen is None:
        raise MediaTypeNotAcceptable(f"The response can be {GRAPHQL_RESPONSE} or {JSON}, in UTF-8.")
    return chosen


def prefers_html(accept: str | None) -> bool:
    """Whether a browser asks for a page: text/html is named and not less wanted than a GraphQL response."""
    if accept is None or not _names(accept, HTML):
        return False
    return preferred(accept, (HTML, GRAPHQL_RESPONSE, JSON)) == HTML


def check_body_type(content_type: str | None, content_encoding: str | None) -> None:
    """Raises `MediaTypeNotSupported` unless a body is JSON in UTF-8, uncompressed.

    Form posts and text/plain are what a foreign page can send without a CORS preflight.
    """
    media_type, _, parameters = (content_type or "").lower().partition(";")
    charset = _parameters(parameters).get("charset", "utf-8")
    if media_type.strip() != JSON or charset not in ("utf-8", "utf8"):
        raise MediaTypeNotSupported("The body must be application/json in UTF-8.")
    if (content_encoding or "identity").strip().lower() != "identity":
        raise MediaTypeNotSupported("The body must not be compressed.")


@_remembered
def takes_gzip(accept_encoding: str | None) -> bool:
    """Whether a client takes a response in gzip; one that does not say takes it as it is."""
    qualities = parse_accept_encoding(accept_encoding or "")
    return qualities.get("gzip", qualities.get("*", 0.0)) > 0


def parse_accept_encoding(header: str) -> dict[str, float]:
    """The content codings that a client takes, each with its quality."""
    qualities: dict[str, float] = {}
    for part in header.lower().split(","):
        coding, _, rest = part.partition(";")
        quality = _quality_value(_parameters(rest))
        if coding.strip() and quality is not None:
            qualities[coding.strip()] = quality
    return qualities


def _quality(ranges: tuple[MediaRange, ...], media_type: str) -> float:
    covering = [entry for entry in ranges if entry.covers(media_type)]
    return max(covering, key=lambda entry: entry.specificity).quality if covering else 0.0


def _names(accept: str, media_type: str) -> bool:
    return any(entry.type == media_type for entry in parse_accept(accept))


def _media_range(text: str) -> MediaRange | None:
    media_type, _, rest = text.partition(";")
    kind, slash, subtype = media_type.strip().partition("/")
    parameters = _parameters(rest)
    quality = _quality_value(parameters)
    if quality is None or not slash or not kind or not subtype or (kind == "*" and subtype != "*"):
        return None
    specificity = 0 if kind == "*" else 1 if subtype == "*" else 2
    return MediaRange(f"{kind}/{subtype}", quality, specificity, parameters.get("charset"))


def _quality_value(parameters: dict[str, str]) -> float | None:
    try:
        quality = float(parameters.get("q", "1"))
    except ValueError:
        return None
    return quality if 0 <= quality <= 1 else None


def _parameters(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(";"))
    return {name.strip(): value.strip().strip('"') for name, equals, value in pairs if equals}


USUAL_RESPONSES: Final = {
    None if one is None else one.encode(): response_type(one)
    for one in (
        None,
        "*/*",
        JSON,
        GRAPHQL_RESPONSE,
        f"{GRAPHQL_RESPONSE},{JSON}",
        f"{GRAPHQL_RESPONSE}, {JSON}",
        f"{GRAPHQL_RESPONSE},{JSON};q=0.9",
        f"{GRAPHQL_RESPONSE}, {JSON};q=0.9",
    )
}
"""The media types of responses by what clients usually say."""
