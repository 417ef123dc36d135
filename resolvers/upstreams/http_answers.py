"""What the answers of a vendor's web API mean: a status that refuses, a body that should be JSON."""

from collections.abc import Mapping
from typing import Any

from clinical.codec import JsonInvalid, decode_json
from resolvers.upstreams.errors import (
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamRejected,
    UpstreamThrottled,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from resolvers.upstreams.exchange import Exchange, Question
from resolvers.upstreams.throttling import retry_after_s
from resolvers.upstreams.transport import Response
from resolvers.upstreams.upstream import Call

_NOTHING_THERE = frozenset((404, 410))


def http_refusal(source: str, response: Response) -> UpstreamError:
    """What a status other than 200 says."""
    status, detail = response.status, f"HTTP {response.status}"
    wait = retry_after_s(response.headers)
    if status == 429 or (status == 503 and wait is not None):
        return UpstreamThrottled(source, f"{source} is asked too often at the moment.", detail, wait)
    if status in (408, 504):
        return UpstreamTimeout(source, f"{source} did not answer in time.", detail)
    if status >= 500:
        return UpstreamUnavailable(source, f"{source} failed.", detail)
    if status >= 400:
        return UpstreamRejected(source, f"{source} refused the request.", detail)
    return strange_answer(source, detail)


def strange_answer(source: str, detail: str) -> UpstreamInvalidResponse:
    """An answer that cannot be read as what was asked for."""
    return UpstreamInvalidResponse(source, f"{source} gave an answer that is not what was asked for.", detail)


async def get_json(
    exchange: Exchange, operation: str, url: str, headers: Mapping[str, str], call: Call
) -> dict[str, Any] | None:
    """The JSON object at an address, None where the source has nothing there. Raises UpstreamError."""
    response = await exchange.send(Question(operation, url, headers), call)
    if response.status in _NOTHING_THERE:
        return None
    if response.status != 200:
        raise http_refusal(exchange.source, response)
    try:
        body = decode_json(response.body)
    except JsonInvalid as problem:
        raise strange_answer(exchange.source, "not JSON") from problem
    if not isinstance(body, dict):
        raise strange_answer(exchange.source, "no object")
    return body
