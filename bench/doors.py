"""`python -m bench.doors`: what authentication and the two doors of permissions cost (docs/permissions.md).

In one process, with answers from memory, so without HTTP and the kernel. The first door: microseconds of a
whole request that does nothing else, everything warm. The second: milliseconds of 1,000 observations for
tokens of several kinds, and for one under a policy without labels; medians of paired rounds.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx

from bench.answers import Answers
from bench.cases import case
from bench.deployment import Deployment, deploy
from bench.processes import free_port
from gateway.app import Outside, build
from gateway.secrets import Secrets
from gateway.settings_file import read_settings
from resolvers.person import PersonKey
from resolvers.upstreams.links import LinkTable
from resolvers.upstreams.transport import Request, Response
from resolvers.upstreams.wiring import Wiring
from sandbox.issuer.keys import read_key
from sandbox.issuer.tokens import AUDIENCE, Grant, mint

ROUNDS, CALLS, WARM = 15, 12, 20
UNLABELLED = "every type, a policy without labels"
TOKENS = {
    "every type": "system/*.rs",
    "two types": "system/Patient.rs system/Observation.rs",
    "granular": "system/Patient.rs system/Observation.rs?status=final",
    "granular, read the long way": "system/Patient.rs system/Observation.rs?_lastUpdated=ge1990",
    UNLABELLED: "system/*.rs",
}

Ask = Callable[[], Awaitable[None]]


class FromMemory:
    """A transport that knows every answer by heart."""

    def __init__(self, base: str) -> None:
        self._answers, self._base = Answers(base), base
        self._known: dict[Any, bytes] = {}

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def send(self, request: Request, deadline: float) -> Response:
        key = (request.method, request.url, request.body)
        if key not in self._known:
            path = request.url.removeprefix(self._base).lstrip("/")
            self._known[key] = self._answers.answer(request.method, path, request.body or b"")
        await asyncio.sleep(0)
        return Response(200, {}, self._known[key])


def opened(made: Deployment, policy: Path | None = None) -> Any:
    """The gateway as an application."""
    settings = read_settings(made.config)
    if policy is not None:
        permissions = settings.permissions.model_copy(update={"policy": policy})
        settings = settings.model_copy(update={"permissions": permissions})
    keys = httpx.MockTransport(lambda _: httpx.Response(200, content=made.jwks.read_bytes()))
    secrets = Secrets(settings.secrets.directory)
    base = f"http://127.0.0.1:{made.upstream_ports[0]}/fhir"
    wiring = Wiring(secrets, LinkTable(), transport=lambda _: FromMemory(base))
    return build(settings, secrets, Outside(httpx.AsyncClient(transport=keys), wiring))


def asker(app: Any, made: Deployment, scope: str, query: str) -> Ask:
    """One request with a token of its scope; what is no whole answer ends the measurement."""
    issuer = f"http://127.0.0.1:{made.upstream_ports[0]}"
    grant = Grant(scope=scope, client="bench", ttl_s=7200)
    token = mint(read_key(made.config.parent / "key.json"), issuer, AUDIENCE, grant)
    body = case(query, PersonKey(made.identity_key)).body
    headers = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        "authorization": f"Bearer {token}",
    }
    scope_ = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/graphql",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
    }

    async def ask() -> None:
        incoming = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Any:
            return incoming.pop() if incoming else await asyncio.get_running_loop().create_future()

        async def send(message: Any) -> None:
            if b'"errors"' in message.get("body", b""):
                raise SystemExit(f"no whole answer for {scope}: {message['body'][:300]!r}")

        await app(dict(scope_), receive, send)

    return ask


async def spent_ms(ask: Ask, calls: int) -> float:
    """Milliseconds of processor time for one call."""
    began = time.process_time()
    for _ in range(calls):
        await ask()
    return (time.process_time() - began) / calls * 1e3


async def first_door(app: Any, made: Deployment) -> float:
    """Microseconds of a request in which nothing is fetched: authentication, the first door, and the edge."""
    small = asker(app, made, "system/Patient.rs system/Observation.rs", "typename")
    await spent_ms(small, 500)
    return min([await spent_ms(small, 2_000) for _ in range(ROUNDS)]) * 1e3


async def second_door(app: Any, plain: Any, made: Deployment) -> None:
    asks = {
        name: asker(plain if name == UNLABELLED else app, made, scope, "thousand")
        for name, scope in TOKENS.items()
    }
    for ask in asks.values():
        await spent_ms(ask, WARM)
    rounds = [{name: await spent_ms(ask, CALLS) for name, ask in asks.items()} for _ in range(ROUNDS)]
    for name in TOKENS:
        ms = statistics.median(one[name] for one in rounds)
        ratio = statistics.median(one[name] / one[UNLABELLED] for one in rounds)
        print(f"{name:36} {ms:7.2f} ms  {ratio:5.2f} x")


async def measure(folder: Path) -> None:
    made = deploy(folder, (free_port(),))
    policy = folder / "policy.toml"
    shipped = (Path(__file__).parent.parent / "permissions" / "policy.toml").read_text("utf-8")
    policy.write_text(shipped.partition("[[labels]]")[0])
    app, plain = opened(made), opened(made, policy)
    print(f"{'{ __typename }, everything on':36} {await first_door(app, made):7.1f} us")
    await second_door(app, plain, made)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(Path(folder)))


if __name__ == "__main__":
    main()
