"""Requests as the bytes that go over an HTTP/1.1 connection (RFC 9112 3)."""

from typing import Final
from urllib.parse import quote, urlsplit

import msgspec

from resolvers.upstreams.http1_body import CODINGS
from resolvers.upstreams.transport import Request

_PORTS: Final = {"http": 80, "https": 443}
_OWN: Final = (
    ("\nuser-agent:", "User-Agent: clinical-gateway\r\n"),
    ("\naccept-encoding:", f"Accept-Encoding: {CODINGS}\r\n"),
)
_PRINTABLE: Final = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in "#")


class Origin(msgspec.Struct, frozen=True):
    """Where connections lead: `authority` is what the Host header says."""

    host: str
    port: int
    is_secure: bool
    authority: str


def split_address(address: str) -> tuple[str, Origin, str]:
    """`scheme://authority`, what that is, and the target to ask for there. Raises ValueError."""
    parts = urlsplit(address)
    if parts.scheme not in _PORTS or not parts.hostname or "@" in parts.netloc:
        raise ValueError("no address of a server")
    port, is_secure = parts.port, parts.scheme == "https"
    host, authority = parts.hostname, parts.netloc
    if not host.isascii():
        host = host.encode("idna").decode()
        authority = host if port is None else f"{host}:{port}"
    origin = Origin(host, port or _PORTS[parts.scheme], is_secure, authority)
    target = parts.path or "/"
    if parts.query:
        target = f"{target}?{parts.query}"
    return f"{parts.scheme}://{parts.netloc}", origin, target


def message(request: Request, origin: Origin, target: str) -> bytes:
    """The whole request. Raises ValueError where a header would not be one line."""
    count = len(request.headers)
    lines = "".join([f"{name}: {value}\r\n" for name, value in request.headers.items()])
    if lines.count("\n") != count or lines.count("\r") != count or "\0" in lines:
        raise ValueError("a header holds a character that no header can hold")
    present = "\n" + lines.lower()
    for mark, line in _OWN:
        if mark not in present:
            lines += line
    if "\nhost:" not in present:
        lines = f"Host: {origin.authority}\r\n{lines}"
    body = request.body
    if body is None and request.method != "GET":
        body = b""
    if body is not None and "\ncontent-length:" not in present:
        lines += f"Content-Length: {len(body)}\r\n"
    head = f"{request.method} {_sendable(target)} HTTP/1.1\r\n{lines}\r\n".encode()
    return head if body is None else head + body


def _sendable(target: str) -> str:
    """The target without a fragment, and with nothing in it that would end it."""
    if target.isascii() and target.isprintable() and " " not in target and "#" not in target:
        return target
    return quote(target.partition("#")[0], safe=_PRINTABLE)
