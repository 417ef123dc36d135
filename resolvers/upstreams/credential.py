"""How the gateway shows a source who it is: the Protocol, and the kinds that need no question first.

A credential gives headers; `Exchange` puts them only on requests to the source's own origins.
"""

from collections.abc import Mapping
from typing import Protocol

from resolvers.upstreams.upstream import Call


class Credential(Protocol):
    """One way to show who the gateway is."""

    async def headers(self, subject: str | None, call: Call) -> Mapping[str, str]:
        """The headers of a call; `subject` is the source's user whose data is asked for, where the source
        knows tokens of users. Raises UpstreamError where there is no credential to be had."""

    async def renewed_after_rejection(self, used: Mapping[str, str], subject: str | None, call: Call) -> bool:
        """After the source refused these headers: whether `headers` may now give others."""

    async def close(self) -> None:
        """Ends what the credential has open."""


class NoCredential:
    """Sends nothing."""

    async def headers(self, subject: str | None, call: Call) -> Mapping[str, str]:
        return {}

    async def renewed_after_rejection(self, used: Mapping[str, str], subject: str | None, call: Call) -> bool:
        return False

    async def close(self) -> None:
        pass


class StaticCredential(NoCredential):
    """The same header on every call."""

    def __init__(self, header: str, value: str) -> None:
        self._headers = {header: value}

    async def headers(self, subject: str | None, call: Call) -> Mapping[str, str]:
        return self._headers


def is_own(call: Call) -> bool:
    """Whether the gateway asks on its own behalf, such as what a source can do: there is no caller then."""
    return call.principal.issuer == ""
