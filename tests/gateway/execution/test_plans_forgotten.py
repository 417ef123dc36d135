"""A document that is forgotten is gone, with its plan: neither is left to the garbage collector."""

import gc

from gateway.execution.compiled import CompiledExecutor
from gateway.prepare import Preparation
from tests.resolvers.asking import Asker, executor, observation, patient, permissions_of
from tests.resolvers.memory import MemoryUpstream

TEXT = """query Q($id: ID!) {
  patient(id: $id) {
    id name { family }
    observations(first: 3) {
      nodes { id status code { text } subject { reference resource { id ... on Patient { gender } } } }
    }
  }
  node(id: $id) { id ... on Patient { birthDate } }
}"""


async def run_once(runner: CompiledExecutor, preparation: Preparation, name: str) -> None:
    source = MemoryUpstream(
        "a", {"Patient": [patient("1", "9990000018")], "Observation": [observation("o", "1", "2020")]}
    )
    asker = Asker(source)
    permissions = permissions_of(asker.principal)
    context = asker.federation.open(asker.principal, permissions, deadline_s=30, request_id="r")
    prepared = preparation.prepare(TEXT.replace("Q", name, 1), None, "")
    gc.collect()  # what parsing and validation leave behind is theirs
    result = await runner.run(prepared, {"id": "a/Patient/1"}, context)
    context.close()
    assert result.errors == []


async def test_a_forgotten_document_leaves_nothing_to_collect() -> None:
    runner, preparation = executor()
    await run_once(runner, preparation, "First")
    gc.collect()
    gc.disable()
    try:
        await run_once(runner, preparation, "Second")
        kinds = {type(one).__name__ for one in _unreachable()}
    finally:
        gc.enable()
    assert not kinds & {"FieldNode", "Token", "Step", "function"}


def _unreachable() -> list[object]:
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        gc.collect()
        return list(gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
