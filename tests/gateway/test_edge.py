"""What the edge makes of a request before anybody else sees it."""

import uuid
from collections.abc import Mapping
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from gateway.cors import Headers, OriginList
from gateway.edge import Edge, headers_of, marked, request_id_of

Lines = list[tuple[bytes, bytes]]

ORIGIN = "https://app.example.org"


class Told:
    """An application that notes the scope it is called with."""

    def __init__(self) -> None:
        self.scope: Scope = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        await PlainTextResponse("", headers={"Vary": "Accept"})(scope, receive, send)


async def answered(edge: Edge, path: str, lines: Lines, root_path: str = "") -> list[tuple[bytes, bytes]]:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "headers": lines, "query_string": b""}
    scope["root_path"] = root_path
    await edge(scope, receive, send)
    return list(sent[0]["headers"])


@pytest.fixture
def told() -> Told:
    return Told()


def edge_over(told: Told, *origins: str) -> Edge:
    return Edge(Starlette(routes=[Route("/told", told)]), OriginList(origins))


async def test_application_at_a_plain_path_is_called_without_the_router(told: Told) -> None:
    await answered(edge_over(told), "/told", [])
    assert "router" not in told.scope
    headers = dict(await answered(edge_over(told), "/told/", []))
    assert headers[b"location"].endswith(b"/told"), "the router has the other paths"
    assert b"x-request-id" in headers


class Marking(Told):
    """One that adds the marks by itself."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.serve(scope, receive, send, request_id_of(scope), headers_of(scope), ())

    async def serve(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        request_id: str,
        headers: Mapping[bytes, bytes],
        marks: Headers,
    ) -> None:
        assert headers[b"origin"] == ORIGIN.encode()
        await super().__call__(scope, receive, marked(send, marks))


@pytest.mark.parametrize("root_path", ["", "/behind"])
async def test_marks_are_added_once_whoever_adds_them_and_on_whichever_way(root_path: str) -> None:
    edge = edge_over(Marking(), ORIGIN)
    headers = await answered(edge, f"{root_path}/told", [(b"origin", ORIGIN.encode())], root_path)
    for name in (b"x-request-id", b"x-content-type-options", b"access-control-allow-origin"):
        assert len([one for one, _ in headers if one == name]) == 1, name


async def test_lines_of_one_name_are_one_list(told: Told) -> None:
    lines = [(b"accept", b"a/b"), (b"origin", b"x"), (b"accept", b"c/d")]
    await answered(edge_over(told), "/told", lines)
    assert headers_of(told.scope) == {b"accept": b"a/b, c/d", b"origin": b"x"}


async def test_every_response_is_marked(told: Told) -> None:
    for path in ("/told", "/nothing"):
        headers = await answered(edge_over(told), path, [])
        assert (b"x-content-type-options", b"nosniff") in headers
        made = dict(headers)[b"x-request-id"].decode()
        assert uuid.UUID(made).version == 4
    assert request_id_of(told.scope) != made


async def test_responses_vary_by_origin_only_where_one_is_allowed(told: Told) -> None:
    assert (b"vary", b"Origin") not in await answered(edge_over(told), "/told", [])
    headers = await answered(edge_over(told, "https://app.test"), "/told", [])
    assert [value for name, value in headers if name == b"vary"] == [b"Accept", b"Origin"]


async def test_made_ids_are_random_uuids_of_version_4(told: Told) -> None:
    edge, made = edge_over(told), set()
    for _ in range(1000):
        await answered(edge, "/told", [(b"x-request-id", b"no UUID")])
        made.add(request_id_of(told.scope))
    assert len(made) == 1000
    for one in made:
        parsed = uuid.UUID(one)
        assert (str(parsed), parsed.version, parsed.variant) == (one, 4, uuid.RFC_4122)


async def test_uuid_of_the_caller_is_kept_in_lower_case(told: Told) -> None:
    given = str(uuid.UUID(int=2**127 + 10))
    await answered(edge_over(told), "/told", [(b"x-request-id", given.upper().encode())])
    assert request_id_of(told.scope) == given
