"""Requests that name their document: every form that is one, and every form that is none."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.persisted.names import text_hash
from tests.gateway.front_door import FrontDoor, code_of

HERE = Path(__file__).parent
HASHES = json.loads((HERE / "hashes.json").read_text("utf-8"))
HELLO, LONG = text_hash("{ hello }"), text_hash("{ long }")
_REQUESTS = (
    (HERE / "requests.json")
    .read_text("utf-8")
    .replace("HASH_OF_HELLO", HELLO)
    .replace("HASH_OF_LONG", LONG)
    .replace("CAPITALS_OF_HELLO", HELLO.upper())
)
REQUESTS = json.loads(_REQUESTS)


@pytest.mark.parametrize("vector", HASHES, ids=lambda one: one["rule"])
def test_a_document_is_named_by_the_hash_of_its_text(vector: dict[str, str]) -> None:
    assert text_hash(vector["text"]) == vector["sha256"]


@pytest.mark.parametrize("vector", REQUESTS, ids=lambda one: one["rule"])
async def test_request_is_answered_as_the_vector_says(vector: dict[str, Any]) -> None:
    door = FrontDoor()
    response = await door.post(vector["body"])
    code = code_of(response) if response.status_code != 200 else None
    assert (response.status_code, code) == (vector["status"], vector["code"])
    assert door.executor.ran == (vector["code"] is None)


@pytest.mark.parametrize("vector", REQUESTS, ids=lambda one: one["rule"])
async def test_a_query_string_says_the_same(vector: dict[str, Any]) -> None:
    if vector["rule"] in ("an empty id", "an id that is a number"):  # in an address: absent, and a text
        return
    door = FrontDoor()
    texts = {name: one if isinstance(one, str) else json.dumps(one) for name, one in vector["body"].items()}
    response = await door.get(texts, Accept="application/graphql-response+json")
    assert response.status_code == vector["status"]
    assert vector["code"] is None or code_of(response) == vector["code"]
