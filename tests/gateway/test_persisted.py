"""Documents by id, as clients see them: registered by one, trusted by all, required of some."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.document_limits import LimitSettings
from gateway.persisted.names import text_hash
from gateway.persisted.registered import MemoryRegistered
from gateway.persisted.settings import DocumentSettings
from tests.gateway.front_door import FrontDoor, code_of

HELLO, LONG = "{ hello }", "{ long }"
TRUSTED = "query Greeting($n: Int) { hello echo(number: $n) }"
BOTH = "query One { hello } query Two { long }"


def apollo(text: str) -> dict[str, Any]:
    return {"persistedQuery": {"version": 1, "sha256Hash": text_hash(text)}}


async def register(door: FrontDoor, text: str, token: str | None = "") -> httpx.Response:
    return await door.post({"query": text, "extensions": apollo(text)}, token=token)


async def by_hash(door: FrontDoor, text: str, token: str | None = "") -> httpx.Response:
    return await door.post({"extensions": apollo(text)}, token=token)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "portal").mkdir()
    (tmp_path / "portal" / "greeting.graphql").write_text(TRUSTED + "\n")
    (tmp_path / "both.gql").write_text(BOTH)
    return tmp_path


def strict(folder: Path) -> FrontDoor:
    """Whoever's client is called `strict-...` is limited to trusted documents."""
    return FrontDoor(settings=DocumentSettings(folder=folder, mode_by_tier={"strict": "require"}))


# ---------------------------------------------------------------- registered


async def test_a_document_is_registered_by_sending_it_with_its_hash(door: FrontDoor) -> None:
    unknown = await by_hash(door, HELLO)
    assert (unknown.status_code, code_of(unknown)) == (400, "PERSISTED_QUERY_NOT_FOUND")
    assert unknown.json()["errors"][0]["message"] == "PersistedQueryNotFound", "as Apollo's clients know it"
    assert (await register(door, HELLO)).json()["data"] == {"hello": "world"}
    assert (await by_hash(door, HELLO)).json()["data"] == {"hello": "world"}
    named = await door.post({"documentId": f"sha256:{text_hash(HELLO)}"})
    assert named.json()["data"] == {"hello": "world"}


async def test_an_older_client_is_told_with_200(door: FrontDoor) -> None:
    unknown = await door.post({"extensions": apollo(HELLO)}, headers={"Accept": "application/json"})
    assert (unknown.status_code, code_of(unknown)) == (200, "PERSISTED_QUERY_NOT_FOUND")


async def test_a_text_without_a_hash_registers_nothing(door: FrontDoor) -> None:
    await door.ask(HELLO)
    assert code_of(await by_hash(door, HELLO)) == "PERSISTED_QUERY_NOT_FOUND"


async def test_only_a_known_caller_registers_or_finds(door: FrontDoor) -> None:
    assert code_of(await register(door, HELLO, token=None)) == "UNAUTHENTICATED"
    assert code_of(await by_hash(door, HELLO, token=None)) == "UNAUTHENTICATED"
    assert isinstance(door.registered, MemoryRegistered)
    assert len(door.registered) == 0


async def test_a_client_finds_what_it_registered_itself_and_nothing_else(door: FrontDoor) -> None:
    other = door.issuer.token(client_id="another-app")
    await register(door, HELLO)
    assert code_of(await by_hash(door, HELLO, other)) == "PERSISTED_QUERY_NOT_FOUND"
    await register(door, HELLO, other)
    assert (await by_hash(door, HELLO, other)).json()["data"] == {"hello": "world"}


async def test_users_of_one_client_share_its_documents(door: FrontDoor) -> None:
    await register(door, HELLO)
    found = await by_hash(door, HELLO, door.issuer.token(sub="somebody else"))
    assert found.json()["data"] == {"hello": "world"}


@pytest.mark.parametrize("text", ["{", "{ nothing }", "fragment F on Query { hello }", BOTH])
async def test_what_is_refused_is_not_registered(door: FrontDoor, text: str) -> None:
    refused = await register(door, text)
    assert refused.status_code == 400
    assert code_of(await by_hash(door, text)) == "PERSISTED_QUERY_NOT_FOUND"


