"""Apollo Client's own persisted-query link registers documents, asks by hash, and gives up where it must."""

import json
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.app import build
from gateway.settings_file import settings_of
from tests.interop.conftest import Sandbox
from tests.interop.endpoint import Endpoint
from tests.interop.programs import ask_script
from tests.running import served

pytestmark = pytest.mark.interop

# As Apollo Client prints it: with __typename, and in its own layout.
PRINTED = """query Person($id: ID!) {
  patient(id: $id) {
    id
    __typename
  }
}"""
PERSON = "query Person($id: ID!) { patient(id: $id) { id } }"
OTHER = "query Other($id: ID!) { patient(id: $id) { id birthDate } }"
THIRD = "query Third($id: ID!) { patient(id: $id) { id gender } }"

Told = dict[str, Any]
Ask = Callable[..., list[Told]]


@pytest.fixture
def ask(node: str, interop: Path) -> Ask:
    """Asks one after another, each with a client of its own."""

    def asking(endpoint: Endpoint, *asks: Any) -> list[Told]:
        question = {"url": endpoint.url, "token": endpoint.token, "asks": asks}
        told: list[Told] = ask_script(node, interop / "apollo_persisted.mjs", question)
        return told

    return asking


@pytest.fixture(scope="module")
def person(sandbox: Sandbox) -> dict[str, str]:
    return {"id": next(one["id"] for one in sandbox.summary["patients"] if one["id"].startswith("person/"))}


def exchanges(told: Told) -> list[tuple[str, bool, int]]:
    return [(one["method"], one["sendsText"], one["status"]) for one in told["exchanges"]]


def test_the_text_is_sent_once_and_the_hash_from_then_on(
    ask: Ask, endpoint: Endpoint, person: dict[str, str]
) -> None:
    first, second = ask(endpoint, *[{"query": OTHER, "variables": person}] * 2)
    assert first["data"]["patient"]["id"] == second["data"]["patient"]["id"] == person["id"]
    assert [sends for _, sends, _ in exchanges(first)] == [False, True]
    assert exchanges(second) == [("POST", False, 200)]


def test_by_get_a_hash_that_is_not_known_yet_is_registered_by_post(
    ask: Ask, endpoint: Endpoint, person: dict[str, str]
) -> None:
    first, second = ask(endpoint, *[{"query": THIRD, "variables": person, "get": True}] * 2)
    assert first["data"]["patient"]["id"] == second["data"]["patient"]["id"]
    assert [(method, sends) for method, sends, _ in exchanges(first)] == [("GET", False), ("POST", True)]
    assert first["exchanges"][0]["cacheControl"] == "no-store"
    assert exchanges(second) == [("GET", False, 200)]
    assert second["exchanges"][0]["cacheControl"] == "private, no-cache"
    assert second["exchanges"][0]["etag"]


@pytest.fixture(scope="module")
def strict(
    sandbox: Sandbox, endpoint: Endpoint, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Endpoint]:
    """A gateway that executes what an Apollo manifest lists, and nothing else."""
    manifest = tmp_path_factory.mktemp("documents") / "persisted-query-manifest.json"
    operation = {"id": "person-1", "name": "Person", "type": "query", "body": PRINTED}
    listed = {"format": "apollo-persisted-query-manifest", "version": 1, "operations": [operation]}
    manifest.write_text(json.dumps(listed))
    file = sandbox.state / "gateway.toml"
    written = tomllib.loads(file.read_text("utf-8"))
    written["documents"] = {"manifests": [str(manifest)], "mode": "require"}
    with served(build(settings_of(written, file))) as origin:
        yield Endpoint(f"{origin}/graphql", endpoint.token, endpoint.client)


def test_a_trusted_document_is_known_from_the_start(
    ask: Ask, strict: Endpoint, person: dict[str, str]
) -> None:
    post, get = ask(strict, *({"query": PERSON, "variables": person, "get": get} for get in (False, True)))
    assert post["data"]["patient"]["id"] == get["data"]["patient"]["id"] == person["id"]
    assert exchanges(post) == [("POST", False, 200)]
    assert exchanges(get) == [("GET", False, 200)]


def test_a_document_that_is_not_trusted_is_refused_when_its_text_is_sent(
    ask: Ask, strict: Endpoint, person: dict[str, str]
) -> None:
    (told,) = ask(strict, {"query": OTHER, "variables": person})
    assert (told["data"], told["errors"]) == (None, ["OPERATION_NOT_ALLOWED"])
    assert [sends for _, sends, _ in exchanges(told)] == [False, True]
