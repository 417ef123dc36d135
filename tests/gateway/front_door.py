"""A small gateway to knock on: real edge, pipeline and tokens over a schema of a few fields."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import httpx
import strawberry
from starlette.applications import Starlette
from starlette.routing import Route

from clinical.identifiers import NHS_NUMBER_SYSTEM
from gateway.addresses import Addresses
from gateway.audit.sink import Sink
from gateway.audit.trail import Trail
from gateway.charging import Charging
from gateway.cors import OriginList
from gateway.cost.weights import Weights
from gateway.document_limits import LimitSettings, widest
from gateway.documents import Documents
from gateway.edge import Edge
from gateway.entity_tags import EntityTags
from gateway.execution.denials import Denials
from gateway.execution.executor import ExecutionResult
from gateway.execution.stock import StockExecutor
from gateway.graphiql import assets
from gateway.http import GraphQLEndpoint
from gateway.persisted.persisted import PersistedDocuments
from gateway.persisted.registered import MemoryRegistered, RegisteredDocuments
from gateway.persisted.reload import TrustedDocuments
from gateway.persisted.settings import DocumentSettings
from gateway.pipeline import Pipeline
from gateway.prepare import Preparation
from gateway.ratelimit.limits import open_limits
from gateway.ratelimit.tiers import RateLimitSettings
from gateway.telemetry import Telemetry, TelemetrySettings, open_telemetry
from permissions.decision import Decisions
from permissions.policy import Policy
from permissions.principal import Principal
from permissions.rules import Rules
from resolvers.cache import MemoryCache
from resolvers.cursor import Cursors
from resolvers.errors import ArgumentInvalid
from resolvers.federation import Federation
from resolvers.linking import Linking
from resolvers.person import PersonKey
from resolvers.upstreams.errors import UpstreamTimeout
from tests.gateway.issuing import AuthorizationServer

SECRET_NAME = "Secretname"  # stands for what a patient's record says
ORIGIN = "https://app.test"
LINKING_SYSTEM = "https://hospital.test/mrn"


@strawberry.input
class Range:
    low: int = 0


@strawberry.type
class Thing:
    id: strawberry.ID = strawberry.ID("1")
    name: str | None = "a thing"

    @strawberry.field
    def inner(self) -> "Thing":
        return Thing()


@strawberry.type
class Query:
    @strawberry.field
    def hello(self) -> str:
        return "world"

    @strawberry.field
    def long(self) -> str:
        return "x" * 5000

    @strawberry.field
    def echo(self, text: str = "", number: int = 0, range: Range | None = None) -> str:
        return f"{text}{number}"

    @strawberry.field
    def thing(self) -> Thing:
        return Thing()

    @strawberry.field
    def broken(self) -> str | None:
        raise RuntimeError(f"cannot read {SECRET_NAME}")

    @strawberry.field
    def unprintable(self) -> int | None:
        return SECRET_NAME  # type: ignore[return-value]

    @strawberry.field
    def required(self) -> str:
        raise UpstreamTimeout("ehr", "ehr did not answer in time.", detail=SECRET_NAME)

    @strawberry.field
    def refused(self) -> str | None:
        raise ArgumentInvalid("`first` must not be negative.")

    @strawberry.field
    async def hanging(self) -> str:
        WORK.started.set()
        try:
            await asyncio.sleep(3600)
        finally:
            WORK.ended.set()
        return "never"


@dataclass
class Work:
    """Whether the hanging field was reached, and left."""

    started: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)


WORK = Work()
SCHEMA = strawberry.Schema(Query)._schema
NO_RULES = Rules(Policy(), ())


class Executor(StockExecutor):
    """Counts what is executed."""

    def __init__(self) -> None:
        super().__init__(SCHEMA, NO_RULES)
        self.ran = 0

    async def run(self, *asked: Any) -> ExecutionResult:
        self.ran += 1
        return await super().run(*asked)


def tier_of(principal: Principal) -> str | None:
    """The tier is told by the client's name: `strict-app` is in `strict`."""
    return principal.client.partition("-")[0]


