"""Reading a request's body, never more of it than allowed."""

from starlette.datastructures import Headers
from starlette.types import Receive

from gateway.http_errors import BodyTooLarge


class ClientGone(Exception):
    """The client closed the connection before it had sent its request."""


async def read_body(headers: Headers, receive: Receive, bytes_max: int) -> bytes:
    """The whole body; raises `BodyTooLarge` as soon as that is known, `ClientGone` where it breaks off."""
    declared = headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > bytes_max:
        raise _too_large(bytes_max)
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        body += message.get("body", b"")
        if len(body) > bytes_max:
            raise _too_large(bytes_max)
        if not message.get("more_body", False):
            return bytes(body)


def _too_large(bytes_max: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body is longer than {bytes_max} bytes, which is the most allowed.")
