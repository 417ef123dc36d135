"""Estimates of the served schema: what a client pays for, and what it cannot do to the numbers."""

from functools import cache
from typing import Any

import pytest
from graphql import parse
from hypothesis import given
from hypothesis import strategies as st

from gateway.cost import analysis as analysing
from gateway.cost.analysis import Analysis, analyse
from gateway.cost.estimate import breakdown, estimate, most_expensive
from gateway.cost.formula import COST_MAX
from gateway.cost.weights import Weights
from gateway.document_errors import DocumentLimitExceeded
from gateway.prepare import chosen_operation, fragments_of
from schema.build import build_schema
from schema.cost import SourceCounts
from tests.resolvers.asking import TYPES

THREE = SourceCounts(3, dict.fromkeys(TYPES, 3) | {"Device": 1, "Medication": 0})


@cache
def weights() -> Weights:
    return Weights(build_schema(TYPES, None, THREE).graphql)


@cache
def analysis(text: str) -> Analysis:
    document = parse(text)
    return analyse(weights(), chosen_operation(document, None), fragments_of(document))


def cost(text: str, *denied: str, **variables: Any) -> int:
    return estimate(analysis(text), variables, frozenset(denied))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{ __typename }", 0),
        ('{ patient(id: "x") { id birthDate } }', 1),
        ('{ patient(id: "x") { name { family } } }', 2),
        ('{ observation(id: "x") { id } }', 1),
        ('{ node(id: "x") { id } }', 1),
        ('{ nodes(ids: ["a", "b", "c"]) { id } }', 3),
        ("{ sources { source } }", 3),
        ("{ observations { nodes { id } } }", 3 * 5 + 20),
        ("{ observations(first: 7) { nodes { id } } }", 3 * 5 + 7),
        ("{ observations(first: null) { nodes { id } } }", 3 * 5 + 20),
        ("{ observations(first: 0) { nodes { id code { text } } } }", 3 * 5),
        ("{ devices(first: 7) { nodes { id } } }", 5 + 7),
        ("{ medications(first: 7) { nodes { id } } }", 7),
        ("{ observations(first: 7) { totalCount completeness } }", 3 * 5 + 3 * 5),
        ("{ devices(first: 7) { nodes { id } totalCount again: totalCount } }", 5 + 7 + 5 + 5),
        ("{ observations(first: 7) { pageInfo { hasNextPage } sources { source } } }", 3 * 5 + 2),
        ("{ observations(first: 7) { edges { cursor node { id } } } }", 3 * 5 + 7),
        ("{ observations(first: 7) { nodes { id } edges { cursor node { id } } } }", 3 * 5 + 7),
        ("{ observations(first: 7) { nodes { subject { resource { id } } } } }", 3 * 5 + 7 * 3),
        (
            "{ patients(first: 10) { nodes { observations(first: 5) { nodes { id } } } } }",
            15 + 10 * (1 + 15 + 5),
        ),
    ],
)
def test_an_operation_costs_what_the_page_on_costs_says(text: str, expected: int) -> None:
    assert cost(text) == expected


def test_a_denied_list_costs_nothing() -> None:
    lists = "observations(first: 9) { nodes { id } } conditions(first: 1) { nodes { id } }"
    text = f'{{ patient(id: "x") {{ {lists} }} }}'
    assert cost(text) == 1 + (15 + 9) + (15 + 1)
    assert cost(text, "Patient.observations") == 1 + (15 + 1)
    assert cost(text, "Query.patient") == 0
    assert cost(text, "Observation.note") == cost(text)


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.decimals(allow_nan=False)
    | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
ANYWHERE = """
query ($n: Int = 3, $t: Boolean = true, $ids: [ID!]!) {
  observations(first: $n) { nodes { subject @include(if: $t) { resource { id } } } }
  nodes(ids: $ids) { id ... on Patient { name { family } } }
}
"""


@given(st.fixed_dictionaries({}, optional={"n": anything, "t": anything, "ids": anything, "more": anything}))
def test_no_variable_breaks_an_estimate(variables: dict[str, Any]) -> None:
    assert 0 <= estimate(analysis(ANYWHERE), variables) <= COST_MAX
    assert len(breakdown(analysis(ANYWHERE), variables)) < 20


@pytest.mark.parametrize("first", [2**31 - 1, 2**31, 10**400])
def test_a_cost_beyond_the_greatest_is_the_greatest(first: int) -> None:
    text = "query ($n: Int) { patients(first: $n) { nodes { observations(first: $n) { nodes { id } } } } }"
    assert cost(text, n=first) == COST_MAX
    assert [one.cost for one in most_expensive(analysis(text), {"n": first})] == [COST_MAX, COST_MAX]