async def test_a_document_that_is_too_long_is_refused_for_its_length() -> None:
    door = FrontDoor(limits=LimitSettings(max_characters=100))
    long = "{ hello }" + " " * 100
    assert code_of(await register(door, long)) == "DOCUMENT_LIMIT_EXCEEDED"
    wrong = {"query": long, "extensions": apollo(HELLO)}
    assert code_of(await door.post(wrong)) == "DOCUMENT_LIMIT_EXCEEDED", "it is not even hashed"


async def test_a_flood_takes_the_places_of_its_own_client_alone() -> None:
    door = FrontDoor(settings=DocumentSettings(registered_max=10, registered_max_per_client=5))
    flood = door.issuer.token(client_id="flooding-app")
    await register(door, HELLO)
    for number in range(30):
        assert (await register(door, f"{{ a{number}: hello }}", flood)).status_code == 200
    assert (await by_hash(door, HELLO)).status_code == 200
    assert isinstance(door.registered, MemoryRegistered)
    assert len(door.registered) == 6
    assert (await by_hash(door, "{ a29: hello }", flood)).status_code == 200
    assert code_of(await by_hash(door, "{ a24: hello }", flood)) == "PERSISTED_QUERY_NOT_FOUND"


async def test_where_nothing_is_registered_a_text_with_its_hash_is_executed() -> None:
    door = FrontDoor(settings=DocumentSettings(registered_max_per_client=0))
    assert (await register(door, HELLO)).json()["data"] == {"hello": "world"}
    assert code_of(await by_hash(door, HELLO)) == "PERSISTED_QUERY_NOT_FOUND"


class Liar:
    """A store that gives another text than it was given, as one might that somebody has got at."""

    async def find(self, _: str, __: str) -> str | None:
        return LONG

    async def keep(self, _: str, __: str, ___: str) -> bool:
        return True


async def test_what_a_store_gives_is_no_document_unless_it_has_the_hash() -> None:
    door = FrontDoor(registered=Liar())
    assert code_of(await by_hash(door, HELLO)) == "PERSISTED_QUERY_NOT_FOUND"
    assert (await by_hash(door, LONG)).status_code == 200


async def test_the_record_says_by_which_id_a_document_came(door: FrontDoor) -> None:
    await door.ask(HELLO)
    await register(door, HELLO)
    await by_hash(door, HELLO)
    await by_hash(door, LONG)
    plain, registered, found, unknown = door.kept.records()
    assert "document_id" not in plain
    assert registered["document_id"] == found["document_id"] == text_hash(HELLO)
    assert plain["document"] == found["document"]
    assert "document_id" not in unknown, "a word of the client's choice is not written down"
    assert unknown["outcome"] == "PERSISTED_QUERY_NOT_FOUND"


# ---------------------------------------------------------------- trusted


@pytest.mark.parametrize(
    "name",
    [
        {"documentId": "portal.greeting"},
        {"documentId": f"sha256:{text_hash(TRUSTED)}"},
        {"documentId": f"sha256:{text_hash(TRUSTED + chr(10))}"},
        {"extensions": apollo(TRUSTED)},
        {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "portal.greeting"}}},
        {"query": TRUSTED},
        {"query": TRUSTED + "\n"},
        {"query": TRUSTED, "extensions": apollo(TRUSTED)},
        {"query": TRUSTED, "operationName": "Greeting"},
    ],
)
@pytest.mark.parametrize("client", ["strict-app", "an-app"])
async def test_a_trusted_document_is_executed_by_id_and_by_text(
    folder: Path, name: dict[str, Any], client: str
) -> None:
    door = strict(folder)
    response = await door.post(name | {"variables": {"n": 7}}, token=door.issuer.token(client_id=client))
    assert response.json()["data"] == {"hello": "world", "echo": "7"}


