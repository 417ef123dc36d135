"""`ETag` and `If-None-Match` of answers to a GET (RFC 9110, sections 8.8.3 and 13.1.2).

A tag is of what an answer says: its data, and how each source fared. It is weak, as what is told anew each
time is not part of it: the cost of the request, what is left of a budget. An answer with errors has none, as
it should not be taken for the last word.
"""

import re
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Final

from clinical.codec import encode_json

BYTES: Final = 16
_TAG: Final = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')


class EntityTags:
    """Tags under a key that all replicas have: without it nobody can try out, against a tag that some log
    has kept, what an answer may have said."""

    def __init__(self, key: bytes) -> None:
        self._key = blake2b(b"entity tags", key=key, digest_size=32).digest()

    def tag(self, data: bytes, sources: Sequence[dict[str, Any]], media_type: str) -> str:
        """The tag of an answer, from its data as they are sent."""
        hashed = blake2b(data, key=self._key, digest_size=BYTES)
        hashed.update(b"\0" + encode_json(sources) + b"\0" + media_type.encode())
        return f'W/"{hashed.hexdigest()}"'


def matches(if_none_match: str | None, tag: str) -> bool:
    """Whether the client has the answer already, by weak comparison."""
    if if_none_match is None:
        return False
    if if_none_match.strip() == "*":
        return True
    return tag.removeprefix("W/") in _TAG.findall(if_none_match)
