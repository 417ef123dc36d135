"""`GET /binary/{id}`: an attachment, as it comes from its source, for whoever may see the resource that
names it (docs/attachments.md).

The same callers, budgets, doors, records and errors as `/graphql`. What has been sent is not held: where the
source breaks off, or sends more than is allowed, the connection ends before the answer does.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from starlette.types import Receive, Scope, Send

from gateway import errors, response
from gateway.audit.entry import Entry
from gateway.audit.trail import Trail
from gateway.authn.authenticator import Authenticator, Credentials
from gateway.authn.certificate import CertificateHeader, credentials_of
from gateway.binary_settings import BinarySettings
from gateway.binary_type import accept_of, sent_type
from gateway.body import ClientGone
from gateway.edge import headers_of, request_id_of
from gateway.ending import Alarm, Ending, watched_after_s
from gateway.http_errors import MethodNotAllowed
from gateway.media_types import GRAPHQL_RESPONSE
from gateway.ratelimit.budgets import Budgets
from gateway.ratelimit.headers import usual_headers
from gateway.response import Headers
from gateway.telemetry import Telemetry
from permissions.decision import Decisions
from resolvers import attachments
from resolvers.attachments import Found
from resolvers.context import RequestContext
from resolvers.errors import FieldUnauthorized
from resolvers.federation import Federation
from resolvers.given import note_resources
from resolvers.upstreams.attachment import Download
from schema.attachment import element_types
from schema.build import BuiltSchema

KIND: Final = "binary"
COST: Final = 2
"""What an attachment takes from its caller's budget: the resource that names it, and its data."""
_NAMING: Final = 1

_HEADERS: Final = (
    (b"content-disposition", b"attachment"),
    (b"content-security-policy", b"sandbox; default-src 'none'"),
    (b"cache-control", b"private, no-store"),
    (b"vary", b"Authorization"),
)
"""A browser shows nothing of it as a page of ours, runs nothing of it, and keeps nothing. `Edge` adds
nosniff."""
_JSON: Final = (b"content-type", b"application/json; charset=utf-8")


class MethodNotRead(MethodNotAllowed):
    """An attachment can be read, and nothing else."""

    headers = (("Allow", "GET, HEAD"),)


class BinaryEndpoint:
    """`/binary/{id}` as an ASGI application."""

    def __init__(
        self,
        settings: BinarySettings,
        authenticator: Authenticator,
        decisions: Decisions,
        federation: Federation,
        schema: BuiltSchema,
        telemetry: Telemetry,
        trail: Trail,
        budgets: Budgets,
        certificates: CertificateHeader | None = None,
    ) -> None:
        self._budgets = budgets
        self._settings = settings
        self._authenticator = authenticator
        self._decisions = decisions
        self._federation = federation
        self._types = element_types(schema.graphql)
        self._stage = telemetry.stage
        self._trail = trail
        self._certificates = certificates
        self._slow = Alarm(watched_after_s(settings.deadline_s))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI entry. A client that leaves ends the call to the source."""
        entry = self._trail.open(request_id_of(scope))
        entry.kind = KIND
        outgoing = _Outgoing(send, entry, is_head=scope["method"] == "HEAD")
        try:
            ending = Ending(self._slow, receive, self._settings.deadline_s)
            with self._stage(KIND, request_id=entry.request_id), ending:
                await self._answer(scope, outgoing, ending)
        except ClientGone:
            return
        except Exception as problem:  # noqa: BLE001  a fault must not go out as half an answer
            await outgoing.fail(problem)
        finally:
            self._trail.close(entry)

    async def _answer(self, scope: Scope, outgoing: "_Outgoing", ending: Ending) -> None:
        try:
            if scope["method"] not in ("GET", "HEAD"):
                raise MethodNotRead("Ask for an attachment by GET or HEAD.")
            credentials = credentials_of(scope, headers_of(scope), self._certificates)
            context = await self._context(credentials, outgoing.entry)
            try:
                await self._sent(context, scope["path_params"]["id"], outgoing)
            finally:
                context.close()
        except asyncio.CancelledError:
            ending.check()
            raise

    async def _context(self, credentials: Credentials, entry: Entry) -> RequestContext:
        """The caller's, once it is known who that is. Raises AuthenticationFailed, ScopeInsufficient."""
        principal = await self._authenticator.authenticate(credentials)
        entry.principal = principal
        entry.context = self._federation.open(
            principal,
            self._decisions.of(principal),
            deadline_s=self._settings.deadline_s,
            request_id=entry.request_id,
            authorization=credentials.authorization,
        )
        return entry.context

    async def _sent(self, context: RequestContext, id_: str, outgoing: "_Outgoing") -> None:
        settings = self._settings
        found, opened = await self._charged(context, id_, outgoing)
        async with opened as download:
            source, stated = found.node.resource.source, found.element.get("contentType")
            media_type = sent_type(source, download.media_type, stated, settings.media_types)
            note_resources(context.disclosures, None, (found.node.resource,))
            await outgoing.send(download, media_type)

    async def _charged(
        self, context: RequestContext, id_: str, outgoing: "_Outgoing"
    ) -> tuple[Found, Download]:
        """The attachment, reserved before a source is asked and settled when its data begin to come: a slow
        reader holds none of the caller's places. Raises RateLimited."""
        settings = self._settings
        reservation = await self._budgets.reserve(context.principal, COST)
        spent = _NAMING
        try:
            found = await attachments.find(context, self._types, id_)
            spent = COST
            accept = accept_of(found.element.get("contentType"), settings.media_types)
            return found, await attachments.opened(context, found, accept, settings.max_bytes)
        finally:
            outgoing.budget = usual_headers(self._budgets.settle(reservation, spent))


class _Outgoing:
    """The answer on its way out; its headers wait for the first of its data, so that what goes wrong before
    that is an error as any other."""

    def __init__(self, send: Send, entry: Entry, *, is_head: bool) -> None:
        self.entry = entry
        self.budget: Headers = ()
        """The headers that tell what is left of the caller's budget, once it is known."""
        self._send = send
        self._is_head = is_head
        self._has_begun = False

    async def send(self, download: Download, media_type: str) -> None:
        first = await anext(download.pieces, b"")
        headers = [(b"content-type", media_type.encode()), *_HEADERS, *self.budget]
        if download.length is not None:
            headers.append((b"content-length", b"%d" % download.length))
        self.entry.answered(200, True, ())
        self._has_begun = True
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        if not self._is_head:
            await self._body(first, download.pieces)
        await self._send({"type": "http.response.body", "body": b""})

    async def _body(self, first: bytes, rest: AsyncIterator[bytes]) -> None:
        await self._send({"type": "http.response.body", "body": first, "more_body": True})
        async for piece in rest:
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})
            await asyncio.sleep(0)

    async def fail(self, problem: Exception) -> None:
        """An error, or where the answer has begun, its end: the server then breaks the connection."""
        entry = self.entry
        if self._has_begun:
            errors.told(problem, entry.request_id)  # for the log
            entry.broken(problem)
            return
        if isinstance(problem, FieldUnauthorized):
            entry.denied = frozenset({problem.coordinate})
        reply = response.refuse(problem, entry.request_id, GRAPHQL_RESPONSE)
        entry.refused(reply.status, problem)
        headers = [_JSON, (b"content-length", b"%d" % len(reply.body)), *_HEADERS[1:]]
        told = dict(reply.headers)
        headers += (*reply.headers, *(one for one in self.budget if one[0] not in told))
        await self._send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await self._send({"type": "http.response.body", "body": b"" if self._is_head else reply.body})
