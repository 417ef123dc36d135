"""From a document's text to its prepared form, prepared once."""

from collections import OrderedDict
from hashlib import sha256
from typing import Final, TypeVar

from gateway.document_errors import DocumentRefused
from gateway.prepare import Preparation, PreparedDocument

PREPARED_KEPT: Final = 1_000
REFUSED_KEPT: Final = 200

_Kept = TypeVar("_Kept")


class Documents:
    """Prepared documents, the least recently used forgotten first.

    Refusals are kept apart, so that a stream of bad documents cannot push good ones out.
    Preparing does not wait for anything, so one document is never prepared twice at a time.
    """

    def __init__(self, preparation: Preparation, kept: int = PREPARED_KEPT) -> None:
        self._preparation = preparation
        self._kept = kept
        self._prepared: OrderedDict[str, PreparedDocument] = OrderedDict()
        self._refused: OrderedDict[str, DocumentRefused] = OrderedDict()

    async def lookup(self, text: str, operation_name: str | None) -> PreparedDocument:
        """The prepared document of a text; raises `DocumentRefused`."""
        if len(text) > self._preparation.limits.max_characters:
            return self._preparation.prepare(text, operation_name, "")  # refused before it is hashed
        key = document_hash(text, operation_name)
        prepared = self._prepared.get(key)
        if prepared is None:
            prepared = self._prepare(key, text, operation_name)
        self._prepared.move_to_end(key)
        return prepared

    def _prepare(self, key: str, text: str, operation_name: str | None) -> PreparedDocument:
        refused = self._refused.get(key)
        if refused is not None:
            # A new exception each time: a kept one would keep the request that raised it.
            raise type(refused)(*refused.errors)
        try:
            prepared = self._preparation.prepare(text, operation_name, key)
        except DocumentRefused as refusal:
            _keep(self._refused, key, type(refusal)(*refusal.errors), REFUSED_KEPT)
            raise
        _keep(self._prepared, key, prepared, self._kept)
        return prepared


def document_hash(text: str, operation_name: str | None) -> str:
    """SHA-256 (hex) of a text and the name of the operation in it."""
    name = "" if operation_name is None else "\0" + operation_name
    return sha256((text + name).encode("utf-8", "surrogatepass")).hexdigest()


def _keep(kept: OrderedDict[str, _Kept], key: str, value: _Kept, most: int) -> None:
    kept[key] = value
    while len(kept) > most:
        kept.popitem(last=False)
