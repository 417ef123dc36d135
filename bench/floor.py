"""The floor: what somebody would write by hand for exactly these questions, as fast as it can be written.

Starlette, aiohttp's connections without its session, as the gateway takes them (2 to 6 % less than with it),
without a timeout; typed decode and encode by msgspec; no GraphQL, no authentication, no checks. It asks the
source the same questions as the gateway and answers the same bytes; `bench.agreement` proves both before
anything is measured.

`python -m bench.floor --port N --upstream-port N`, with the identity key in IDENTITY_KEY.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import msgspec
import uvicorn
from msgspec.json import Decoder, Encoder
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench import floor_shapes as shapes
from bench.floor_summary import SUMMARY, SummaryPerson, summary_of
from clinical.identifiers import NHS_NUMBER_SYSTEM
from resolvers.person import PersonKey
from resolvers.upstreams.plain_request import answer_to
from resolvers.upstreams.transport import Request as Question

PAGE_MAX: Final = 100
BUNDLE_MAX: Final = 50
ADDRESS_MAX: Final = 2000
JSON: Final = {"Accept": "application/fhir+json"}
FORM: Final = {**JSON, "Content-Type": "application/x-www-form-urlencoded"}
POST_JSON: Final = {**JSON, "Content-Type": "application/fhir+json"}
TYPENAME: Final = b'{"data":{"__typename":"Query"}}'
TAIL: Final = b',"extensions":{"sources":[{"source":"ehr","status":"OK"}]}}'


class Variables(msgspec.Struct):
    id: str = ""
    patients: int = 20
    each: int = 10


class Body(msgspec.Struct):
    variables: Variables


_body: Final = Decoder(Body)
_people: Final = Decoder(shapes.Bundle[shapes.FoundPerson])
_found: Final = Decoder(shapes.Bundle[shapes.Found])
_details: Final = Decoder(shapes.Bundle[SummaryPerson])
_observations: Final = Decoder(shapes.Bundle[shapes.ObservationB])
_batch: Final = Decoder(shapes.Bundle[shapes.Bundle[shapes.ObservationC]])
_encode: Final = Encoder().encode


class Floor:
    """The endpoints, with the source's address and the key that person ids are sealed by."""

    def __init__(self, upstream_port: int, key: PersonKey) -> None:
        self._base = f"http://127.0.0.1:{upstream_port}/fhir"
        self._key = key
        self._connector: aiohttp.BaseConnector | None = None

    def app(self) -> Starlette:
        routes = [
            Route(f"/{name}", endpoint, methods=["POST"])
            for name, endpoint in (
                ("typename", self.typename),
                ("a", self.people),
                ("b", self.one),
                ("c", self.rows),
                ("rows", self.rows),
                ("ips", self.summary),
            )
        ]
        return Starlette(routes=routes, lifespan=self._opened)

    @asynccontextmanager
    async def _opened(self, _: Starlette) -> AsyncIterator[None]:
        async with aiohttp.TCPConnector(limit=256) as connector:
            self._connector = connector
            yield

    async def typename(self, request: Request) -> Response:
        await request.body()
        return Response(TYPENAME, media_type="application/json")

    async def people(self, request: Request) -> Response:
        await request.body()
        found = _people.decode(await self._get("Patient?_sort=_id&_count=21")).entry[:20]
        ids = await self._person_ids([one.resource for one in found])
        nodes = [
            shapes.Person(id_, one.gender, one.birthDate, one.active, one.name)
            for id_, one in zip(ids, (entry.resource for entry in found), strict=True)
        ]
        return _answer(b'{"data":{"patients":{"nodes":', nodes, b"}}")

    async def one(self, request: Request) -> Response:
        id_ = _body.decode(await request.body()).variables.id
        found = _found.decode(await self._identified([self._key.open(id_)[1]])).entry[0].resource
        path = f"Observation?patient=Patient/{found.id}&_sort=-date,_id&_count=51"
        rows = _observations.decode(await self._get(path)).entry[:50]
        person = shapes.PersonWithObservations(id_, _connection([one.resource for one in rows]))
        return _answer(b'{"data":{"patient":', person, b"}")

    async def rows(self, request: Request) -> Response:
        asked = _body.decode(await request.body()).variables
        count, each = asked.patients, asked.each
        page = await self._get(f"Patient?_sort=_id&_count={min(count + 1, PAGE_MAX)}")
        found = [one.resource for one in _found.decode(page).entry[:count]]
        ids = await self._person_ids(found)
        parts = await self._observations_of([one.id for one in found], each)
        nodes = [
            shapes.PersonWithObservations(id_, _connection([row.resource for row in part.entry[:each]]))
            for id_, part in zip(ids, parts, strict=True)
        ]
        return _answer(b'{"data":{"patients":{"nodes":', nodes, b"}}")

    async def summary(self, request: Request) -> Response:
        id_ = _body.decode(await request.body()).variables.id
        found = _details.decode(await self._identified([self._key.open(id_)[1]])).entry[0].resource
        paths = [f"{kind}?patient=Patient/{found.id}&_sort={sort},_id&_count=11" for kind, sort in SUMMARY]
        return _answer(b'{"data":{"patient":', summary_of(id_, found, await self._bundle(paths)), b"}")

    async def _person_ids(self, found: Sequence[Any]) -> list[str]:
        """The canonical id of each record's person, once the source was asked for other records of theirs."""
        numbers = [_number(one) for one in found]
        known = {_number(one.resource) for one in _found.decode(await self._identified(numbers)).entry}
        return [self._key.seal(NHS_NUMBER_SYSTEM, one) for one in numbers if one in known]

    async def _observations_of(
        self, ids: Sequence[str], each: int
    ) -> list[shapes.Bundle[shapes.ObservationC]]:
        rest = f"&_sort=-date,_id&_count={min(each + 1, PAGE_MAX)}"
        paths = [f"Observation?patient=Patient/{one}{rest}" for one in ids]
        if len(paths) == 1:
            page = await self._get(paths[0])
            return [msgspec.json.decode(page, type=shapes.Bundle[shapes.ObservationC])]
        groups = [paths[at : at + BUNDLE_MAX] for at in range(0, len(paths), BUNDLE_MAX)]
        answers = await asyncio.gather(*map(self._bundle, groups))
        return [entry.resource for answer in answers for entry in _batch.decode(answer).entry]

    async def _identified(self, numbers: Sequence[str]) -> bytes:
        values = ",".join(quote(f"{NHS_NUMBER_SYSTEM}|{one}", safe="/:") for one in numbers)
        query = f"identifier={values}&_count=100"
        if len(self._base) + len("/Patient?") + len(query) <= ADDRESS_MAX:
            return await self._get(f"Patient?{query}")
        return await self._post("/Patient/_search", query.encode(), FORM)

    async def _bundle(self, paths: Sequence[str]) -> bytes:
        entries = [{"request": {"method": "GET", "url": one}} for one in paths]
        return await self._post(
            "", _encode({"resourceType": "Bundle", "type": "batch", "entry": entries}), POST_JSON
        )

    async def _get(self, path: str) -> bytes:
        assert self._connector is not None
        answer = await answer_to(Question("GET", f"{self._base}/{path}", JSON), self._connector)
        return await answer.content.read()

    async def _post(self, path: str, body: bytes, headers: dict[str, str]) -> bytes:
        assert self._connector is not None
        answer = await answer_to(Question("POST", self._base + path, headers, body), self._connector)
        return await answer.content.read()


def _number(found: shapes.Found | shapes.FoundPerson) -> str:
    return next(one.value or "" for one in found.identifier if one.system == NHS_NUMBER_SYSTEM)


def _connection(rows: list[Any]) -> shapes.Connection:
    for row in rows:
        row.id = "ehr/Observation/" + row.id
    return shapes.Connection("COMPLETE", rows)


def _answer(head: bytes, value: Any, tail: bytes) -> Response:
    return Response(b"".join((head, _encode(value), tail, TAIL)), media_type="application/json")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.floor", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream-port", type=int, required=True)
    options = parser.parse_args()
    floor = Floor(options.upstream_port, PersonKey(bytes.fromhex(os.environ["IDENTITY_KEY"])))
    uvicorn.run(
        floor.app(),
        port=options.port,
        loop="uvloop",
        http="httptools",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
    )


if __name__ == "__main__":
    main()
