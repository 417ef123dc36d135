"""Variables that are taken as they are given are those that graphql-core would make of them."""

from typing import Any

from graphql import OperationDefinitionNode, VariableValues, build_schema, parse
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.execution.variables import Variables

SCHEMA = build_schema("type Query { a(id: ID, s: String, b: Boolean, n: Int, l: [String!]): Int }")
TYPES = ("ID", "ID!", "String", "String!", 'String = "d"', "Boolean", "Boolean = true", "Int", "[String!]")
VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=2) | st.lists(st.text(max_size=1))


def variables(types: list[str]) -> Variables:
    said = "".join(f"$v{place}: {one} " for place, one in enumerate(types))
    operation = parse(f"query ({said}) {{ a }}" if said else "{ a }").definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    return Variables(SCHEMA, operation.variable_definitions or (), hide_suggestions=False)


@given(
    st.lists(st.sampled_from(TYPES), max_size=3),
    st.dictionaries(st.sampled_from(["v0", "v1", "v2", "other"]), VALUES),
)
@example(["ID!", "Boolean"], {"v0": "a", "v1": True})
@example(["Boolean"], {"v0": 1})
@example(["String"], {})
def test_what_is_plain_is_its_own_result(types: list[str], values: dict[str, Any]) -> None:
    known = variables(types)
    if known.are_plain(values):
        coerced = known.coerced(values)
        assert isinstance(coerced, VariableValues)
        assert coerced.coerced == {name: value for name, value in values.items() if name in coerced.sources}
        assert len(coerced.coerced) == len(types)


def test_usual_variables_are_plain() -> None:
    assert variables(["ID!", "String", "Boolean"]).are_plain({"v0": "a", "v1": "", "v2": False})
    assert not variables(["ID!"]).are_plain({"v0": 1})
    assert not variables(["Int"]).are_plain({"v0": 1})
    assert not variables(["String"]).are_plain({"v0": None})
