"""How the authorization server says no: as JSON to a client, as a page to a person, by redirect to an app."""

from collections.abc import Mapping
from typing import ClassVar

from starlette.responses import JSONResponse, Response

NOT_STORED = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class RequestRefused(Exception):
    """A client's request is refused (RFC 6749 section 5.2). `error` is the code of the specification.

    RequestRefused
    +-- ClientUnproven        who the client is, is not proved                         401 invalid_client
    +-- RedirectUnsafe        nobody knows whom the answer would reach: a page says so
    +-- AuthorizationRefused  the app is told by redirect (section 4.1.2.1)
    """

    status: ClassVar[int] = 400
    headers: ClassVar[Mapping[str, str]] = NOT_STORED

    def __init__(self, error: str, description: str | None = None) -> None:
        super().__init__(description or error)
        self.error = error
        self.description = description

    def response(self) -> Response:
        """The refusal as a client reads it."""
        answer = {"error": self.error} | ({"error_description": self.description} if self.description else {})
        return JSONResponse(answer, self.status, self.headers)


class ClientUnproven(RequestRefused):
    """No client has this id, or the secret is another."""

    status = 401
    headers: ClassVar[Mapping[str, str]] = {**NOT_STORED, "WWW-Authenticate": 'Basic realm="sandbox"'}

    def __init__(self) -> None:
        super().__init__("invalid_client")


class RedirectUnsafe(RequestRefused):
    """The client or its redirect URI is not registered; the user must not be sent there."""

    def __init__(self, description: str) -> None:
        super().__init__("invalid_request", description)


class AuthorizationRefused(RequestRefused):
    """The app's request for an authorization is refused, by the server or by the user."""
