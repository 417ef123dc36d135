"""Answers about the schema are made once, whatever variables a client sends along."""

from tests.resolvers.asking import Asker, executor, permissions_of
from tests.resolvers.memory import MemoryUpstream


async def test_variables_that_the_operation_does_not_define_cost_no_new_introspection() -> None:
    runner, preparation = executor()
    prepared = preparation.prepare("{ __schema { queryType { name } } }", None, "kept")
    asker = Asker(MemoryUpstream("a", {"Patient": []}))
    permissions = permissions_of(asker.principal)
    context = asker.federation.open(asker.principal, permissions, deadline_s=5, request_id="r")
    first = await runner.run(prepared, {}, context)
    assert first.data == {"__schema": {"queryType": {"name": "Query"}}}
    assert await runner.run(prepared, {"unused": 1}, context) is first
