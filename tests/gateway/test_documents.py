"""A document is prepared once, and a bad one is refused once."""

import asyncio
import threading

import pytest
from graphql import GraphQLSchema

from gateway.document_errors import DocumentInvalid, DocumentRefused
from gateway.document_limits import LimitSettings
from gateway.documents import CHARACTERS_KEPT, REFUSED_KEPT, Documents, document_hash
from gateway.prepare import Preparation, PreparedDocument
from tests.gateway.front_door import SCHEMA, FrontDoor, code_of


class CountingPreparation(Preparation):
    """Notes what is prepared."""

    def __init__(self, schema: GraphQLSchema = SCHEMA) -> None:
        super().__init__(schema, LimitSettings())
        object.__setattr__(self, "_log", [])

    __slots__ = ("_log",)

    @property
    def log(self) -> list[str]:
        noted: list[str] = self._log
        return noted

    def prepare(self, text: str, operation_name: str | None, hash_: str) -> PreparedDocument:
        self.log.append(text)
        return super().prepare(text, operation_name, hash_)


@pytest.fixture
def preparation() -> CountingPreparation:
    return CountingPreparation()


async def test_same_text_and_name_are_prepared_once(preparation: CountingPreparation) -> None:
    documents = Documents(preparation)
    first = await documents.lookup("query A { hello }", "A")
    assert await documents.lookup("query A { hello }", "A") is first
    assert await documents.lookup("query A { hello }", None) is not first
    assert len(preparation.log) == 2


async def test_same_refusal_is_found_once_and_told_each_time(preparation: CountingPreparation) -> None:
    documents = Documents(preparation)
    for _ in range(3):
        with pytest.raises(DocumentRefused) as refused:
            await documents.lookup("{ nothing }", None)
        assert refused.value.code == "GRAPHQL_VALIDATION_FAILED"
    assert len(preparation.log) == 1


async def test_document_unused_longest_goes_first(preparation: CountingPreparation) -> None:
    documents = Documents(preparation, kept=2)
    for text in ("{ hello }", "{ long }", "{ hello }", "{ echo }", "{ hello }"):
        await documents.lookup(text, None)
    assert preparation.log == ["{ hello }", "{ long }", "{ echo }"]


async def test_stream_of_bad_documents_does_not_push_good_ones_out(preparation: CountingPreparation) -> None:
    documents = Documents(preparation, kept=1)
    await documents.lookup("{ hello }", None)
    for number in range(REFUSED_KEPT + 50):
        with pytest.raises(DocumentRefused):
            await documents.lookup(f"{{ nothing{number} }}", None)
    await documents.lookup("{ hello }", None)
    assert preparation.log.count("{ hello }") == 1
    assert len(documents._refused) == REFUSED_KEPT


async def test_many_who_bring_a_new_document_at_once_have_it_prepared_once(
    preparation: CountingPreparation,
) -> None:
    documents = Documents(preparation)
    found = await asyncio.gather(*(documents.lookup("{ hello }", None) for _ in range(50)))
    assert len(set(map(id, found))) == 1
    refused = await asyncio.gather(
        *(documents.lookup("{ nothing }", None) for _ in range(50)), return_exceptions=True
    )
    assert len(set(map(id, refused))) == 50, "each has an exception of its own"
    assert {type(one) for one in refused} == {DocumentInvalid}
    assert preparation.log == ["{ hello }", "{ nothing }"]


class HeldPreparation(CountingPreparation):
    """Waits until it is let go; notes in which thread."""

    __slots__ = ("threads",)

    def __init__(self) -> None:
        super().__init__()
        object.__setattr__(self, "threads", [])

    def prepare(self, text: str, operation_name: str | None, hash_: str) -> PreparedDocument:
        self.threads.append(threading.current_thread())
        assert LET_GO.wait(30)
        return super().prepare(text, operation_name, hash_)


LET_GO = threading.Event()


async def test_nobody_waits_for_the_preparation_of_anothers_document() -> None:
    LET_GO.clear()
    preparation = HeldPreparation()
    documents = Documents(preparation)
    asking = asyncio.create_task(documents.lookup("{ hello }", None))
    await asyncio.sleep(0)
    assert not asking.done()
    LET_GO.set()
    await asking
    assert threading.current_thread() not in preparation.threads


