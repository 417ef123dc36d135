"""What is odd answers alike by both executors: an error at its own place."""

from typing import Any

from gateway.execution.executor import ExecutionResult
from gateway.execution.late import PIECES_SERVE
from gateway.execution.stock import StockExecutor
from tests.resolvers.asking import Asker, executor, observation, patient, permissions_of, schema
from tests.resolvers.memory import MemoryUpstream


async def both(up: MemoryUpstream, text: str, **variables: Any) -> list[ExecutionResult]:
    runner, preparation = executor()
    prepared = preparation.prepare(text, None, text)
    answers = []
    # The first answers are by code in pieces, the last is by code of the document's own.
    runners = [runner] * (PIECES_SERVE + 1)
    for one in (*runners, StockExecutor(preparation.schema, schema().rules)):
        asker = Asker(up)
        permissions = permissions_of(asker.principal)
        context = asker.federation.open(asker.principal, permissions, deadline_s=5, request_id="r")
        answers.append(await one.run(prepared, variables, context))
    *ours, stock = answers
    for one in ours:
        assert (one.data, _told(one)) == (ours[0].data, _told(ours[0]))
    return [ours[-1], stock]


def _told(result: ExecutionResult) -> list[tuple[str, Any]]:
    return [(error.message, error.path) for error in result.errors]


def source(**more: Any) -> MemoryUpstream:
    row = {**observation("o", "1", "2020"), **more}
    return MemoryUpstream("a", {"Patient": [patient("1")], "Observation": [row]})


async def test_a_contained_type_that_is_no_text_is_an_error_of_its_entry_alone() -> None:
    inner = [{"resourceType": ["x"], "id": "i"}, {"resourceType": "Encounter", "id": "e"}]
    up = source(contained=inner, encounter={"reference": "#i"})
    text = "{ observations { nodes { contained { id } encounter { resource { id } } } } }"
    for answer in await both(up, text):
        assert answer.data is not None
        (row,) = answer.data["observations"]["nodes"]
        assert row == {
            "contained": [None, {"id": "a/Observation/o#e"}],
            "encounter": {"resource": None},
        }
        codes = {getattr(error.original_error, "code", None) for error in answer.errors}
        assert codes == {"UPSTREAM_INVALID_RESPONSE", "REFERENCE_NOT_FOUND"}


async def test_null_for_a_condition_is_an_error_not_false() -> None:
    text = "query($x: Boolean = true) { observations { nodes { id status @include(if: $x) } } }"
    compiled, stock = await both(source(), text, x=None)
    assert compiled.data == stock.data == {"observations": None}
    assert [error.message for error in compiled.errors] == [error.message for error in stock.errors]
