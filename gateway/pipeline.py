"""The request's whole way, top to bottom."""

import asyncio
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Final

import msgspec

from clinical.codec import encode_json
from gateway import response
from gateway.addresses import Addresses
from gateway.admission import Admission, Admissions
from gateway.audit.entry import Entry
from gateway.audit.record import OK
from gateway.audit.trail import Trail
from gateway.authn.authenticator import AuthenticationFailed, Authenticator, Credentials
from gateway.charging import Account, Bill, Charging
from gateway.cost_header import ABSENT, CostHeader
from gateway.documents import Documents
from gateway.ending import Ending
from gateway.entity_tags import EntityTags, matches
from gateway.errors import DeadlinePassed
from gateway.execution.denials import Denials
from gateway.execution.executor import ExecutionResult, Executor
from gateway.graphql_request import GraphQLRequest
from gateway.http_errors import PostNeeded
from gateway.persisted.names import EXTENSION
from gateway.persisted.persisted import PersistedDocuments
from gateway.prepare import PreparedDocument
from gateway.response import Reply
from gateway.telemetry import Telemetry
from permissions.decision import Decisions
from permissions.principal import Principal
from resolvers.context import RequestContext
from resolvers.federation import Federation
from resolvers.turns import Turns

log = logging.getLogger(__name__)

RESERVE_MAX_S: Final = 0.5
RESERVE_PART: Final = 0.1
LARGE_ROWS: Final = 500
"""An answer with more is encoded piece by piece."""


class Incoming(msgspec.Struct, frozen=True):
    """One GraphQL request with what HTTP says about it."""

    request: GraphQLRequest
    credentials: Credentials
    request_id: str
    media_type: str
    ending: Ending
    is_get: bool = False
    cost: CostHeader = ABSENT
    if_none_match: str | None = None


