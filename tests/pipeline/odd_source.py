"""A source which does something else than it should when it is told to; as a rule, a FHIR server of one
person's observations."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from clinical.identifiers import NHS_NUMBER_SYSTEM
from sandbox.fhir.profile import Profile
from sandbox.fhir.server import FhirServer
from sandbox.fhir.store import Store
from sandbox.population.model import Person, Population

FHIR_JSON = "application/fhir+json"
ROWS = 25
MEGABYTE = 1024 * 1024

Json = dict[str, Any]


@dataclass(slots=True)
class Seen:
    """A request that came in. `left` is set when its caller closes the connection before the answer."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    left: threading.Event = field(default_factory=threading.Event)


class OddSource:
    """The source; `make` makes the server behind it from its base URL, which is its origin with `path`.

    `instead`: a piece of a path -> what answers requests for such paths.
    """

    def __init__(self, make: Callable[[str], ASGIApp], path: str = "") -> None:
        self.instead: dict[str, ASGIApp] = {}
        self.seen: list[Seen] = []
        self.base_url = ""
        self._make = make
        self._path = path
        self._server: ASGIApp | None = None

    def open(self, origin: str) -> None:
        """Tells the source where it is served."""
        self.base_url = origin + self._path
        self._server = self._make(self.base_url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        seen = noted(scope)
        self.seen.append(seen)
        scope["seen"] = seen
        odd = next((app for piece, app in self.instead.items() if piece in seen.path), None)
        assert self._server is not None
        await (odd or self._server)(scope, receive, send)

    def asked(self, piece: str) -> list[Seen]:
        """The requests for paths that hold the piece, since it was told to do something else."""
        return [one for one in self.seen if piece in one.path]

    @contextmanager
    def doing(self, odd: ASGIApp, piece: str = "/Observation") -> Iterator[None]:
        """The server does this, for paths that hold the piece, until the end of the block."""
        self.seen.clear()
        self.instead[piece] = odd
        try:
            yield
        finally:
            del self.instead[piece]


@dataclass(slots=True)
class Elsewhere:
    """A host that is no configured source and must never be called."""

    seen: list[Seen] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.seen.append(noted(scope))
            await answer(send, 200, searchset([observation(99)]))


def noted(scope: Scope) -> Seen:
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    return Seen(scope["method"], scope["path"], scope["query_string"].decode("latin-1"), headers)


# ---------------------------------------------------------------- what it holds

PATIENT = "p1"


def fhir_source(population: Population, person: Person) -> OddSource:
    """The FHIR server."""
    resources = records_of(population, person)
    profile = Profile("Odd", dict.fromkeys(("Patient", "Observation")))
    return OddSource(lambda base_url: FhirServer(Store(resources, base_url), profile), "/fhir")


def records_of(population: Population, person: Person) -> list[Json]:
    """The person's record here, by the same NHS number and birth date, and observations of every day."""
    known = next(one for one in population.ehr["Patient"] if f"Patient/{one['id']}" == person.sources["ehr"])
    patient = {
        "resourceType": "Patient",
        "id": PATIENT,
        "identifier": [{"system": NHS_NUMBER_SYSTEM, "value": person.nhs_number}],
        "birthDate": known["birthDate"],
    }
    return [patient, *(observation(number) for number in range(1, ROWS + 1))]


def observation(number: int, patient: str = PATIENT) -> Json:
    """Number 1 is the newest; all are newer than what the population has."""
    day = f"{2099 - number // 28:04d}-05-{28 - number % 28:02d}"
    return {
        "resourceType": "Observation",
        "id": f"o{number}",
        "status": "final",
        "code": {"text": "made up"},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": f"{day}T10:00:00Z",
    }


def searchset(resources: list[Json], **links: str) -> bytes:
    bundle = {
        "resourceType": "Bundle",
        "type": "searchset",
        "link": [{"relation": name.rstrip("_"), "url": url} for name, url in links.items()],
        "entry": [{"resource": one, "search": {"mode": "match"}} for one in resources],
    }
    return json.dumps(bundle).encode()


# ---------------------------------------------------------------- what it does instead


async def answer(send: Send, status: int, body: bytes, media_type: str = FHIR_JSON, **headers: str) -> None:
    """`headers` by their names with `_` for `-`; a Content-Length of its own where none is given."""
    sent = {"content-type": media_type, "content-length": str(len(body))}
    sent |= {name.lower().replace("_", "-"): value for name, value in headers.items()}
    pairs = [(name.encode(), value.encode()) for name, value in sent.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})


def fixed(status: int, body: bytes, media_type: str = FHIR_JSON, **headers: str) -> ASGIApp:
    """Always this answer."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, status, body, media_type, **headers)

    return app


def paging(page: Callable[[int], bytes]) -> ASGIApp:
    """The pages of a search, by how many have been asked for before."""
    asked = iter(range(1_000_000))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, 200, page(next(asked)))

    return app


@dataclass(slots=True)
class Flood:
    """A JSON text without end: sends megabytes until nobody takes them, and counts those taken."""

    megabytes: int = 200
    states_length: bool = False
    sent: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", FHIR_JSON.encode())]
        if self.states_length:
            headers.append((b"content-length", b"%d" % (self.megabytes * MEGABYTE)))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        gone = asyncio.ensure_future(until_disconnected(receive))
        while self.sent < self.megabytes and not gone.done():
            await send({"type": "http.response.body", "body": b" " * MEGABYTE, "more_body": True})
            self.sent += 1
            await asyncio.sleep(0)
        gone.cancel()
        await send({"type": "http.response.body", "body": b""})


def bomb(megabytes: int) -> ASGIApp:
    """A small answer that is a large one when it is unpacked."""
    return fixed(200, gzip.compress(b" " * MEGABYTE * megabytes), content_encoding="gzip")


async def broken_off(scope: Scope, receive: Receive, send: Send) -> None:
    """Closes the connection in the middle of an answer."""
    headers = [(b"content-type", FHIR_JSON.encode()), (b"content-length", b"100000")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b'{"resourceType": "Bundle",', "more_body": True})
    scope["seen"].left.set()
    raise ConnectionAbortedError


async def hanging(scope: Scope, receive: Receive, send: Send) -> None:
    """Never answers; notes when its caller leaves."""
    await until_disconnected(receive)
    scope["seen"].left.set()


async def dripping(scope: Scope, receive: Receive, send: Send) -> None:
    """An answer of which a byte comes now and then."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    gone = asyncio.ensure_future(until_disconnected(receive))
    while not gone.done():
        await send({"type": "http.response.body", "body": b" ", "more_body": True})
        await asyncio.wait((gone,), timeout=0.05)
    scope["seen"].left.set()


async def until_disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
