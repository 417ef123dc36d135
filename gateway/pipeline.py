"""The request's whole way, top to bottom."""

import asyncio
import logging
from collections.abc import Awaitable, Mapping
from time import monotonic
from typing import Any, Final

import msgspec

from gateway import response
from gateway.addresses import Addresses
from gateway.audit.entry import Entry
from gateway.audit.trail import Trail
from gateway.authn.authenticator import AuthenticationFailed, Authenticator, Credentials
from gateway.charging import Bill, Charging
from gateway.cost_header import ABSENT, CostHeader
from gateway.documents import Documents
from gateway.ending import Ending
from gateway.entity_tags import EntityTags, matches
from gateway.execution.denials import Denials
from gateway.execution.executor import ExecutionResult, Executor
from gateway.graphql_request import GraphQLRequest
from gateway.http_errors import PostNeeded
from gateway.persisted.persisted import PersistedDocuments
from gateway.prepare import PreparedDocument
from gateway.response import Reply
from gateway.telemetry import Telemetry
from permissions.decision import Decisions, Permissions
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
        self._addresses = addresses
        self._tags = tags
        self._federation = federation
        self._decisions = decisions
        self._denials = denials
        self._rejects = rejects
        self._executor = executor
        self._charging = charging
        self._trail = trail
        # So that what did arrive can still be merged and sent in time.
        self._sources_s = deadline_s - min(RESERVE_MAX_S, deadline_s * RESERVE_PART)
        self.deadline_s = deadline_s
        self._recognised, self._is_quick = authenticator.at_once, not telemetry.is_on
        staged = telemetry.staged
        self._answer = staged("request", self._run, _request_attributes)
        self._authenticate = staged("authenticate", authenticator.authenticate)
        self._document = staged("documents", self._find)
        self._permit = telemetry.spanned("permissions", self._permitted)
        self._reserve = staged("limits", Bill.reserve)
        self._execute = staged("execution", self._run_prepared, _operation_attributes)
        self._respond = telemetry.spanned("response", self._build)
        self._respond_in_turns = staged("response", self._build_in_turns)

    async def answer(self, incoming: Incoming) -> Reply:
        """The reply to a request; refusals and faults are replies too, and each leaves its line."""
        entry = self._trail.open(incoming.request_id)
        try:
            return await self._answer(incoming, entry)
        except Exception as problem:  # noqa: BLE001  the last line: a fault must not break the connection
            _log_refusal(problem, incoming.request_id)
            return _refusal(entry, problem, incoming.media_type)
        finally:
            self._trail.close(entry)

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

    async def _run(self, incoming: Incoming, entry: Entry) -> Reply:
        try:
            asked_at, is_quick = monotonic(), self._is_quick
            credentials, variables = incoming.credentials, incoming.request.variables or {}

            principal = (is_quick and self._recognised(credentials)) or await self._authenticate(credentials)
            entry.principal = principal

            kept = self._kept(incoming) if is_quick else None
            entry.prepared = prepared = kept or await self._document(incoming, principal, entry)

            permissions, denied = self._permit(principal, prepared, entry)

            bill = self._charging.bill(principal, prepared, variables, denied)
            if incoming.cost.validates:
                return await self._priced(bill, incoming, entry)

            context = self._federation.open(
                principal,
                permissions,
                deadline_s=max(0.0, self._sources_s - (monotonic() - asked_at)),
                request_id=incoming.request_id,
                authorization=credentials.authorization,
                denied=denied,
                rejects=self._rejects,
            )
            entry.context = context
            try:
                await self._reserve(bill, context)
                result = await self._execute(prepared, variables, context)
                bill.settle(result)
                turns = context.turns if context.disclosures.total > LARGE_ROWS else None
                if turns is None and not incoming.is_get:
                    reply = self._respond(incoming, bill, result, context)
                else:
                    reply = await self._respond_in_turns(incoming, bill, result, context, turns)
                entry.answered(reply.status, result.data is not None, result.errors)
                if turns is not None:
                    await context.loaders.let_go(turns)
                return reply
            finally:
                bill.close()
                context.close()
        except asyncio.CancelledError:
            incoming.ending.check()
            raise

    def _kept(self, incoming: Incoming) -> PreparedDocument | None:
        """The document of a usual request: its text came by POST, and was prepared before."""
        request = incoming.request
        text = None if incoming.is_get else self._persisted.text_of(request)
        return None if text is None else self._documents.kept((text, request.operation_name))

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

    def _permitted(
        self, principal: Principal, prepared: PreparedDocument, entry: Entry
    ) -> tuple[Permissions, frozenset[str]]:
        """What the caller may see, and which coordinates of the document are denied."""
        permissions = self._decisions.of(principal)
        denied, entry.denied = self._denials.judged(prepared, permissions)
        return permissions, denied

    def _run_prepared(
        self, prepared: PreparedDocument, variables: Mapping[str, Any], context: RequestContext
    ) -> Awaitable[ExecutionResult]:
        return self._executor.run(prepared, variables, context)

    def _build(
        self, incoming: Incoming, bill: Bill, result: ExecutionResult, context: RequestContext
    ) -> Reply:
        """The reply to an operation that ran."""
        extensions = context.told()
        extensions["cost"] = bill.told(incoming.cost)
        return response.build(result, extensions, incoming.request_id, incoming.media_type, bill.headers)

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


def _request_attributes(incoming: Incoming, entry: Entry) -> dict[str, str]:
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