async def test_client_that_leaves_does_not_take_a_document_from_others() -> None:
    LET_GO.clear()
    preparation = HeldPreparation()
    documents = Documents(preparation)
    first, second = (asyncio.create_task(documents.lookup("{ hello }", None)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    LET_GO.set()
    assert (await second).hash == document_hash("{ hello }", None)
    assert len(preparation.log) == 1


async def test_fault_in_a_preparation_is_told_to_all_and_not_kept(
    preparation: CountingPreparation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError

    documents = Documents(preparation)
    with monkeypatch.context() as broken:
        broken.setattr(CountingPreparation, "prepare", fail)
        told = await asyncio.gather(
            *(documents.lookup("{ hello }", None) for _ in range(2)), return_exceptions=True
        )
        assert {type(one) for one in told} == {RuntimeError}
    assert await documents.lookup("{ hello }", None)


async def test_long_documents_are_fewer(preparation: CountingPreparation) -> None:
    documents = Documents(preparation)
    texts = [
        f"{{ hello }} #{number:09d}".ljust(10_000, "x") for number in range(CHARACTERS_KEPT // 10_000 + 1)
    ]
    for text in texts:
        await documents.lookup(text, None)
    await documents.lookup(texts[-1], None)
    assert len(preparation.log) == len(texts)
    await documents.lookup(texts[0], None)
    assert len(preparation.log) == len(texts) + 1


async def test_prepared_document_holds_what_executors_need(preparation: CountingPreparation) -> None:
    text = "query A { ...F } fragment F on Query { hello }"
    prepared = await Documents(preparation).lookup(text, None)
    assert (prepared.kind, prepared.operation_name, list(prepared.fragments)) == ("query", "A", ["F"])
    assert prepared.hash == document_hash(text, None)
    assert not prepared.introspects


def test_hash_tells_text_and_name_apart() -> None:
    made = {document_hash("{ a }", None), document_hash("{ a }", ""), document_hash("{ a }", "A")}
    made |= {document_hash("{ a }\0A", None), document_hash("{ b }", None)} - {document_hash("{ a }", "A")}
    assert len(made) >= 4


@pytest.mark.parametrize(
    "query",
    [
        "{ __schema { types { name } } }",
        '{ __type(name: "Query") { name } }',
        "{ ...F } fragment F on Query { __schema { types { name } } }",
        "{ hello ... { s: __schema { types { name } } } }",
        "query A { hello } query B { __schema { types { name } } }",
    ],
)
async def test_introspection_is_refused_where_it_is_off(query: str) -> None:
    name = "A" if query.startswith("query A") else None
    door = FrontDoor(introspection=False)
    response = await door.ask(query, operationName=name)
    assert (response.status_code, code_of(response)) == (400, "OPERATION_NOT_ALLOWED")
    assert "errors" not in (await FrontDoor(introspection=True).ask(query, operationName=name)).json()


async def test_type_names_are_no_introspection() -> None:
    response = await FrontDoor(introspection=False).ask("{ __typename thing { __typename } }")
    assert response.json()["data"] == {"__typename": "Query", "thing": {"__typename": "Thing"}}


@pytest.mark.parametrize(
    "query", ["{ helo }", "{ thing { nam } }", "{ echo(txt: 1) }", "query ($r: Rang) { hello }"]
)
async def test_suggestions_are_hidden_where_introspection_is_off(query: str) -> None:
    assert "Did you mean" in (await FrontDoor(introspection=True).ask(query)).text
    assert "Did you mean" not in (await FrontDoor(introspection=False).ask(query)).text


async def test_number_of_validation_errors_is_bounded(door: FrontDoor) -> None:
    response = await door.ask("{" + " ".join(f"nothing{n}" for n in range(300)) + "}")
    assert code_of(response) == "DOCUMENT_LIMIT_EXCEEDED"  # root fields, before validation
    response = await door.ask("{ thing {" + " ".join(f"nothing{n}" for n in range(300)) + "} }")
    assert code_of(response) == "GRAPHQL_VALIDATION_FAILED"
    assert len(response.json()["errors"]) <= 21
