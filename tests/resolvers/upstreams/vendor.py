"""A wearable source for these tests: over the sandbox's API, or over a scripted one."""

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

import httpx
from opentelemetry.trace import NoOpTracer

from clinical.codec import encode_json
from clinical.identifiers import NHS_NUMBER_SYSTEM
from resolvers.resource import Location
from resolvers.upstreams.links import Link, LinkTable
from resolvers.upstreams.settings import UpstreamSettings
from resolvers.upstreams.transport_httpx import HttpxTransport
from resolvers.upstreams.upstream import Search
from resolvers.upstreams.wearable import WearableUpstream, open_wearable
from resolvers.upstreams.wiring import Wiring

BASE = "http://wearable.test"
PLACE = Location(BASE)
NAME = "wearable"
Json = dict[str, Any]


def wearable_source(
    transport: httpx.AsyncBaseTransport,
    grants: Mapping[str, str],
    links: Mapping[str, str] | None = None,
    secrets: Mapping[str, str] | None = None,
    **settings: Any,
) -> WearableUpstream:
    """`grants`: user id to token; `links`: user id to NHS number; `secrets`: instead of grants."""
    table = UpstreamSettings(
        **{
            "name": NAME,
            "kind": "wearable",
            "base_url": BASE,
            "timezone": "Europe/London",
            "credentials": {"kind": "patient_grant"},
            **settings,
        }
    )
    linked = LinkTable(Link(NAME, user, NHS_NUMBER_SYSTEM, number) for user, number in (links or {}).items())
    wiring = Wiring(
        {"upstream_wearable_grants": json.dumps(dict(grants))} if secrets is None else secrets,
        linked,
        NoOpTracer(),
        lambda one: HttpxTransport(one.name, one.max_response_bytes, transport),
    )
    return open_wearable(table, wiring)


class Vendor:
    """A scripted API: `answer(action, form)` gives a body, or a whole response."""

    def __init__(self, answer: Callable[[str, dict[str, str]], Json | httpx.Response]) -> None:
        self.answer = answer
        self.calls: list[tuple[str, dict[str, str]]] = []
        self.tokens: list[str | None] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        form = dict(parse_qsl((await request.aread()).decode()))
        action = form.pop("action")
        self.calls.append((action, form))
        self.tokens.append(request.headers.get("authorization"))
        reply = self.answer(action, form)
        if isinstance(reply, httpx.Response):
            return reply
        return httpx.Response(200, content=encode_json({"status": 0, "body": reply}))

    def source(self, **settings: Any) -> WearableUpstream:
        return wearable_source(httpx.MockTransport(self), {"42": "t42"}, {"42": "9990000018"}, **settings)


def of(*groups: Any, activities: tuple[Any, ...] = (), series: tuple[Any, ...] = ()) -> Vendor:
    """An API that holds these rows, whatever is asked for."""
    bodies = {
        "getmeas": {"measuregrps": list(groups), "timezone": "Europe/Paris", "more": 0},
        "getactivity": {"activities": list(activities), "more": False},
        "getsummary": {"series": list(series), "more": False},
    }
    return Vendor(lambda action, form: bodies[action])


def group(own_id: int, *measures: tuple[int, int, int], date: int = 1_762_000_000, **more: Any) -> Json:
    """A measure group of (type, value, unit) triples."""
    rows = [{"type": kind, "value": value, "unit": unit} for kind, value, unit in measures]
    return {"grpid": own_id, "attrib": 0, "date": date, "category": 1, "measures": rows, **more}


def observations(user: str | None = "42", **more: Any) -> Search:
    return Search("Observation", PLACE, patient=user, patient_parameter="patient", **more)
