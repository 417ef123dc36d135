"""Whether the process lives, whether it can serve, and which sources are up."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from gateway.edge import request_id_of
from gateway.persisted.reload import TrustedDocuments
from permissions.principal import Principal
from resolvers.federation import Federation
from resolvers.upstreams.upstream import Call, Upstream

PROBE_S: Final = 2.0
KEPT_S: Final = 2.0

_PROBER: Final = Principal(issuer="", client="clinical-gateway", subject="readiness", scopes=())


async def healthz(_: Request) -> Response:
    """The process answers."""
    return PlainTextResponse("ok\n")


class Readiness:
    """`/readyz`: 200 as soon as requests can be served; a source that is down does not change that,
    because the others' data can be served. Sources are asked at most every two seconds."""

    def __init__(
        self,
        federation: Federation,
        trusted: TrustedDocuments,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._upstreams = tuple(federation.upstreams.values())
        self._trusted = trusted
        self._clock = clock
        self._known: dict[str, Any] = {}
        self._asked_at = float("-inf")
        self._asking = asyncio.Lock()

    async def readyz(self, request: Request) -> Response:
        """The answer to a GET."""
        async with self._asking:
            if self._clock() - self._asked_at > KEPT_S:
                states = await asyncio.gather(
                    *(self._state(one, request_id_of(request.scope)) for one in self._upstreams)
                )
                self._known = dict(zip((one.name for one in self._upstreams), states, strict=True))
                self._asked_at = self._clock()
        documents = self._trusted.state()
        told = {"documents": documents} if documents is not None else {}
        headers = {"Cache-Control": "no-store"}
        return JSONResponse({"status": "ready", "upstreams": self._known, **told}, headers=headers)

    async def _state(self, upstream: Upstream, request_id: str) -> dict[str, Any]:
        call = Call(time.monotonic() + PROBE_S, request_id, _PROBER)
        try:
            async with asyncio.timeout(PROBE_S * 1.5):
                problem = await upstream.probe(call)
        except TimeoutError:
            return {"up": False, "code": "UPSTREAM_TIMEOUT"}
        return {"up": True} if problem is None else {"up": False, "code": problem.code}
