"""Requests that are no GraphQL request over HTTP.

HttpRefused
+-- RequestMalformed        not JSON, not an object, wrong parameters   400
|   +-- AddressTelling      the address of a GET identifies a person    400
+-- MethodNotAllowed        not GET or POST; no query in a GET          405
+-- MediaTypeNotAcceptable  the client takes nothing we can send        406
+-- BodyTooLarge            more than max_body_bytes                    413
+-- MediaTypeNotSupported   the body is not application/json in UTF-8   415
"""

from typing import ClassVar


class HttpRefused(Exception):
    """An HTTP request that does not reach GraphQL. The message is safe to show."""

    code: ClassVar[str] = "BAD_USER_INPUT"
    headers: ClassVar[tuple[tuple[str, str], ...]] = ()


class RequestMalformed(HttpRefused):
    """The body or query string is not a GraphQL request."""


class AddressTelling(RequestMalformed):
    """The address of a GET says who somebody is, and proxies log addresses."""


class MethodNotAllowed(HttpRefused):
    """The method is not served, or not for this kind of operation."""

    code = "OPERATION_NOT_ALLOWED"
    headers = (("Allow", "GET, POST"),)


class PostNeeded(MethodNotAllowed):
    """GET is for queries alone."""

    headers = (("Allow", "POST"),)


class MediaTypeNotAcceptable(HttpRefused):
    """The Accept header names nothing that can be sent."""


class BodyTooLarge(HttpRefused):
    """The body is longer than the settings allow."""

    headers = (("Connection", "close"),)


class MediaTypeNotSupported(HttpRefused):
    """The body is of a kind that is not read; simple cross-site requests among them."""

    headers = (("Accept", "application/json"),)
