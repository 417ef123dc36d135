"""A large answer as JSON, piece by piece, so that other requests have their turns in between."""

import asyncio
from collections.abc import Iterator
from typing import Any

from clinical.codec import encode_json
from resolvers.turns import Turns


async def encode_in_turns(document: dict[str, Any], turns: Turns) -> bytes:
    """The same bytes as `encode_json` gives. Uses the document up: what has been encoded is freed then and
    there, as to free all of it at once would take long too."""
    pieces = []
    for piece in _pieces(document):
        if turns.is_over:
            await turns.take()
        pieces.append(piece)
    await asyncio.sleep(0)
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
        for place, item in enumerate(value):
            yield mark + encode_json(item)
            value[place] = None
            mark = b","
        yield b"]" if value else b"[]"
    else:
        yield encode_json(value)
