"""Over the small schema, too, the compiled executor answers as graphql-core does, for any operation.

Where null goes up, siblings "may be cancelled" (6.3.3): graphql-core cancels them, the compiled executor
does not and so may tell more errors below that null. Nothing else may differ.
"""

import re
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, given, reject, settings
from hypothesis import strategies as st

from clinical.codec import encode_json
from gateway.document_errors import DocumentInvalid
from tests.conformance.graphql.operations import GIVEN, Operations
from tests.conformance.graphql.running import Answer, ErrorTold, executors, preparation, run
from tests.conformance.graphql.small_schema import small_schema

COORDINATES = re.compile(r"(non-nullable field |for field ')\w+\.(\w+)")
NO_TYPE = re.compile(r"^(Abstract type '\w+' (must|was)|Runtime Object type '\w+' is not) .*", re.DOTALL)


def told(answer: Answer) -> set[ErrorTold]:
    """Errors by place and message. graphql-core names the type beside the field, and says more of types
    that cannot be told."""
    return {
        (path, NO_TYPE.sub("no such type", COORDINATES.sub(r"\1\2", message)))
        for path, message in answer.errors
    }


def null_above(data: Any, path: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """The null of the answer that an error's place is below; None where it is below none."""
    for length, key in enumerate(path):
        if data is None:
            return path[:length]
        data = data[key]
    return None


def is_excused(error: ErrorTold, ours: Answer, theirs: Answer) -> bool:
    """Whether the error is below a null that the other executor, too, told an error of."""
    null = null_above(ours.data, error[0])
    return null is not None and any(path[: len(null)] == null for path, _ in theirs.errors)


def operation(seed: int) -> str:
    return Operations(Random(seed), small_schema()).text()


@settings(
    max_examples=500,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
@given(st.integers(0, 2**64).map(operation), st.sampled_from(GIVEN))
async def test_both_executors_answer_the_same(text: str, variables: dict[str, Any]) -> None:
    try:
        prepared = preparation().prepare(text, None, "")
    except DocumentInvalid:
        reject()  # fields that meet with different shapes are refused before execution
    ours = await run(executors()["compiled"], prepared, variables)
    theirs = await run(executors()["stock"], prepared, variables)
    assert encode_json(ours.data) == encode_json(theirs.data), text
    assert told(theirs) <= told(ours), text
    assert [one for one in told(ours) - told(theirs) if not is_excused(one, ours, theirs)] == [], text
    places = [path for path, _ in ours.errors]
    assert len(set(places)) == len(places), text
