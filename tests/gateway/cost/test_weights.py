"""Weights are read once, at start, and what says nothing sensible stops it."""

from fractions import Fraction

import pytest
from graphql import build_schema

from gateway.cost.declared import WEIGHT_MAX, WeightInvalid, parse_weight
from gateway.cost.weights import Weights
from schema.build import DEFAULT_RESOURCES
from schema.build import build_schema as build_served
from tests.conformance.cost.test_vectors import DIRECTIVES


@pytest.mark.parametrize(
    ("text", "number"),
    [("5", 5), ("5.0", 5), ("0", 0), ("-3", -3), ("+2", 2), (" 7 ", 7), ("0.5", Fraction(1, 2))],
)
def test_a_weight_is_an_exact_number(text: str, number: int | Fraction) -> None:
    assert parse_weight(text, "X") == number


@pytest.mark.parametrize(
    "text",
    [
        "",
        "five",
        "NaN",
        "Infinity",
        "1e999",
        "0x10",
        "1,5",
        "--1",
        "9" * 400,
        str(WEIGHT_MAX + 1),
        f"-{WEIGHT_MAX}1",
    ],
)
def test_what_is_no_weight_stops_the_start_with_its_place(text: str) -> None:
    with pytest.raises(WeightInvalid, match=r"^Query\.a: "):
        Weights(build_schema(f'{DIRECTIVES} type Query {{ a: Int @cost(weight: "{text}") }}'))


@pytest.mark.parametrize(
    ("sdl", "says"),
    [
        ('type Query { a: B } type B @cost(weight: "-1") { c: Int }', "B: a type cannot weigh less"),
        ("type Query { a: [Int] @listSize(assumedSize: -1) }", "a size below zero"),
        ("type Query { a: [Int] @listSize }", "neither slicingArguments nor assumedSize"),
        ('type Query { a(n: Int): [Int] @listSize(slicingArguments: ["n"]) }', "name just one"),
        ('type Query { a: [Int] @listSize(slicingArguments: ["n"]) }', "name just one"),
        (
            'type Query { a(n: Int!, m: Int!): [Int] @listSize(slicingArguments: ["n", "m"]) }',
            "name just one",
        ),
        ('type Query { a(n: Int @cost(weight: "x")): Int }', r"Query\.a\.n: 'x' is not a weight"),
        ('type Query { a(b: B): Int } input B { n: Int @cost(weight: "x") }', r"B\.n: 'x' is not a weight"),
    ],
)
def test_a_directive_that_cannot_be_kept_stops_the_start(sdl: str, says: str) -> None:
    with pytest.raises(WeightInvalid, match=says):
        Weights(build_schema(DIRECTIVES + sdl))


def test_input_objects_that_hold_themselves_are_read() -> None:
    sdl = 'type Query { a(b: B): Int } input B { b: B also: [B!] n: Int @cost(weight: "2") }'
    found = Weights(build_schema(DIRECTIVES + sdl)).fields("Query")["a"]
    assert found.arguments["b"].inner == "B"


def test_types_whose_common_fields_cost_alike_are_told_together() -> None:
    schema = build_served(DEFAULT_RESOURCES).graphql
    interface = schema.type_map["Resource"]
    assert len(set(Weights(schema).classes(interface).values())) == 1  # type: ignore[arg-type]
