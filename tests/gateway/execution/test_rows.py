"""Rows that are decoded straight into structs are answered as graphql-core answers the whole ones."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest
from graphql import GraphQLObjectType
from hypothesis import HealthCheck, Phase, given, reject, settings
from hypothesis import strategies as st

from clinical.codec import encode_json
from gateway.document_errors import DocumentInvalid
from gateway.document_limits import LimitSettings
from gateway.execution import late
from gateway.execution.compiled import CompiledExecutor
from gateway.execution.executor import Executor
from gateway.execution.facts import DEFINITION
from gateway.execution.stock import StockExecutor
from gateway.prepare import Preparation, PreparedDocument
from resolvers.disclosure import Disclosure
from schema.build import BuiltSchema, build_schema
from schema.field import RowsField
from tests.gateway.execution.lists import FIELDS, Lists, rows
from tests.gateway.execution.test_equality import told
from tests.resolvers.asking import patient
from tests.resolvers.searchsets import NUMBER, SearchsetUpstream, context_of, federation

TYPES = ("Patient", *FIELDS)
SORTS = frozenset({"date", "recorded-date", "authoredon", "_id"})
KNOWN_AS = {"a": "1", "b": "9", "c": "5"}
EXAMPLES = 200
WAYS: Counter[str] = Counter()
"""How often the rows of a list were had as structs, and how often as nodes."""


@cache
def schema() -> BuiltSchema:
    built = build_schema(TYPES)
    made = built.graphql
    for kind in made.type_map.values():
        if isinstance(kind, GraphQLObjectType):
            for field in kind.fields.values():
                _count_ways(field.extensions.get(DEFINITION))
    return built


def _count_ways(field: Any) -> None:
    """Notes how often a list's rows are asked for as nodes."""
    if not isinstance(field, RowsField):
        return
    compute = field.compute

    def as_nodes(connection: Any) -> Any:
        WAYS["nodes"] += 1
        return compute(connection)

    field.compute = as_nodes


@cache
def executors() -> tuple[Executor, Executor, Preparation]:
    made, rules = schema().graphql, schema().rules
    limits = LimitSettings(
        max_characters=1_000_000,
        max_tokens=100_000,
        max_depth=100,
        max_aliases=10_000,
        max_directives=10_000,
    )
    return CompiledExecutor(made, rules), StockExecutor(made, rules), Preparation(made, limits)


Held = dict[str, dict[str, Any]]
"""By source: its rows by type, and its habits."""


async def execute(
    executor: Executor, prepared: PreparedDocument, variables: Mapping[str, Any], held: Held
) -> tuple[bytes, set[tuple[Any, ...]], list[Disclosure], list[str]]:
    """Data, errors, what the record says was given out, and what the client is warned of."""
    made = [
        SearchsetUpstream(
            name,
            {"Patient": [patient(KNOWN_AS[name], NUMBER), patient("2")], **of["rows"]},
            sorts=SORTS,
            **of["habits"],
        )
        for name, of in held.items()
    ]
    context = context_of(federation(made, TYPES))
    try:
        result = await executor.run(prepared, variables, context)
    finally:
        context.close()
    warned = sorted(map(str, context.cautions.told()))
    return encode_json(result.data), told(result), list(context.disclosures), warned


@st.composite
def held(draw: Any, types: tuple[str, ...]) -> Held:
    habits = st.fixed_dictionaries(
        {
            "page_size_max": st.sampled_from([2, 5, 100, 100]),
            "surplus": st.sampled_from([0, 0, 0, 1, -1]),
            "lies_about_order": st.sampled_from([False] * 7 + [True]),
            "sends_strays": st.sampled_from([False] * 3 + [True]),
        }
    )
    return {
        name: {"rows": {one: draw(rows(one, KNOWN_AS[name])) for one in types}, "habits": draw(habits)}
        for name in "abc"[: draw(st.integers(1, 3))]
    }


@st.composite
def asked(draw: Any) -> tuple[str, Held]:
    text = Lists(draw, schema().graphql).text()
    return text, draw(held(tuple(one for one, field in FIELDS.items() if f": {field}" in text)))


def test_both_executors_list_the_same_and_often_the_short_way() -> None:
    WAYS.clear()

    @settings(
        max_examples=EXAMPLES,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )
    @given(
        asked(),
        st.sampled_from(
            [
                {},
                {"t": False, "s": "http://loinc.org"},
                {"f": True, "n": 2, "p": ["x"]},
                {"n": None, "d": None},
            ]
        ),
    )
    def every(drawn: tuple[str, Held], variables: dict[str, Any]) -> None:
        runner.run(answers_are_the_same(*drawn, variables))

    with asyncio.Runner() as runner:
        every()
    lists = WAYS.total() / 2  # each is answered by both executors
    assert WAYS["structs"] > 0.1 * lists, WAYS  # what is generated varies: 0.2 to 0.45 of them


