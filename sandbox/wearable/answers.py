"""The vendor's envelope: every answer is HTTP 200, and `status` says whether it is one (UPSTREAMS.md, 15).

ApiError
+-- TokenInvalid      401   no such user
+-- ParamsInvalid     503   a parameter is missing or wrong
+-- ActionUnknown     2554  the path does not have this action
+-- RequestsTooMany   601   the application's requests of this minute are used up
"""

from typing import Any, ClassVar

import msgspec
from starlette.responses import Response

Json = dict[str, Any]


class ApiError(Exception):
    """The API does not do what was asked; `body` goes into the envelope."""

    status: ClassVar[int]

    def __init__(self, error: str, body: Json | None = None) -> None:
        super().__init__(error)
        self.error = error
        self.body = body or {}


class TokenInvalid(ApiError):
    """The bearer token is nobody's."""

    status = 401


class ParamsInvalid(ApiError):
    """A parameter is missing or not what it should be."""

    status = 503


class ActionUnknown(ApiError):
    """The path does not have this action."""

    status = 2554


class RequestsTooMany(ApiError):
    """The application's requests of this minute are used up."""

    status = 601


def success(body: Json) -> Response:
    """The envelope around an answer."""
    return _envelope({"status": 0, "body": body})


def failure(problem: ApiError) -> Response:
    """The envelope around a problem: still HTTP 200."""
    return _envelope({"status": problem.status, "body": problem.body, "error": problem.error})


def _envelope(content: Json) -> Response:
    return Response(msgspec.json.encode(content), media_type="application/json")
