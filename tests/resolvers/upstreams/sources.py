"""Sources for these tests: a scripted server behind httpx's mock transport, and small FHIR pieces."""

import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

import httpx
from opentelemetry.trace import NoOpTracer, Tracer

from clinical.codec import encode_json
from permissions.principal import Principal
from resolvers.resource import Location
from resolvers.upstreams.fhir import FhirUpstream, open_fhir
from resolvers.upstreams.links import LinkTable
from resolvers.upstreams.settings import UpstreamSettings
from resolvers.upstreams.transport_httpx import HttpxTransport
from resolvers.upstreams.upstream import Call, Read, Search
from resolvers.upstreams.wiring import Wiring

BASE = "http://ehr.test/fhir"
PLACE = Location(BASE)
PRINCIPAL = Principal(issuer="i", client="c", subject="s", scopes=())
Json = dict[str, Any]
Reply = httpx.Response | Json
Handler = Callable[[httpx.Request], Reply]


def call(seconds: float = 5.0) -> Call:
    return Call(time.monotonic() + seconds, str(uuid.uuid4()), PRINCIPAL)


def fhir_json(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> httpx.Response:
    content = body if isinstance(body, bytes) else encode_json(body)
    return httpx.Response(status, content=content, headers=dict(headers or {}))


def observation(own_id: str, **more: Any) -> Json:
    return {"resourceType": "Observation", "id": own_id, **more}


def patient(own_id: str, *identifiers: tuple[str, str], **more: Any) -> Json:
    stated = [{"system": system, "value": value} for system, value in identifiers]
    return {"resourceType": "Patient", "id": own_id, "identifier": stated, **more}


def bundle(*resources: Any, next: str | None = None, link_self: str | None = None, **more: Any) -> Json:
    links = [{"relation": "next", "url": next}] if next else []
    links += [{"relation": "self", "url": link_self}] if link_self else []
    entries = [{"resource": one, "search": {"mode": "match"}} for one in resources]
    return {"resourceType": "Bundle", "type": "searchset", "link": links, "entry": entries, **more}


def outcome(severity: str = "error", code: str = "exception", vendor_code: str | None = None) -> Json:
    issue: Json = {"severity": severity, "code": code}
    if vendor_code:
        system = "urn:oid:1.2.840.114350.1.13.0.1.7.2.657369"
        issue["details"] = {"coding": [{"system": system, "code": vendor_code}]}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def statement(
    *types: str, interactions: tuple[str, ...] = (), parameters: tuple[str, ...] = (), **rest: Any
) -> Json:
    named = [{"name": code} for code in parameters or ("_id", "patient", "category", "code", "identifier")]
    resources = [{"type": kind, "searchParam": named} for kind in types or ("Observation", "Patient")]
    server = {"mode": "server", "resource": resources, "interaction": [{"code": c} for c in interactions]}
    return {"resourceType": "CapabilityStatement", "rest": [{**server, **rest}]}


class Server:
    """Answers `/metadata` itself and the rest by the handler; `seen` are the other requests."""

    def __init__(self, handler: Handler, declared: Json | None = None) -> None:
        self.handler = handler
        self.declared = declared or statement()
        self.seen: list[httpx.Request] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        if request.url.path.endswith("/metadata"):
            return fhir_json(self.declared)
        self.seen.append(request)
        reply = self.handler(request)
        return reply if isinstance(reply, httpx.Response) else fhir_json(reply)

    @property
    def paths(self) -> list[str]:
        return [request.url.path for request in self.seen]

    def source(
        self, tracer: Tracer | None = None, secrets: Mapping[str, str] | None = None, **settings: Any
    ) -> FhirUpstream:
        where = {} if "locations" in settings else {"base_url": BASE}
        table = UpstreamSettings(name="ehr", kind="fhir", **where, **settings)
        wiring = Wiring(
            secrets or {},
            LinkTable(),
            tracer or NoOpTracer(),
            lambda one: HttpxTransport(one.name, one.max_response_bytes, httpx.MockTransport(self)),
        )
        return open_fhir(table, wiring)


def asked(request: httpx.Request) -> dict[str, str]:
    """The search parameters of a request, from its address or its form."""
    pairs = parse_qs(request.url.query.decode()) | parse_qs(
        request.content.decode() if request.content else ""
    )
    return {name: values[0] for name, values in pairs.items()}


def read(own_id: str, kind: str = "Observation", place: Location = PLACE) -> Read:
    return Read(kind, own_id, place)


def search(kind: str = "Observation", place: Location = PLACE, **more: Any) -> Search:
    return Search(kind, place, **more)
