"""`python -m bench.exchange`: processor time of one exchange with a source, by way to it.

The client process alone is counted. Ways take turns, so that what else the machine does falls on all of them.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import aiohttp
import httpx
import uvloop
from opentelemetry.trace import NoOpTracer
from yarl import URL

from bench.processes import cores, free_port, running
from permissions.principal import Principal
from resolvers.resource import Location
from resolvers.upstreams.fhir_server import Ask, FhirServer
from resolvers.upstreams.plain_request import answer_to
from resolvers.upstreams.settings import UpstreamSettings
from resolvers.upstreams.transport import Request, Transport
from resolvers.upstreams.transport_aiohttp import AiohttpTransport
from resolvers.upstreams.transport_httpx import HttpxTransport
from resolvers.upstreams.upstream import Call
from resolvers.upstreams.wiring import Wiring

ROUNDS: Final = 60
EXCHANGES: Final = 30
WARMING: Final = 5
HEADERS: Final = {"Accept": "application/fhir+json"}
PRINCIPAL: Final = Principal(issuer="i", client="c", subject="s", scopes=())
LIMIT: Final = 32 * 1024 * 1024

Way = Callable[[str], Awaitable[bytes]]


@asynccontextmanager
async def by_gateway(base: str, transport: Transport) -> AsyncIterator[Way]:
    """Everything that the gateway does for a call: origin, credential, places, ids, retry, deadline."""
    settings = UpstreamSettings(name="ehr", kind="fhir", base_url=base)
    exchange = Wiring({}, tracer=NoOpTracer(), transport=lambda _: transport).exchange(settings)
    place = Location(base)
    server = FhirServer(exchange, settings.capabilities, (place,))

    async def way(query: str) -> bytes:
        call = Call(time.monotonic() + 10, "5f0f0f0f-0000-4000-8000-000000000000", PRINCIPAL)
        return (await server.fetch(Ask("search", place, "Patient", query), call)).body

    await exchange.start()
    yield way
    await exchange.close()


@asynccontextmanager
async def by_aiohttp(base: str) -> AsyncIterator[Way]:
    """As its manual has it."""
    connector = aiohttp.TCPConnector(limit=256)
    jar = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(connector=connector, cookie_jar=jar) as session:

        async def way(query: str) -> bytes:
            async with session.get(URL(f"{base}/Patient?{query}", encoded=True), headers=HEADERS) as answer:
                return await answer.read()

        yield way


@asynccontextmanager
async def by_floor(base: str) -> AsyncIterator[Way]:
    """What `bench.floor` does: a connection of the pool without a session, as the gateway takes it."""
    async with aiohttp.TCPConnector(limit=256) as connector:

        async def way(query: str) -> bytes:
            answer = await answer_to(Request("GET", f"{base}/Patient?{query}", HEADERS), connector)
            return await answer.content.read()

        yield way


@asynccontextmanager
async def by_session(base: str) -> AsyncIterator[Way]:
    """A session at its least: no timeout, no redirects, nothing released where it goes wrong."""
    connector = aiohttp.TCPConnector(limit=256)
    jar, limit = aiohttp.DummyCookieJar(), aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=jar, timeout=limit) as session:

        async def way(query: str) -> bytes:
            url = URL(f"{base}/Patient?{query}", encoded=True)
            answer = await session.get(url, headers=HEADERS, allow_redirects=False)
            return await answer.content.read()

        yield way


@asynccontextmanager
async def by_httpx(base: str) -> AsyncIterator[Way]:
    """The same with the other client."""
    async with httpx.AsyncClient(timeout=None) as client:  # noqa: S113 # its own server, on this machine

        async def way(query: str) -> bytes:
            return (await client.get(f"{base}/Patient?{query}", headers=HEADERS)).content

        yield way


async def measure(base: str) -> None:
    async with AsyncExitStack() as stack:
        ways: dict[str, Way] = {
            "gateway": await stack.enter_async_context(by_gateway(base, AiohttpTransport("ehr", LIMIT, 256))),
            "gateway, httpx transport": await stack.enter_async_context(
                by_gateway(base, HttpxTransport("ehr", LIMIT, httpx.AsyncHTTPTransport()))
            ),
            "aiohttp, the floor's way": await stack.enter_async_context(by_floor(base)),
            "aiohttp, session at least": await stack.enter_async_context(by_session(base)),
            "aiohttp, as it comes": await stack.enter_async_context(by_aiohttp(base)),
            "httpx": await stack.enter_async_context(by_httpx(base)),
        }
        gc.freeze()
        for count in (1, 17, 42):
            query = f"_sort=_id&_count={count}"
            size = len(await ways["gateway"](query))
            print(f"\nanswers of {size:,} bytes: microseconds per exchange, median of {ROUNDS}")
            for name, spent in (await _spent(ways, query)).items():
                print(f"  {name:<26}{statistics.median(spent):>8.0f}")


async def _spent(ways: dict[str, Way], query: str) -> dict[str, list[float]]:
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            for _ in range(WARMING):  # the one before may have left the caches cold
                await way(query)
            begun = time.process_time()
            for _ in range(EXCHANGES):
                await way(query)
            spent[name].append((time.process_time() - begun) / EXCHANGES * 1e6)
    return spent


def main() -> None:
    port = free_port()
    with running("bench.upstream", ["--port", str(port)], port, cores().others):
        # The source looks answers up only once nobody reads its log.
        httpx.get(f"http://127.0.0.1:{port}/_bench/log?off", trust_env=False)
        uvloop.run(measure(f"http://127.0.0.1:{port}/fhir"))


if __name__ == "__main__":
    main()
