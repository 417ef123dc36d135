"""What is learnt of a request on its way, until it becomes a line."""

import time
from collections.abc import Sequence
from datetime import datetime

import msgspec
from graphql import GraphQLError

from gateway import errors
from gateway.audit.record import CANCELLED, OK, PARTIAL, Record
from gateway.prepare import PreparedDocument
from permissions.principal import Principal
from resolvers.context import RequestContext


class Entry(msgspec.Struct, eq=False):
    """One request's open entry. Until it is told of an answer, the request counts as cancelled.

    `principal`, `prepared`, `document_id`, `denied` and `context` are set as soon as each is known.
    """

    request_id: str
    _time: datetime
    """When the request came in, UTC."""
    _began_s: float
    """The same by a clock that measures."""
    principal: Principal | None = None
    prepared: PreparedDocument | None = None
    document_id: str | None = None
    context: RequestContext | None = None
    denied: frozenset[str] = frozenset()
    kind: str | None = None
    """What was asked for, where that is no operation."""
    _outcome: str = CANCELLED
    _status: int | None = None
    _codes: tuple[str, ...] = ()
    _has_data: bool = False

    def answered(self, status: int, has_data: bool, problems: Sequence[GraphQLError]) -> None:
        """The operation ran, and this is what the answer says."""
        if problems:
            codes = dict.fromkeys(errors.row_of(errors.cause_of(problem)).code for problem in problems)
            self._codes = tuple(codes)
            self._outcome = PARTIAL if has_data else self._codes[0]
        else:
            self._outcome = OK
        self._status = status
        self._has_data = has_data

    def broken(self, problem: BaseException) -> None:
        """An answer that had begun to go out did not come to its end."""
        self._outcome = PARTIAL
        self._codes = (errors.row_of(problem).code,)

    def refused(self, status: int, problem: BaseException) -> None:
        """The request got an error and nothing else."""
        self._outcome = errors.row_of(problem).code
        self._codes = (self._outcome,)
        self._status = status
        self._has_data = False

    def record(self) -> Record:
        """The entry as it stands now. What was gathered for an answer without data was not given out."""
        principal, prepared, context = self.principal, self.prepared, self.context
        duration_ms = int((time.perf_counter() - self._began_s) * 1e6) / 1e3
        if principal is None:
            return Record(
                time=self._time,
                request_id=self.request_id,
                outcome=self._outcome,
                status=self._status,
                duration_ms=duration_ms,
                errors=self._codes,
            )
        return Record(
            time=self._time,
            request_id=self.request_id,
            outcome=self._outcome,
            status=self._status,
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
            disclosed=context.disclosures.rows() if context and self._has_data else [],
        )


def _staff(fhir_user: str) -> str | None:
    """Not where the user is a Patient: the id of one may be an NHS number, and `patient` says who it is."""
    return None if "Patient/" in fhir_user else fhir_user