async def test_an_operation_of_a_trusted_document_is_chosen_by_name(folder: Path) -> None:
    door = strict(folder)
    two = await door.post({"documentId": "both", "operationName": "Two"})
    assert list(two.json()["data"]) == ["long"]
    assert code_of(await door.post({"documentId": "both"})) == "BAD_USER_INPUT"


@pytest.mark.parametrize(
    "body",
    [
        {"query": HELLO},
        {"query": HELLO, "extensions": apollo(HELLO)},
        {"query": HELLO, "documentId": f"sha256:{text_hash(HELLO)}"},
        {"query": TRUSTED + " "},
        {"query": f"# {TRUSTED}\n{HELLO}"},
        {"query": "{ __schema { types { name } } }"},
        {"query": "{ __typename }"},
        {"query": BOTH + " query Three { thing { id } }", "operationName": "One"},
    ],
)
async def test_where_trust_is_required_any_other_text_is_refused(folder: Path, body: dict[str, Any]) -> None:
    door = strict(folder)
    token = door.issuer.token(client_id="strict-app")
    response = await door.post(body, token=token)
    assert (response.status_code, code_of(response)) == (400, "OPERATION_NOT_ALLOWED")
    assert (await door.post(body)).status_code == 200, "another tier may ask it"
    assert code_of(await door.post(body, token=token)) == "OPERATION_NOT_ALLOWED"
    assert door.executor.ran == 1


async def test_where_trust_is_required_nothing_registered_counts(folder: Path) -> None:
    door = strict(folder)
    await register(door, HELLO)
    strict_token = door.issuer.token(client_id="strict-app")
    assert code_of(await by_hash(door, HELLO, strict_token)) == "PERSISTED_QUERY_NOT_FOUND"
    # A client that was let off the limit has registered: back under it, that counts for nothing.
    everywhere = FrontDoor(
        settings=DocumentSettings(folder=folder, mode="require", mode_by_tier={"an": "allow"}),
        registered=door.registered,
    )
    assert (await by_hash(everywhere, HELLO)).status_code == 200
    renamed = FrontDoor(settings=DocumentSettings(folder=folder, mode="require"), registered=door.registered)
    assert code_of(await by_hash(renamed, HELLO)) == "PERSISTED_QUERY_NOT_FOUND"
    assert code_of(await register(renamed, HELLO)) == "OPERATION_NOT_ALLOWED"


async def test_an_id_with_another_text_is_refused(folder: Path) -> None:
    door = strict(folder)
    response = await door.post({"documentId": "portal.greeting", "query": HELLO})
    assert (response.status_code, code_of(response)) == (400, "BAD_USER_INPUT")


async def test_trusted_documents_are_prepared_before_anybody_asks_and_never_pushed_out(folder: Path) -> None:
    door = strict(folder)
    first = await door.documents.lookup(TRUSTED, "Greeting")
    for number in range(1_100):
        await door.documents.lookup(f"{{ a{number}: hello }}", None)
    assert await door.documents.lookup(TRUSTED, "Greeting") is first
    assert (await door.documents.lookup(TRUSTED, None)).plans is first.plans


async def test_what_a_client_registers_takes_no_trusted_document_away(folder: Path) -> None:
    settings = DocumentSettings(folder=folder, registered_max=2, registered_max_per_client=2)
    door = FrontDoor(settings=settings)
    for number in range(20):
        await register(door, f"{{ a{number}: hello }}")
    await register(door, TRUSTED)
    assert (await door.post({"documentId": "portal.greeting"})).status_code == 200
    assert (await by_hash(door, "{ a19: hello }")).status_code == 200


async def test_a_get_may_name_its_document(folder: Path) -> None:
    door = strict(folder)
    params = {"documentId": "portal.greeting", "variables": json.dumps({"n": 3})}
    assert (await door.get(params)).json()["data"] == {"hello": "world", "echo": "3"}
    params = {"extensions": json.dumps(apollo(TRUSTED)), "operationName": "Greeting"}
    assert (await door.get(params)).json()["data"] == {"hello": "world", "echo": "0"}
