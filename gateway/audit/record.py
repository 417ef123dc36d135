"""One line of the disclosure record: who asked, by what, what became of it, and what was given out.

What is in a line is decided here and nowhere else. Never: a token, the text of a document, a variable,
a message, anything that a source says of a person. A patient is the gateway's own person id.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

from resolvers.disclosure import Disclosure

OK: Final = "OK"
PARTIAL: Final = "PARTIAL"
"""Data went out, and errors beside it."""
CANCELLED: Final = "CANCELLED"
"""Nothing went out: the client left, or the process was told to end."""


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One request. What is not known stays out of the line."""

    time: datetime
    """When the request came in, UTC."""
    request_id: str
    outcome: str
    """OK, PARTIAL, CANCELLED, or the code of docs/errors.md by which the request was refused."""
    status: int | None = None
    """The HTTP status; None where no answer went out."""
    duration_ms: float
    errors: tuple[str, ...] = ()
    """The codes of all errors of the answer, each once."""
    issuer: str | None = None
    client: str | None = None
    subject: str | None = None
    fhir_user: str | None = None
    """The `fhirUser` claim, unless that is a Patient."""
    token_id: str | None = None
    """The token's `jti`; None also where the issuer gives none."""
    patient: str | None = None
    """The person to whose compartment the token is limited, where that was looked up."""
    kind: str | None = None
    operation: str | None = None
    """The operation's name in the document."""
    document: str | None = None
    """SHA-256 (hex) of the document's text and the operation's name."""
    document_id: str | None = None
    """The id by which the document was asked for, where that is known to be one."""
    purposes: tuple[str, ...] = ()
    """The purposes of use that the token states."""
    breaks_glass: bool = False
    """Whether one of them clears what labels withhold."""
    denied: tuple[str, ...] = ()
    """The coordinates that the operation selects and the scopes do not permit; also where that is only
    measured."""
    sources: Mapping[str, str] = {}
    """How each source that was asked fared (its status), by its name."""
    identity_conflicts: Mapping[str, int] = {}
    """How many records of each source were found and not linked, as they are in doubt."""
    disclosed: Sequence[Disclosure] = []


ENCODER: Final = msgspec.json.Encoder()
"""Of lines, and of parts that are kept of them."""


def line_of(record: Record) -> bytes:
    """The record as one line of JSON, its line feed included."""
    try:
        return ENCODER.encode(record) + b"\n"
    except UnicodeEncodeError:
        # A token's claims may hold half a surrogate pair, which UTF-8 cannot say.
        return ENCODER.encode(_escaped(record)) + b"\n"


def _escaped(record: Record) -> dict[str, object]:
    named = msgspec.structs.asdict(record).items()
    defaults = {field.name: field.default for field in msgspec.structs.fields(record)}
    return {
        name: value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
        for name, value in named
        if value != defaults[name]
    }