def open_federation() -> Federation:
    cache = MemoryCache()
    linking = Linking((), frozenset(), PersonKey(b"k" * 64))
    return Federation([], linking, Cursors(b"c" * 32, cache), cache, frozenset())


class KeptLines:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def write(self, line: bytes) -> None:
        self.lines.append(line)

    def close(self) -> None:
        pass

    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]


class FrontDoor:
    """The gateway as its clients see it."""

    def __init__(
        self,
        limits: LimitSettings | None = None,
        introspection: bool = True,
        has_page: bool = True,
        deadline_s: float = 5.0,
        ratelimit: RateLimitSettings | None = None,
        max_body_bytes: int = 20_000,
        telemetry: Telemetry | None = None,
        sink: Sink | None = None,
        settings: DocumentSettings | None = None,
        registered: RegisteredDocuments | None = None,
    ) -> None:
        global WORK
        WORK = Work()
        self.limits = limits or LimitSettings()
        self.issuer = AuthorizationServer()
        self.kept = KeptLines()
        self.sink = sink or self.kept
        self.executor = Executor()
        self.ratelimit = ratelimit or RateLimitSettings()
        self.budgets = open_limits(self.ratelimit, "memory", None, deadline_s, b"s" * 32).budgets
        every = widest(one.limits.over(self.limits) for one in self.ratelimit.tiers)
        preparation = Preparation(SCHEMA, every, introspection, Weights(SCHEMA))
        self.documents = Documents(preparation)
        settings = settings or DocumentSettings()
        self.trusted = TrustedDocuments(settings, preparation, self.documents)
        self.trusted.load()
        self.registered = registered or MemoryRegistered(settings.bounds)
        persisted = PersistedDocuments(
            settings, self.trusted, self.registered, tier_of, self.limits.max_characters
        )
        self.federation = open_federation()
        pipeline = Pipeline(
            self.issuer.authenticator(),
            persisted,
            self.documents,
            self.federation,
            Decisions(NO_RULES),
            Denials(SCHEMA, NO_RULES),
            self.executor,
            Charging(self.budgets, self.executor, self.limits, self.ratelimit.tiers),
            telemetry or open_telemetry(TelemetrySettings()),
            Trail(self.sink),
            deadline_s,
            addresses=Addresses(SCHEMA, (NHS_NUMBER_SYSTEM, LINKING_SYSTEM)),
            tags=EntityTags(b"t" * 32),
        )
        endpoint = GraphQLEndpoint(pipeline, max_body_bytes, self.limits.max_variables_bytes, has_page)
        routes = [Route("/graphql", endpoint), assets()]
        self.app = Edge(Starlette(routes=routes), OriginList([ORIGIN]))
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app, raise_app_exceptions=True), base_url="http://gateway"
        )
        self.token = self.issuer.token()

    async def post(
        self, body: Any = None, content: Any = None, headers: Any = None, token: str | None = ""
    ) -> httpx.Response:
        sent = {"Content-Type": "application/json", "Accept": "application/graphql-response+json"}
        if token is not None:
            sent["Authorization"] = f"Bearer {token or self.token}"
        sent |= headers or {}
        return await self.client.post(
            "/graphql",
            json=body if content is None else None,
            content=content,
            headers={name: value for name, value in sent.items() if value is not None},
        )

    async def ask(self, query: str, **others: Any) -> httpx.Response:
        return await self.post({"query": query, **others})

    async def get(self, params: Any, **headers: str) -> httpx.Response:
        sent = {"Authorization": f"Bearer {self.token}", **headers}
        return await self.client.get("/graphql", params=params, headers=sent)


def code_of(response: httpx.Response) -> str:
    """The code of the first error; every error has one, and the request's id."""
    errors = response.json()["errors"]
    assert all(error["extensions"]["requestId"] == response.headers["X-Request-ID"] for error in errors)
    return str(errors[0]["extensions"]["code"])
