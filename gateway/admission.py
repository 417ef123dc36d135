"""What is decided on a caller with a document: once, and kept with the document."""

from typing import Final
from weakref import WeakSet

import msgspec

from gateway.audit.kept import UsualParts
from gateway.charging import Account
from gateway.execution.denials import Denials
from gateway.prepare import PreparedDocument
from permissions.decision import Decisions
from permissions.principal import Principal
from resolvers.context import Standing
from resolvers.federation import Federation

ADMISSIONS_KEPT: Final = 10_000
"""Of all documents and callers together; each takes about a kilobyte. At one more all are forgotten."""


class Admission(msgspec.Struct):
    """`standing`: what every context of the caller has; `denied`: the coordinates of the document that the
    caller's scopes do not permit; `recorded`: what the audit says of that; `account`: what the caller's bills
    have alike, once there was one; `parts`: likewise the lines of the audit."""

    standing: Standing
    denied: frozenset[str]
    recorded: frozenset[str]
    parts: UsualParts
    account: Account | None = None


class Admissions:
    """The first door, and the caller's standing behind it.

    It is kept by the `id` of the caller: an authenticated principal is the same object in each request for as
    long as its token is held for good, and a kept admission holds it.
    """

    def __init__(
        self, decisions: Decisions, denials: Denials, federation: Federation, *, rejects: bool = False
    ) -> None:
        self._decisions = decisions
        self._denials = denials
        self._federation = federation
        self._rejects = rejects
        self._documents: WeakSet[PreparedDocument] = WeakSet()
        self._count = 0

    def of(self, principal: Principal, prepared: PreparedDocument) -> Admission:
        """What is decided on the caller, kept in `prepared.admissions`. Raises ScopeInsufficient."""
        permissions = self._decisions.of(principal)
        standing = self._federation.standing(principal, permissions, rejects=self._rejects)
        admission = Admission(standing, *self._denials.judged(prepared, permissions), UsualParts())
        if self._federation.lasts(standing):
            self._keep(prepared, id(principal), admission)
        return admission

    def _keep(self, prepared: PreparedDocument, caller: int, admission: Admission) -> None:
        """Those of documents that are forgotten meanwhile are forgotten with them."""
        if self._count >= ADMISSIONS_KEPT:
            for one in self._documents:
                one.admissions.clear()
            self._documents, self._count = WeakSet(), 0
        self._documents.add(prepared)
        self._count += caller not in prepared.admissions
        prepared.admissions[caller] = admission
