"""A large answer as JSON, piece by piece, so that other requests have their turns in between."""

from collections.abc import Iterator
from typing import Any

from clinical.codec import encode_json
from resolvers.turns import Turns


async def encode_in_turns(document: dict[str, Any], turns: Turns) -> bytes:
    """The same bytes as `encode_json` gives."""
    pieces = []
    for piece in _pieces(document):
        if turns.is_over:
            await turns.take()
        pieces.append(piece)
    return b"".join(pieces)


def _pieces(value: Any) -> Iterator[bytes]:
    """Objects key by key, down to the first lists, and of these each item as a whole."""
    if isinstance(value, dict):
        mark = b"{"
        for key, one in value.items():
            yield mark + encode_json(key) + b":"
            yield from _pieces(one)
            mark = b","
        yield b"}" if value else b"{}"
    elif isinstance(value, list):
        mark = b"["
        for item in value:
            yield mark + encode_json(item)
            mark = b","
        yield b"]" if value else b"[]"
    else:
        yield encode_json(value)
