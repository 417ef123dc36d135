"""From a result to the bytes and headers that go out."""

from collections.abc import Mapping
from typing import Any

import msgspec

from clinical.codec import encode_json
from gateway import errors
from gateway.authn.authenticator import AuthenticationFailed, KeysUnavailable
from gateway.cost.errors import CostExceeded
from gateway.entity_tags import EntityTags
from gateway.execution.executor import ExecutionResult
from gateway.http_errors import HttpRefused
from gateway.large import encode_in_turns
from gateway.ratelimit.errors import RateLimited
from permissions.decision import ScopeInsufficient
from resolvers.errors import FieldUnauthorized, OperationUnauthorized
from resolvers.turns import Turns

RETRY_AFTER_S = 5


class Reply(msgspec.Struct, frozen=True):
    """A response on its way out. With an `etag` the client may keep it, and has to ask before using it."""

    status: int
    media_type: str
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()
    etag: str | None = None


Headers = tuple[tuple[bytes, bytes], ...]
"""As ASGI sends them."""


def build(
    result: ExecutionResult,
    extensions: Mapping[str, Any],
    request_id: str,
    media_type: str,
    headers: Headers = (),
) -> Reply:
    """The reply to an executed operation."""
    document = {**_outcome(result, request_id), "extensions": extensions}
    return Reply(_status(result, media_type), media_type, encode_json(document), headers)


async def build_in_turns(
    result: ExecutionResult,
    extensions: Mapping[str, Any],
    request_id: str,
    media_type: str,
    headers: Headers = (),
    turns: Turns | None = None,
    tags: EntityTags | None = None,
) -> Reply:
    """The same, of large results and of answers that may be kept.

    `turns`: the result is large; other requests have theirs while it is encoded. `tags`: the request was a
    GET, whose answer gets an entity tag where nothing is wrong with it.
    """
    document, etag = _outcome(result, request_id), None
    if tags is not None and result.data is not None and not result.errors:
        data = encode_json(result.data) if turns is None else await encode_in_turns(result.data, turns)
        told_of = [*extensions.get("sources", ()), *extensions.get("warnings", ())]
        etag = tags.tag(data, told_of, media_type)
        document["data"] = msgspec.Raw(data)
    document["extensions"] = extensions
    body = encode_json(document) if turns is None else await encode_in_turns(document, turns)
    return Reply(_status(result, media_type), media_type, body, headers, etag)


def _outcome(result: ExecutionResult, request_id: str) -> dict[str, Any]:
    """What a response says besides its extensions."""
    document: dict[str, Any] = {}
    if result.errors:
        document["errors"] = [errors.told_graphql(error, request_id) for error in result.errors]
    # A request that failed before its first field has no `data` at all (GraphQL specification, 7.1).
    if result.data is not None or any(error.path is not None for error in result.errors):
        document["data"] = result.data
    return document


def price(
    cost: Mapping[str, Any] | msgspec.Raw,
    obstacle: CostExceeded | None,
    request_id: str,
    media_type: str,
    headers: Headers = (),
) -> Reply:
    """The reply to `GraphQL-Cost: validate`. `obstacle`: why the operation would not run."""
    document: dict[str, Any] = {}
    if obstacle is not None:
        document["errors"] = errors.told_refusal(obstacle, request_id)
    document |= {"data": None, "extensions": {"cost": cost}}
    return Reply(200, media_type, encode_json(document), headers)


def not_modified(reply: Reply) -> Reply:
    """The reply to a client that has the answer already (RFC 9110, section 15.4.5)."""
    return msgspec.structs.replace(reply, status=304, body=b"")


def _status(result: ExecutionResult, media_type: str) -> int:
    if result.data is not None or not result.errors:
        return 200
    return errors.row_of(errors.cause_of(result.errors[0])).status_for(media_type)


def refuse(problem: BaseException, request_id: str, media_type: str) -> Reply:
    """The reply to a request that was not executed."""
    document: dict[str, Any] = {"errors": errors.told_refusal(problem, request_id)}
    if isinstance(problem, RateLimited | CostExceeded):
        document["extensions"] = {"cost": problem.told}
    status = errors.row_of(problem).status_for(media_type)
    headers = tuple((name.lower().encode(), value.encode("latin-1")) for name, value in _headers(problem))
    return Reply(status, media_type, encode_json(document), headers)


def _headers(problem: BaseException) -> tuple[tuple[str, str], ...]:
    if isinstance(problem, HttpRefused):
        return problem.headers
    if isinstance(problem, RateLimited):
        return problem.headers
    if isinstance(problem, KeysUnavailable):
        return (("Retry-After", str(RETRY_AFTER_S)),)
    if isinstance(problem, AuthenticationFailed) and problem.challenge:
        return (("WWW-Authenticate", problem.challenge),)
    if isinstance(problem, ScopeInsufficient | OperationUnauthorized):
        challenge = f'Bearer error="insufficient_scope", scope="{problem.required}"'
        return (("WWW-Authenticate", challenge),)
    if isinstance(problem, FieldUnauthorized):
        words = " ".join(word for one in problem.required[:1] for word in one)
        return (("WWW-Authenticate", f'Bearer error="insufficient_scope", scope="{words}"'),)
    return ()
