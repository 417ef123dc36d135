"""A field that reads more of a type than is selected has lists of that type come whole."""

import pytest

from gateway.execution.collect import Collector
from gateway.execution.shapes import Survey
from tests.resolvers.asking import executor

LISTS = "conditions { nodes { id code { text } } } encounters { nodes { id } }"


def decoded_in_part(text: str) -> set[str]:
    _, preparation = executor()
    prepared, schema = preparation.prepare(text, None, ""), preparation.schema
    assert schema.query_type is not None
    survey = Survey(schema, Collector(schema, prepared.fragments, {}))
    return set(survey.shapes(schema.query_type, prepared.operation.selection_set))


@pytest.mark.parametrize(
    ("beside", "expected"),
    [
        ("", {"Condition", "Encounter"}),
        ("summary { __typename }", {"Condition", "Encounter"}),
        ("summary { problems { text } }", {"Encounter"}),
        ("summary { sections { name } }", {"Encounter"}),
        ("summary { results { name } }", {"Condition", "Encounter"}),
    ],
)
def test_what_a_summary_reads_is_decoded_whole_in_the_same_document(beside: str, expected: set[str]) -> None:
    assert decoded_in_part(f'{{ patient(id: "x") {{ {LISTS} {beside} }} }}') == expected
