"""Documents that ask for too much are refused, whichever limit stops them, before they are validated."""

import pytest

from bench.abuse import Abuse, abuses
from gateway.cost.weights import Weights
from gateway.document_errors import DocumentRefused
from gateway.prepare import Preparation
from tests.gateway.front_door import FrontDoor, code_of
from tests.resolvers.asking import schema

VECTORS = abuses()


@pytest.fixture(scope="module")
def weights() -> Weights:
    return Weights(schema().graphql)


class Unvalidated(Preparation):
    """Fails where a document gets as far as validation."""

    def _validate(self, document: object) -> None:
        raise AssertionError("validated")


@pytest.mark.parametrize("vector", VECTORS, ids=lambda one: one.title)
def test_a_document_that_asks_for_too_much_is_refused_before_it_is_validated(
    weights: Weights, vector: Abuse
) -> None:
    with pytest.raises(DocumentRefused) as refused:
        Unvalidated(schema().graphql, vector.limits, True, weights).prepare(vector.text, None, "")
    assert refused.value.code == vector.code


@pytest.mark.parametrize("vector", VECTORS, ids=lambda one: one.title)
async def test_it_reaches_nobody_through_the_front_door(vector: Abuse) -> None:
    door = FrontDoor(limits=vector.limits, max_body_bytes=2_000_000)
    response = await door.ask(vector.text)
    assert (response.status_code, code_of(response)) == (400, vector.code)
    assert door.executor.ran == 0
    assert "RateLimit" not in response.headers, "no budget is asked"


def test_the_vectors_are_as_long_as_they_say() -> None:
    texts = {one.title: one.text for one in VECTORS}
    assert texts["5,000 duplicate fields"].count("id ") == 5_000
    assert texts["20,000 tokens"].count("id ") == 20_000
    assert texts["200 aliases"].count(": id") == 200
    assert texts["fan-out 2^16"].count("fragment ") == 17
