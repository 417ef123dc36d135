"""What is learnt of a request on its way, until it becomes a line."""

from collections.abc import Sequence
from datetime import datetime
from time import monotonic

import msgspec
from graphql import GraphQLError
from msgspec import Raw

from gateway import errors
from gateway.audit.kept import DOCUMENT, KeptParts, UsualParts, UsualRecord
from gateway.audit.record import CANCELLED, ENCODER, OK, PARTIAL, Record, line_of
from gateway.prepare import PreparedDocument
from permissions.principal import Principal
from resolvers.context import RequestContext


class Entry(msgspec.Struct, eq=False):
    """One request's open entry. Until it is told of an answer, the request counts as cancelled.

    `principal`, `prepared`, `document_id`, `denied`, `parts` and `context` are set as soon as each is known.
    """

    request_id: str
    _time: datetime
    """When the request came in, UTC."""
    _began_s: float
    """The same in seconds of `time.monotonic()`."""
    principal: Principal | None = None
    prepared: PreparedDocument | None = None
    document_id: str | None = None
    context: RequestContext | None = None
    denied: frozenset[str] = frozenset()
    kind: str | None = None
    """What was asked for, where that is no operation."""
    parts: UsualParts | None = None
    """Kept with what was decided on the caller and the document."""
    outcome: str = CANCELLED
    status: int | None = None
    has_data: bool = False
    _codes: tuple[str, ...] = ()

    def answered(self, status: int, has_data: bool, problems: Sequence[GraphQLError]) -> None:
        """The operation ran, and this is what the answer says."""
        if problems:
            codes = dict.fromkeys(errors.row_of(errors.cause_of(problem)).code for problem in problems)
            self._codes = tuple(codes)
            self.outcome = PARTIAL if has_data else self._codes[0]
        else:
            self.outcome = OK
        self.status = status
        self.has_data = has_data

    def broken(self, problem: BaseException) -> None:
        """An answer that had begun to go out did not come to its end."""
        self.outcome = PARTIAL
        self._codes = (errors.row_of(problem).code,)

    def refused(self, status: int, problem: BaseException) -> None:
        """The request got an error and nothing else."""
        self.outcome = errors.row_of(problem).code
        self._codes = (self.outcome,)
        self.status = status
        self.has_data = False

    def line(self, kept: KeptParts) -> bytes:
        """The entry's line, its line feed included; of a usual answer from parts that are kept."""
        duration_ms = int((monotonic() - self._began_s) * 1e6) / 1e3
        context, parts = self.context, self.parts
        if (
            context is None
            or not self.has_data
            or self._codes
            or self.denied
            or self.document_id is not None
            or (encoded := (parts and parts.encoded) or self._encoded(kept)) is None
        ):
            return line_of(self.record(duration_ms))
        disclosures = context.disclosures
        usual = UsualRecord(
            self._time,
            self.request_id,
            self.outcome,
            self.status,
            duration_ms,
            encoded,
            *context.recorded(),
            disclosures.rows() if disclosures.total else [],
        )
        return ENCODER.encode(usual) + b"\n"

    def _encoded(self, kept: KeptParts) -> Raw | None:
        """What is told of the caller and the document; None where it cannot be kept."""
        principal, prepared = self.principal, self.prepared
        if principal is None or prepared is None:
            return None
        caller = kept.callers.get(id(principal)) or kept.of_caller(principal, self.record(0.0))
        if not caller.before:
            return None
        of_document = prepared.kept.get(DOCUMENT) or kept.of_document(prepared, self.record(0.0))
        encoded = Raw(caller.before + of_document + caller.after)
        if self.parts is not None:
            self.parts.encoded = encoded
        return encoded

    def record(self, duration_ms: float) -> Record:
        """The entry as it stands now. What was gathered for an answer without data was not given out."""
        principal, prepared, context = self.principal, self.prepared, self.context
        if principal is None:
            return Record(
                time=self._time,
                request_id=self.request_id,
                outcome=self.outcome,
                status=self.status,
                duration_ms=duration_ms,
                errors=self._codes,
            )
        return Record(
            time=self._time,
            request_id=self.request_id,
            outcome=self.outcome,
            status=self.status,
            duration_ms=duration_ms,
            errors=self._codes,
            issuer=principal.issuer,
            client=principal.client,
            subject=principal.subject,
            fhir_user=_staff(principal.fhir_user) if principal.fhir_user is not None else None,
            token_id=principal.token_id,
            patient=context.own_id if context else None,
            kind=prepared.kind if prepared else self.kind,
            operation=prepared.operation_name if prepared else None,
            document=prepared.hash if prepared else None,
            document_id=self.document_id,
            purposes=principal.purposes,
            breaks_glass=context is not None and context.permissions.breaks_glass,
            denied=tuple(sorted(self.denied)) if self.denied else (),
            sources=context.statuses() if context else {},
            identity_conflicts=context.conflict_counts() if context else {},
            disclosed=context.disclosures.rows() if context and self.has_data else [],
        )


def _staff(fhir_user: str) -> str | None:
    """Not where the user is a Patient: the id of one may be an NHS number, and `patient` says who it is."""
    return None if "Patient/" in fhir_user else fhir_user
