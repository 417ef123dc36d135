"""Which text a request asks for: its own, a registered one, or a trusted one.

`require` never fails open: what is trusted lies in this process, and a store that is away can only mean that
a client has to send its text, which is then trusted or refused.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import Final

import msgspec

from gateway.document_errors import DocumentUnknown, OperationNotAllowed
from gateway.graphql_request import GraphQLRequest
from gateway.http_errors import RequestMalformed
from gateway.persisted.names import document_name, is_hash, text_hash
from gateway.persisted.registered import RegisteredDocuments
from gateway.persisted.reload import TrustedDocuments
from gateway.persisted.settings import DocumentSettings
from permissions.principal import Principal

NOT_FOUND: Final = "PersistedQueryNotFound"
"""The words at which clients send the text, as Apollo's protocol has it."""

TierOf = Callable[[Principal], str | None]
"""The name of the rate-limit tier that a caller is in."""


class Asked(msgspec.Struct, frozen=True):
    """The text that a request asks for. `id`: the one that it was found by; `registers`: it came with the id
    by which it is to be found from now on."""

    text: str
    id: str | None = None
    registers: bool = False


class PersistedDocuments:
    """Texts by what requests say. `characters_max`: a longer text is refused elsewhere, and not hashed. What
    is trusted at the time is in `trusted`."""

    def __init__(
        self,
        settings: DocumentSettings,
        trusted: TrustedDocuments,
        registered: RegisteredDocuments,
        tier_of: TierOf,
        characters_max: int,
    ) -> None:
        self._settings = settings
        self.trusted = trusted
        self._registered = registered
        self._tier_of = tier_of
        self._characters_max = characters_max
        self.takes_any_text = not settings.may_require
        """Whether nobody is limited to trusted documents: a request without an id asks for its own text."""

    async def asked(self, request: GraphQLRequest, principal: Principal) -> Asked:
        """What a request asks for; raises `RequestMalformed`, `DocumentUnknown`, `OperationNotAllowed`."""
        name = document_name(request)
        requires = self._settings.mode_of(self._tier_of(principal)) == "require"
        if name is None:
            return self._by_text(request.query, requires)
        trusted = self.trusted.current.by_id.get(name)
        if trusted is not None:
            if request.query is not None and request.query != trusted:
                raise RequestMalformed("The id is of another document than the one in `query`.")
            return Asked(trusted, name)
        if request.query is not None:
            return self._by_both(request.query, name, requires)
        found = None if requires else await self._found(principal, name)
        if found is None:
            raise DocumentUnknown.because(NOT_FOUND)
        return Asked(found, name)

    async def register(self, asked: Asked, principal: Principal) -> None:
        """Keeps a text that is to be registered, once it has proved to be a document."""
        if asked.registers and asked.id is not None:
            await self._registered.keep(_owner(principal), asked.id, asked.text)

    def _by_text(self, text: str | None, requires: bool) -> Asked:
        if text is None:
            raise RequestMalformed("`query` is missing.")
        if requires and text not in self.trusted.current.texts:
            raise OperationNotAllowed.because("Only trusted documents are executed, and this is none.")
        return Asked(text)

    def _by_both(self, text: str, name: str, requires: bool) -> Asked:
        if len(text) > self._characters_max:
            return self._by_text(text, requires)
        if not is_hash(name) or text_hash(text) != name:
            raise RequestMalformed("The id is not the SHA-256 of `query`.")
        self._by_text(text, requires)
        return Asked(text, None if requires else name, registers=not requires)

    async def _found(self, principal: Principal, name: str) -> str | None:
        text = await self._registered.find(_owner(principal), name) if is_hash(name) else None
        # A store is a room that others have keys to: what it gives is looked at.
        return text if text is not None and text_hash(text) == name else None


def _owner(principal: Principal) -> str:
    """The client, in a form of one length that a store may see."""
    return sha256(f"{principal.issuer}\0{principal.client}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