@given(st.integers(0, 100), st.integers(0, 100))
def test_more_rows_never_cost_less(one: int, other: int) -> None:
    text = "query ($n: Int) { patients(first: $n) { nodes { observations(first: $n) { nodes { id } } } } }"
    assert (cost(text, n=one) <= cost(text, n=other)) is (one <= other or one == other)


def test_a_client_is_told_what_is_expensive_and_what_makes_it_cheaper() -> None:
    text = """
    query ($n: Int) {
      patients(first: 100) { nodes { name { family }
        observations(first: $n) { nodes { code { text } subject { resource { id } } } }
        conditions(first: 1) { nodes { id } } encounters(first: 2) { nodes { id } } } }
    }
    """
    told = most_expensive(analysis(text), {"n": 50})
    assert [(one.path, one.cost, one.size, one.lower) for one in told] == [
        (("patients", "nodes", "observations"), 100 * (15 + 50 * 3), 50, ("first",)),
        (("patients", "nodes", "observations", "nodes", "subject", "resource"), 5_000, None, ()),
        (("patients", "nodes", "encounters"), 100 * (15 + 2), 2, ("first",)),
    ]


def test_the_breakdown_tells_each_path_with_what_is_below() -> None:
    page = "nodes { code { text } } pageInfo { endCursor }"
    text = f'{{ p: patient(id: "x") {{ observations(first: 4) {{ {page} }} }} }}'
    told = [
        (".".join(one.path), one.defined_cost, one.requested_total_cost, one.requested_children_cost)
        for one in breakdown(analysis(text), {})
    ]
    assert told == [
        ("p", 1, 25, 24),
        ("p.observations", 15, 24, 9),
        ("p.observations.nodes", 4, 8, 4),
        ("p.observations.nodes.code", 1, 4, 0),
        ("p.observations.pageInfo", 1, 1, 0),
    ]


def meeting(levels: int) -> str:
    """Fragments on types that meet fragments on types, in another way along each path of types."""
    types = ("Encounter", "Condition", "Observation", "MedicationRequest")
    made = []
    for n in range(levels):
        after = n + 1
        shared = (
            f"... on {one} {{ subject {{ resource {{ ...G{one}{after} ...F{after} }} }} }}" for one in types
        )
        made.append(f"fragment F{n} on Resource {{ id {' '.join(shared)} }}")
        for one in types:
            own = (f"... on {other} {{ subject {{ resource {{ ...G{one}{after} }} }} }}" for other in types)
            made.append(f"fragment G{one}{n} on Resource {{ id {' '.join(own)} }}")
    made.append(f"fragment F{levels} on Resource {{ id }}")
    made += [f"fragment G{one}{levels} on Resource {{ id meta {{ id }} }}" for one in types]
    return '{ node(id: "1") { ...F0 } } ' + " ".join(made)


def test_types_that_meet_types_without_end_are_refused_after_so_many_steps() -> None:
    assert cost(meeting(2)) == 1 + 2 * 2 + 1
    with pytest.raises(DocumentLimitExceeded, match="more often than is counted"):
        analysis(meeting(14))


@pytest.mark.parametrize("levels", [16, 90])
def test_fragments_that_double_are_looked_at_once(levels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analysing, "STEPS_MAX", 10 * levels)
    spread = "subject { resource { ... on Observation { ...F%d } } }"
    doubled = (
        f"fragment F{n} on Observation {{ a: {spread % (n + 1)} b: {spread % (n + 1)} }}"
        for n in range(levels // 2)
    )
    last = f"fragment F{levels // 2} on Observation {{ id }}"
    text = f'{{ observation(id: "1") {{ ...F0 }} }} {" ".join(doubled)} {last}'
    assert cost(text) == min(COST_MAX, 1 + sum(2 * 2**n for n in range(1, levels // 2 + 1)))


@pytest.mark.parametrize("levels", [101, 140])
def test_levels_beyond_the_stack_are_refused(levels: int) -> None:
    def nested(levels: int) -> str:
        return '{ observation(id: "1") ' + "{ extension " * levels + "{ url }" + " }" * levels + " }"

    assert cost(nested(99)) == 1 + 99
    with pytest.raises(DocumentLimitExceeded, match="nested too deeply"):
        analysis(nested(levels))
