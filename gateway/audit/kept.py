"""What lines have in common, encoded once: what is told of a caller, and what of a document."""

from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final

import msgspec

from gateway.audit.record import ENCODER, Record
from gateway.prepare import PreparedDocument
from permissions.principal import Principal
from resolvers.disclosure import Disclosure

CALLERS_KEPT: Final = 1_000
DOCUMENT: Final = "audit"
"""Under which a document keeps its part."""

_CALLER: Final = ("issuer", "client", "subject", "fhir_user", "token_id")
_PURPOSES: Final = ("purposes", "breaks_glass")
_OF_DOCUMENT: Final = ("kind", "operation", "document")


class CallerParts(msgspec.Struct, frozen=True):
    """What a line tells of a caller before the document, beginning with the issuer's value, and after it.
    Both are empty where that cannot be kept."""

    principal: Principal
    before: bytes
    after: bytes


class UsualParts(msgspec.Struct):
    """What is told alike of each usual answer to one caller by one document, once there was one."""

    encoded: msgspec.Raw | None = None


class UsualRecord(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A `Record` of an answer that lacks nothing. The encoder copies `Raw` as it stands: `issuer` holds also
    what follows it, up to `sources`."""

    time: datetime
    request_id: str
    outcome: str
    status: int | None
    duration_ms: float
    issuer: msgspec.Raw
    sources: Mapping[str, str] = {}
    identity_conflicts: Mapping[str, int] = {}
    disclosed: Sequence[Disclosure] = []


class KeptParts:
    """The parts of lines that do not depend on the request."""

    def __init__(self) -> None:
        self.callers: OrderedDict[int, CallerParts] = OrderedDict()

    def of_caller(self, principal: Principal, record: Record) -> CallerParts:
        """The parts of a caller, kept for the next line. Of one whose token is for a patient there are none:
        who that is, is only found out on the way."""
        before = after = b""
        if not principal.has_patient:
            with suppress(UnicodeEncodeError):
                before, after = _encoded(record, _CALLER), _encoded(record, _PURPOSES)
        # Authenticated principals are kept with their tokens, so the next request brings the same object.
        made = CallerParts(principal, before.removeprefix(b',"issuer":'), after)
        self.callers[id(principal)] = made
        if len(self.callers) > CALLERS_KEPT:
            self.callers.popitem(last=False)
        return made

    def of_document(self, prepared: PreparedDocument, record: Record) -> bytes:
        """The part of a document, kept with it."""
        made: bytes = prepared.kept.setdefault(DOCUMENT, _encoded(record, _OF_DOCUMENT))
        return made


def _encoded(record: Record, names: Collection[str]) -> bytes:
    """Some members of a record as they stand in its line, a comma before each."""
    defaults = {field.name: field.default for field in msgspec.structs.fields(record)}
    told = {name: value for name in names if (value := getattr(record, name)) != defaults[name]}
    return b"," + ENCODER.encode(told)[1:-1] if told else b""
