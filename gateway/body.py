"""Reading a request's body, never more of it than allowed."""

from starlette.types import Receive

from gateway.http_errors import BodyTooLarge


class ClientGone(Exception):
    """The client closed the connection before it had its answer."""


async def read_body(declared_length: bytes | None, receive: Receive, bytes_max: int) -> bytes:
    """The whole body; raises `BodyTooLarge` as soon as that is known, `ClientGone` where it breaks off."""
    if declared_length is not None and declared_length.isdigit() and int(declared_length) > bytes_max:
        raise _too_large(bytes_max)
    message = await receive()
    first: bytes = message.get("body", b"")
    if message["type"] == "http.request" and not message.get("more_body") and len(first) <= bytes_max:
        return first  # as nearly every body comes
    body = bytearray()
    while True:
        if message["type"] == "http.disconnect":
            raise ClientGone
        part, is_last = message.get("body", b""), not message.get("more_body", False)
        if len(body) + len(part) > bytes_max:
            raise _too_large(bytes_max)
        body += part
        if is_last:
            return bytes(body)
        message = await receive()


def _too_large(bytes_max: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body is longer than {bytes_max} bytes, which is the most allowed.")
