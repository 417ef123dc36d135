"""Sources over the sandbox's simulations, in this process, which can be made to fail or to hang."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from opentelemetry.trace import NoOpTracer
from starlette.types import ASGIApp, Receive, Scope, Send

from clinical.identifiers import NHS_NUMBER_SYSTEM
from resolvers.upstreams.links import Link, LinkTable
from resolvers.upstreams.registry import open_upstreams
from resolvers.upstreams.settings import UpstreamSettings
from resolvers.upstreams.transport_httpx import HttpxTransport
from resolvers.upstreams.upstream import Upstream
from resolvers.upstreams.wiring import Wiring
from sandbox.document import app as document
from sandbox.ehr import ehr_app
from sandbox.laboratory import app as laboratory
from sandbox.population.build import build
from sandbox.population.laboratory import laboratory_users
from sandbox.population.practice import practice_book
from sandbox.practice import app as practice
from sandbox.quota import Quota
from sandbox.wearable.app import build_wearable

POPULATION = build(25, 1)
USERS = laboratory_users(POPULATION)
BOOK = practice_book(POPULATION)
DOCUMENTS = document.documents(POPULATION)
ACCOUNTS = {f"a{place}": number for place, number in enumerate(sorted(DOCUMENTS))}
UNLIMITED = 1_000_000
ID_KEY = "5b" * 64
Json = dict[str, Any]


class Switch:
    """A server that can be made to do something else; `asked` are the paths and queries of the questions."""

    def __init__(self, app: ASGIApp) -> None:
        self.instead: ASGIApp | None = None
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        query = scope["query_string"].decode()
        self.asked.append(scope["path"] + (f"?{query}" if query else ""))
        self.headers.append({k.decode(): v.decode() for k, v in scope["headers"]})
        await (self.instead or self._app)(scope, receive, send)

    @contextmanager
    def doing(self, app: ASGIApp) -> Iterator[None]:
        self.instead = app
        try:
            yield
        finally:
            self.instead = None

    def saying(self, status: int, body: bytes, **headers: str) -> Any:
        """Trouble: this answer to everything."""
        return lambda: self.doing(said(status, body, **headers))

    @property
    def troubles(self) -> dict[str, Any]:
        return {
            "500": self.saying(500, b"{}"),
            "401": self.saying(401, b"{}"),
            "429": self.saying(429, b"{}", **{"retry-after": "7"}),
            "no JSON": self.saying(200, b"<html>"),
            "cut short": self.saying(200, b'{"invoices": [{"id'),
            "a list": self.saying(200, b"[]"),
            "another object": self.saying(200, b'{"status": 7}'),
        }

    def hanging(self) -> Any:
        return self.doing(_never)


def said(status: int, body: bytes, **headers: str) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": pairs})
        await send({"type": "http.response.body", "body": body})

    return app


async def _never(scope: Scope, receive: Receive, send: Send) -> None:
    await asyncio.sleep(3600)


def source_over(
    app: ASGIApp,
    links: Mapping[str, str] | None = None,
    secrets: Mapping[str, str] | None = None,
    **table: Any,
) -> Upstream:
    """A source over an application; `links`: account to NHS number."""
    settings = UpstreamSettings(**table)
    linked = [
        Link(settings.name, account, NHS_NUMBER_SYSTEM, number) for account, number in (links or {}).items()
    ]
    transport = httpx.ASGITransport(app)
    wiring = Wiring(
        secrets or {},
        LinkTable(linked),
        NoOpTracer(),
        lambda one: HttpxTransport(one.name, one.max_response_bytes, transport),
    )
    (opened,) = open_upstreams([settings], wiring)
    return opened


def ehr_switch(state: Path) -> Switch:
    held = [row for rows in POPULATION.ehr.values() for row in rows]
    return Switch(ehr_app(held, "http://ehr.test/fhir", state))


def ehr_source(app: ASGIApp) -> Upstream:
    return source_over(app, name="ehr", kind="fhir", base_url="http://ehr.test/fhir")


def wearable_switch() -> Switch:
    return Switch(build_wearable(POPULATION.wearable, Quota(UNLIMITED)))


def wearable_source(app: ASGIApp) -> Upstream:
    grants = {user: account.token for user, account in POPULATION.wearable.items()}
    return source_over(
        app,
        {user: account.nhs_number for user, account in POPULATION.wearable.items()},
        {"upstream_wearable_grants": json.dumps(grants)},
        name="wearable",
        kind="wearable",
        base_url="http://wearable.test",
        timezone="Europe/London",
        credentials={"kind": "patient_grant"},
    )


def laboratory_switch() -> Switch:
    return Switch(laboratory.build_laboratory(USERS))


def orders_file(folder: Path) -> Path:
    file = folder / "orders.ndjson"
    file.write_bytes(laboratory.order_lines(USERS))
    return file


def laboratory_source(app: ASGIApp, orders: Path, **options: Any) -> Upstream:
    return source_over(
        app,
        {user: one.nhs_number for user, one in USERS.items()},
        {"upstream_laboratory_token": laboratory.KEY},
        name="laboratory",
        kind="laboratory",
        base_url="http://laboratory.test",
        credentials={"kind": "static", "header": laboratory.KEY_HEADER, "prefix": ""},
        options={"orders": str(orders), **options},
    )


def practice_switch(**settings: Any) -> Switch:
    return Switch(practice.build_practice(BOOK, Quota(UNLIMITED), **settings))


def practice_source(app: ASGIApp, **more: Any) -> Upstream:
    options = {
        "currency": "GBP",
        "user_agent": "Clinical Gateway (ops@example.org)",
        **more.pop("options", {}),
    }
    table: Json = {"base_url": "http://practice.test", "credentials": {"kind": "basic"}, **more}
    secrets = {"upstream_practice_token": practice.KEY}
    return source_over(
        app, BOOK.patients, secrets, name="practice", kind="practice", options=options, **table
    )


def document_switch() -> Switch:
    return Switch(document.build_document(DOCUMENTS, ACCOUNTS))


DOCUMENT_TYPES = [
    "AllergyIntolerance",
    "Condition",
    "Encounter",
    "MedicationRequest",
    "Observation",
    "Practitioner",
]


def document_source(app: ASGIApp, path: str = "/records/{nhs_number}", **more: Any) -> Upstream:
    return source_over(
        app,
        ACCOUNTS,
        {"upstream_papers_token": document.KEY, "upstream_papers_id_key": ID_KEY},
        name="papers",
        kind="fhir-document",
        base_url="http://papers.test",
        credentials={"kind": "static"},
        capabilities={"types": DOCUMENT_TYPES},
        options={"path": path},
        **more,
    )