async def answers_are_the_same(text: str, held: Held, variables: Mapping[str, Any]) -> None:
    compiled, stock, preparation = executors()
    try:
        prepared = preparation.prepare(text, None, "")
    except DocumentInvalid:
        reject()  # fields that meet with different shapes are refused before execution
    before = WAYS["nodes"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(late, "PIECES_SERVE", len(text) % 2)  # half of them by code of their own at once
        ours = await execute(compiled, prepared, variables, held)
    as_nodes = WAYS["nodes"] - before
    theirs = await execute(stock, prepared, variables, held)
    lists = WAYS["nodes"] - before - as_nodes  # graphql-core lists all of them as nodes
    WAYS["structs"] += lists - as_nodes
    assert ours == theirs, text


CODING = {"system": "s", "code": "c", "display": "d"}
GOOD = {
    name: {
        "rows": {
            "Observation": [
                {
                    "resourceType": "Observation",
                    "id": f"{name}{index}",
                    "meta": {"versionId": f"{index}", "lastUpdated": "2020-05-03T10:00:00Z"},
                    "subject": {"reference": f"Patient/{KNOWN_AS[name]}"},
                    "effectiveDateTime": f"202{index}-05-03",
                    "code": {"text": "t", "coding": [CODING, None]},
                    "valueQuantity": {"value": index, "unit": "kg"},
                    "component": [None, {"code": {"text": "in"}}],
                }
                for index in range(3)
            ]
        },
        "habits": {},
    }
    for name in "ab"
}


@pytest.mark.parametrize(
    ("lists", "as_structs"),
    [
        (["nodes { id code { text coding { code } } }"], 1),
        (["nodes { key: id resourceType __typename again: id }"], 1),
        (["nodes { code { text } }", "nodes { code { text } }"], 2),
        # what is asked in one list is decoded for the other too, and must not be seen there
        (["nodes { id status code { text } }", "nodes { status }"], 2),
        (["nodes { code { text id } }", "nodes { code { text } }"], 2),
        (["nodes { code { text id } }", "nodes { code { id text } }"], 2),
        (["nodes { code { coding { code system } } }", "nodes { code { coding { system } } }"], 2),
        # nor may an alias pass for the element of that name
        (["nodes { code { text id } }", "nodes { code { text: id id: text } }"], 2),
        (["nodes { a: code { text } b: code { coding { code } } code { id } }"], 1),
        (["nodes { component { __typename code { __typename text } } }"], 1),
        (["nodes { code @include(if: false) { text } }"], 1),
        (["nodes { valueQuantity { value @skip(if: true) } component { id } }"], 1),
        (["nodes { ...F }", "nodes { ...F id }"], 2),
        (["nodes { id } again: nodes { code { text } }"], 2),
        # where a row is from follows from its page and from its meta
        (["nodes { id origin { name fhirId cached retrievedAt } }"], 1),
        (["nodes { o: origin { lastUpdated: versionId __typename v: lastUpdated } origin { cached } }"], 1),
        (["nodes { origin { versionId } meta { lastUpdated } }", "nodes { meta { versionId } }"], 2),
        # what follows from elements needs no more than these
        (["nodes { id }", "nodes { valueQuantity { valueText display } }"], 2),
        (["nodes { code { display } }", 'nodes { code { display(preferring: ["s"]) } }'], 2),
        (["nodes { code { coding: display } }", "nodes { code { text display } }"], 2),
        (['nodes { code { a: coding(system: "http://loinc.org") { code } coding { code } } }'], 1),
        (['nodes { code { coding(system: "http://loinc.org") { system } } }'], 1),
        # what needs the whole row in one list needs it in all of the type
        (["nodes { id }", "nodes { id contained { id } }"], 0),
        (["nodes { id }", "edges { node { code { text } } }"], 0),
        (["nodes { subject { resource { id } } }"], 0),
        (["nodes { contained { id } }"], 0),
        (["nodes { extension { url } }"], 0),
    ],
)
async def test_rows_hold_what_was_asked_where_they_stand(lists: list[str], as_structs: int) -> None:
    fields = " ".join(f"l{index}: observations {{ {one} }}" for index, one in enumerate(lists))
    used = "fragment F on Observation { status code { ...G } } fragment G on CodeableConcept { text }"
    text = f'{{ patient(id: "a/Patient/1") {{ {fields} }} }} {used if "...F" in fields else ""}'
    WAYS.clear()
    await answers_are_the_same(text, GOOD, {})
    assert WAYS["structs"] == as_structs


async def test_a_list_in_another_order_does_not_keep_the_newest_from_the_short_way() -> None:
    other = 'o: observations(sort: "date") { nodes { id } }'
    text = f'{{ patient(id: "a/Patient/1") {{ {other} n: observations {{ nodes {{ id }} }} }} }}'
    WAYS.clear()
    await answers_are_the_same(text, GOOD, {})
    assert WAYS["structs"] == 1


@pytest.mark.parametrize("fields", ["l n", "n l", "l", "l m n"])
async def test_a_wrong_argument_of_one_list_keeps_no_other_from_being_answered(fields: str) -> None:
    lists = {
        "l": "l: observations(code: [$code]) { nodes { id } }",
        "m": "m: observations(code: [$code], first: 1) { nodes { id } }",
        "n": "n: observations { nodes { id } }",
    }
    said = " ".join(lists[one] for one in fields.split())
    text = f'query ($code: String = "c") {{ patient(id: "a/Patient/1") {{ {said} }} }}'
    await answers_are_the_same(text, GOOD, {"code": None})
    await answers_are_the_same(text, GOOD, {})
