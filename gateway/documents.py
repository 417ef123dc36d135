"""From a document's text to its prepared form, prepared once."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from typing import Final, Generic, TypeVar

from gateway.document_errors import DocumentRefused
from gateway.prepare import Preparation, PreparedDocument

PREPARED_KEPT: Final = 1_000
REFUSED_KEPT: Final = 200
CHARACTERS_KEPT: Final = 500_000
"""Of all texts that are kept: a document takes 90 to 210 bytes for each character of a dense text."""

Key = tuple[str, str | None]
"""A text and the name of the operation in it."""

_Kept = TypeVar("_Kept")


class Documents:
    """Prepared documents, the least recently used forgotten first.

    Refusals are kept apart, so that a stream of bad documents cannot push good ones out. A document is
    prepared once however many ask for it at a time, and in a thread: the worst that the default limits
    let through takes 100 ms, for which nobody else must wait.
    """

    def __init__(self, preparation: Preparation, kept: int = PREPARED_KEPT) -> None:
        self._preparation = preparation
        self._prepared: _Cache[PreparedDocument] = _Cache(kept)
        self._refused: _Cache[DocumentRefused] = _Cache(REFUSED_KEPT)
        self.kept: Callable[[Key], PreparedDocument | None] = self._prepared.values.get
        """The prepared document of a text and the name of its operation, where kept; `used` follows."""
        self.used: Callable[[Key], None] = self._prepared.values.move_to_end
        """Notes that it was found: what was used last is forgotten last."""
        self._pinned: Mapping[Key, PreparedDocument] = {}
        self._under_way: dict[Key, asyncio.Future[PreparedDocument | DocumentRefused]] = {}
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="documents")

    async def lookup(self, text: str, operation_name: str | None) -> PreparedDocument:
        """The prepared document of a text; raises `DocumentRefused`."""
        key = (text, operation_name)
        return self._prepared.find(key) or self._pinned.get(key) or await self._prepare(key)

    def pin(self, prepared: Mapping[Key, PreparedDocument]) -> None:
        """Keeps these, which nothing pushes out, in the place of those pinned before."""
        self._pinned = prepared

    async def _prepare(self, key: Key) -> PreparedDocument:
        if len(key[0]) > self._preparation.limits.max_characters:
            return self._preparation.prepare(*key, "")  # refused at once, and not kept
        outcome = self._refused.find(key) or await self._once(key)
        if isinstance(outcome, DocumentRefused):
            # A new exception each time: a kept one would keep the request that raised it.
            raise type(outcome)(*outcome.errors)
        return outcome

    async def _once(self, key: Key) -> PreparedDocument | DocumentRefused:
        under_way = self._under_way.get(key)
        if under_way is None:
            loop = asyncio.get_running_loop()
            under_way = self._under_way[key] = loop.run_in_executor(self._thread, self._attempt, key)
            under_way.add_done_callback(partial(self._keep, key))
        # Shielded: a caller that goes away must not take the document from the others.
        return await asyncio.shield(under_way)

    def _attempt(self, key: Key) -> PreparedDocument | DocumentRefused:
        try:
            return self._preparation.prepare(*key, document_hash(*key))
        except DocumentRefused as refusal:
            return type(refusal)(*refusal.errors)

    def _keep(self, key: Key, done: "asyncio.Future[PreparedDocument | DocumentRefused]") -> None:
        del self._under_way[key]
        if done.cancelled() or done.exception() is not None:
            return
        outcome = done.result()
        if isinstance(outcome, DocumentRefused):
            self._refused.keep(key, outcome)
        else:
            self._prepared.keep(key, outcome)


class _Cache(Generic[_Kept]):
    """So many values, and so many characters of the texts that they belong to.

    The text itself is the key: to hash it as SHA-256 would cost more than to find it, and a prepared
    document holds it anyway.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._characters = 0
        self.values: OrderedDict[Key, _Kept] = OrderedDict()

    def __len__(self) -> int:
        return len(self.values)

    def find(self, key: Key) -> _Kept | None:
        value = self.values.get(key)
        if value is not None:
            self.values.move_to_end(key)
        return value

    def keep(self, key: Key, value: _Kept) -> None:
        self.values[key] = value
        self._characters += len(key[0])
        while len(self.values) > self._most or self._characters > CHARACTERS_KEPT:
            forgotten, _ = self.values.popitem(last=False)
            self._characters -= len(forgotten[0])


def document_hash(text: str, operation_name: str | None) -> str:
    """SHA-256 (hex) of a text and the name of the operation in it."""
    name = "" if operation_name is None else "\0" + operation_name
    return sha256((text + name).encode("utf-8", "surrogatepass")).hexdigest()
