"""Reading a request's body, never more of it than allowed."""

from starlette.types import Message, Receive

from gateway.http_errors import BodyTooLarge


class ClientGone(Exception):
    """The client closed the connection before it had its answer."""


def check_length(declared: bytes, bytes_max: int) -> None:
    """Raises `BodyTooLarge` for a body that is said to be too long, before any of it is read."""
    if declared.isdigit() and int(declared) > bytes_max:
        raise _too_large(bytes_max)


async def whole_body(message: Message, receive: Receive, bytes_max: int) -> bytes:
    """The body that begins with this message; raises `BodyTooLarge` as soon as that is known, `ClientGone`
    where it breaks off."""
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