class Pipeline:
    """Answers GraphQL requests. `deadline_s` is the time that one of them may take, whatever happens;
    `rejects`: an operation with a denied field is not answered in part."""

    def __init__(
        self,
        authenticator: Authenticator,
        persisted: PersistedDocuments,
        documents: Documents,
        federation: Federation,
        decisions: Decisions,
        denials: Denials,
        executor: Executor,
        charging: Charging,
        telemetry: Telemetry,
        trail: Trail,
        deadline_s: float,
        *,
        addresses: Addresses,
        tags: EntityTags,
        rejects: bool = False,
    ) -> None:
        self._persisted = persisted
        self._documents = documents
        self._kept, self._used = documents.kept, documents.used
        self._addresses = addresses
        self._tags = tags
        self._open = federation.opened
        self._charging = charging
        self._trail = trail
        # So that what did arrive can still be merged and sent in time.
        self._sources_s = deadline_s - min(RESERVE_MAX_S, deadline_s * RESERVE_PART)
        self.deadline_s = deadline_s
        self._recognised, self._is_quick = authenticator.at_once, not telemetry.is_on
        self._takes_kept = self._is_quick and persisted.takes_any_text
        self._failed = telemetry.failed
        admissions = Admissions(decisions, denials, federation, rejects=rejects)
        staged = telemetry.staged
        self.answer = staged("request", self._run, _request_attributes)
        """The reply to a request; refusals and faults are replies too, and each leaves its line."""
        self._authenticate = staged("authenticate", authenticator.authenticate)
        self._document = staged("documents", self._find)
        self._permit = telemetry.spanned("permissions", admissions.of)
        self._reserve = staged("limits", Bill.reserve)
        self._execute = staged("execution", executor.run, _operation_attributes)
        self._respond = telemetry.spanned("response", self._build)
        self._respond_in_turns = staged("response", self._build_in_turns)

    def refuse(self, problem: Exception, request_id: str, media_type: str) -> Reply:
        """The reply to what is no GraphQL request; it leaves its line too."""
        entry = self._trail.open(request_id)
        try:
            return _refusal(entry, problem, media_type)
        finally:
            self._trail.close(entry)

    def forsaken(self, request_id: str) -> None:
        """Leaves the line of a request whose client left before all of it had come."""
        self._trail.close(self._trail.open(request_id))

    async def _run(self, incoming: Incoming) -> Reply:
        now_s, request_id, is_quick = monotonic(), incoming.request_id, self._is_quick
        entry = Entry(request_id, datetime.now(UTC), now_s)  # as `Trail.open`
        try:
            credentials, request = incoming.credentials, incoming.request
            variables = request.variables or {}

            principal = (is_quick and self._recognised(credentials)) or await self._authenticate(credentials)
            entry.principal = principal

            prepared, text = None, request.query
            if (
                self._takes_kept
                and not (text is None or request.document_id is not None or incoming.is_get)
                and not (request.extensions and EXTENSION in request.extensions)
                and (prepared := self._kept(key := (text, request.operation_name)))
            ):
                self._used(key)
            entry.prepared = prepared = prepared or await self._document(incoming, principal, entry)

            admission: Admission | None = prepared.admissions.get(id(principal)) if is_quick else None
            if admission is None:
                admission = self._permit(principal, prepared)
            denied, entry.denied, entry.parts = admission.denied, admission.recorded, admission.parts

            account = admission.account or self._account(admission, prepared)
            if (fixed := account.fixed) is not None:
                bill = Bill(account, prepared, variables, variables, fixed)
            else:
                bill = account.bill(prepared, variables)
            if incoming.cost.validates:
                return await self._priced(bill, incoming, entry)

            context = self._open(
                admission.standing, now_s + self._sources_s, request_id, credentials.authorization, denied
            )
            entry.context = context
            try:
                if not (is_quick and bill.take(context)):
                    await self._reserve(bill, context)
                result = await self._execute(prepared, variables, context)
                bill.settle(result)
                if incoming.is_get or context.disclosures.total > LARGE_ROWS:
                    return await self._answer_in_turns(incoming, bill, result, context, entry)
                return self._respond(incoming, bill, result, context, entry)
            finally:
                try:
                    if bill.actual is None:
                        bill.close()
                finally:
                    context.close()
        except BaseException as problem:  # noqa: BLE001  the last line: a fault must not break the connection
            return self._refused(problem, incoming, entry)
        finally:
            self._trail.close(entry)

    async def _answer_in_turns(
        self, incoming: Incoming, bill: Bill, result: ExecutionResult, context: RequestContext, entry: Entry
    ) -> Reply:
        """The reply to an operation that ran, where it is large, or may be kept."""
        turns = context.turns if context.disclosures.total > LARGE_ROWS else None
        reply = await self._respond_in_turns(incoming, bill, result, context, turns)
        entry.answered(reply.status, result.data is not None, result.errors)
        if turns is not None:
            await context.loaders.let_go(turns)
        return reply

    def _account(self, admission: Admission, prepared: PreparedDocument) -> Account:
        """What the caller's bills for the document have alike, kept with the admission."""
        principal = admission.standing.principal
        admission.account = made = self._charging.account(principal, prepared, admission.denied)
        return made

    def _refused(self, problem: BaseException, incoming: Incoming, entry: Entry) -> Reply:
        """The reply to a request that failed. Raises what is to be answered by nobody."""
        if isinstance(problem, asyncio.CancelledError):
            try:
                incoming.ending.check()
            except DeadlinePassed as passed:
                problem = passed
        if not isinstance(problem, Exception):
            raise problem
        self._failed(problem)
        _log_refusal(problem, incoming.request_id)
        return _refusal(entry, problem, incoming.media_type)

    async def _find(self, incoming: Incoming, principal: Principal, entry: Entry) -> PreparedDocument:
        """The document that is asked for, and may be."""
        request = incoming.request
        if incoming.is_get:
            self._addresses.check_values(request)
        asked = await self._persisted.asked(request, principal)
        entry.document_id = asked.id
        entry.prepared = prepared = await self._documents.lookup(asked.text, request.operation_name)
        if asked.registers:
            await self._persisted.register(asked, principal)
        if incoming.is_get:
            self._check_get(request, prepared)
        return prepared

    def _build(
        self, incoming: Incoming, bill: Bill, result: ExecutionResult, context: RequestContext, entry: Entry
    ) -> Reply:
        """The reply to an operation that ran, noted in the entry."""
        extensions = context.told()
        extensions["cost"] = bill.told(incoming.cost)
        if result.data is not None and not result.errors:
            body = encode_json({"data": result.data, "extensions": extensions})
            entry.outcome, entry.status, entry.has_data = OK, 200, True
            return Reply(200, incoming.media_type, body, bill.headers)
        reply = response.build(result, extensions, incoming.request_id, incoming.media_type, bill.headers)
        entry.answered(reply.status, result.data is not None, result.errors)
        return reply

    async def _build_in_turns(
        self,
        incoming: Incoming,
        bill: Bill,
        result: ExecutionResult,
        context: RequestContext,
        turns: Turns | None,
    ) -> Reply:
        """The same, where that is large, or may be kept."""
        extensions = {**context.told(), "cost": bill.told(incoming.cost)}
        tags = self._tags if incoming.is_get else None
        reply = await response.build_in_turns(
            result, extensions, incoming.request_id, incoming.media_type, bill.headers, turns, tags
        )
        if reply.etag is not None and matches(incoming.if_none_match, reply.etag):
            return response.not_modified(reply)
        return reply

    async def _priced(self, bill: Bill, incoming: Incoming, entry: Entry) -> Reply:
        """What the operation would cost; nothing is executed and nothing charged."""
        obstacle = bill.obstacle()
        await bill.look()
        reply = response.price(
            bill.told(incoming.cost), obstacle, incoming.request_id, incoming.media_type, bill.headers
        )
        if obstacle is None:
            entry.answered(reply.status, False, ())
        else:
            entry.refused(reply.status, obstacle)
        return reply

    def _check_get(self, request: GraphQLRequest, prepared: PreparedDocument) -> None:
        if prepared.kind != "query":
            raise PostNeeded("Only queries may be sent by GET.")
        self._addresses.check_arguments(request, prepared)


def _request_attributes(incoming: Incoming) -> dict[str, str]:
    return {"request_id": incoming.request_id}


def _operation_attributes(
    prepared: PreparedDocument, variables: Mapping[str, Any], context: RequestContext
) -> dict[str, str]:
    return {"operation": prepared.hash}


def _refusal(entry: Entry, problem: Exception, media_type: str) -> Reply:
    reply = response.refuse(problem, entry.request_id, media_type)
    entry.refused(reply.status, problem)
    return reply


def _log_refusal(problem: Exception, request_id: str) -> None:
    if isinstance(problem, AuthenticationFailed) and problem.reason:
        log.info("caller refused, request %s: %s", request_id, problem.reason)
