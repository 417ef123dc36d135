"""Of what media type an attachment is sent, so that no browser takes it for something else."""

import re
from collections.abc import Sequence
from typing import Final

from resolvers.upstreams.attachment import AttachmentTypeRefused

_CHARSET: Final = re.compile(r""";\s*charset\s*=\s*"?([A-Za-z0-9_.:-]{1,40})"?\s*(?:;|$)""", re.IGNORECASE)
_UNKNOWN: Final = frozenset({"", "application/octet-stream", "binary/octet-stream"})
"""What servers say that do not know."""


def accept_of(stated: object, allowed: Sequence[str]) -> str:
    """The Accept header for an attachment whose element states a type: data as they are, not as FHIR."""
    first = _parsed(stated)[0]
    return f"{first}, */*;q=0.5" if first in allowed else "*/*"


def sent_type(source: str, answered: str | None, stated: object, allowed: Sequence[str]) -> str:
    """The Content-Type that goes out: what the source answered, and where it does not know, what the element
    states. Raises AttachmentTypeRefused for any that is not allowed."""
    essence, charset = _parsed(answered)
    if essence in _UNKNOWN:
        essence, charset = _parsed(stated)
    if essence not in allowed:
        raise AttachmentTypeRefused(source, "Attachments of this media type are not sent.")
    return f"{essence}; charset={charset}" if charset and essence.startswith("text/") else essence


def _parsed(text: object) -> tuple[str, str | None]:
    """The type without parameters, empty where nothing is said, and its charset."""
    if not isinstance(text, str):
        return "", None
    essence, charset = text.partition(";")[0].strip().lower(), _CHARSET.search(text)
    return essence, charset[1] if charset else None
