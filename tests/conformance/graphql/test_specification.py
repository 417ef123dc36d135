"""Chapter 6 of the GraphQL specification, Execution, by vectors: each executor answers as they say."""

from collections import Counter

import pytest

from clinical.codec import encode_json
from tests.conformance.graphql.running import ask, executors, preparation, run
from tests.conformance.graphql.vectors import Vector, vectors

SECTIONS = (
    "6.1",
    "6.1.1",
    "6.1.2",
    "6.2.1",
    "6.2.2",
    "6.3.2",
    "6.3.3",
    "6.3.4",
    "6.4.1",
    "6.4.2",
    "6.4.3",
    "6.4.4",
)


@pytest.mark.parametrize("vector", vectors(), ids=str)
@pytest.mark.parametrize("name", ["stock", "compiled"])
async def test_an_executor_answers_as_the_specification_says(name: str, vector: Vector) -> None:
    answer = await ask(executors()[name], vector.document, vector.operation, vector.variables)
    data = None if answer.data is None else encode_json(answer.data)
    assert data == (None if vector.data == b"null" else vector.data)
    told = [error for error in answer.errors if not any(one.fits(*error) for one in vector.may)]
    missing = [one for one in vector.errors if not any(one.fits(*error) for error in told)]
    assert not missing, answer.errors
    assert len(told) == len(vector.errors), answer.errors


async def test_a_prepared_document_selects_anew_at_each_request() -> None:
    """6.3.2: what `@skip` and `@include` decided for one request says nothing of the next."""
    text = (
        "query ($a: Boolean!, $b: Boolean!) { int(value: 1) @skip(if: $a) string(value: 2) @include(if: $b) }"
    )
    prepared = preparation().prepare(text, None, "")
    for executor in executors().values():
        for a, b in [(True, True), (False, True), (True, False), (False, False), (True, True)]:
            answer = await run(executor, prepared, {"a": a, "b": b})
            assert answer.data == ({} if a else {"int": 1}) | ({"string": "2"} if b else {})


def test_every_section_but_subscription_has_vectors() -> None:
    assert {vector.section for vector in vectors()} == set(SECTIONS)


def test_no_two_vectors_are_called_alike() -> None:
    assert [name for name, count in Counter(map(str, vectors())).items() if count > 1] == []
