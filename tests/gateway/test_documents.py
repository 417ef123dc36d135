"""A document is prepared once, and a bad one is refused once."""

import pytest
from graphql import GraphQLSchema

from gateway.document_errors import DocumentRefused
from gateway.document_limits import LimitSettings
from gateway.documents import REFUSED_KEPT, Documents, document_hash
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
    assert response.json() == {"data": {"__typename": "Query", "thing": {"__typename": "Thing"}}}


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
