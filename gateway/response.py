"""From a result to the bytes and headers that go out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clinical.codec import encode_json
from gateway import errors
from gateway.authn.authenticator import AuthenticationFailed, KeysUnavailable
from gateway.http_errors import HttpRefused
from permissions.decision import ScopeInsufficient

RETRY_AFTER_S = 5


@dataclass(frozen=True, slots=True)
class Reply:
    """A response on its way out."""

    status: int
    media_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


def build(
    data: dict[str, Any] | None,
    told: Sequence[dict[str, Any]],
    sources: Sequence[dict[str, Any]],
    status_if_null: int,
    media_type: str,
) -> Reply:
    """The reply to an executed operation. `told` are its errors, `sources` what `extensions.sources` says."""
    document: dict[str, Any] = {}
    if told:
        document["errors"] = told
    # A request that failed before its first field has no `data` at all (GraphQL specification, 7.1).
    if data is not None or any("path" in entry for entry in told):
        document["data"] = data
    if sources:
        document["extensions"] = {"sources": sources}
    return Reply(200 if data is not None else status_if_null, media_type, encode_json(document))


def refuse(problem: BaseException, request_id: str, media_type: str) -> Reply:
    """The reply to a request that was not executed."""
    body = encode_json({"errors": errors.told_refusal(problem, request_id)})
    return Reply(errors.row_of(problem).status_for(media_type), media_type, body, _headers(problem))


def _headers(problem: BaseException) -> tuple[tuple[str, str], ...]:
    if isinstance(problem, HttpRefused):
        return problem.headers
    if isinstance(problem, KeysUnavailable):
        return (("Retry-After", str(RETRY_AFTER_S)),)
    if isinstance(problem, AuthenticationFailed) and problem.challenge:
        return (("WWW-Authenticate", problem.challenge),)
    if isinstance(problem, ScopeInsufficient):
        challenge = f'Bearer error="insufficient_scope", scope="{problem.required}"'
        return (("WWW-Authenticate", challenge),)
    return ()
