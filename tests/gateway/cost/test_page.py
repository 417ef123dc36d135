"""The page on costs tells the truth: each example costs what stands below it."""

import json
import re
from pathlib import Path

import pytest
from graphql import parse

from gateway.cost.analysis import analyse
from gateway.cost.errors import CostExceeded
from gateway.cost.estimate import estimate, most_expensive
from gateway.cost.weights import Weights
from gateway.prepare import chosen_operation, fragments_of
from schema.build import DEFAULT_RESOURCES, build_schema
from schema.cost import SourceCounts

PAGE = Path(__file__).parents[3] / "docs" / "cost.md"
EXAMPLE = re.compile(r"^```graphql\n(.*?)^```\n\nCost: \*\*(\d+)\*\*", flags=re.MULTILINE | re.DOTALL)
REFUSAL = re.compile(r"^```json\n(\{.*?\})\n```", flags=re.MULTILINE | re.DOTALL)
EXAMPLES = EXAMPLE.findall(PAGE.read_text("utf-8"))


@pytest.fixture(scope="module")
def weights() -> Weights:
    three = SourceCounts(3, dict.fromkeys(DEFAULT_RESOURCES, 3))
    return Weights(build_schema(DEFAULT_RESOURCES, None, three).graphql)


def test_every_example_has_its_cost() -> None:
    assert len(EXAMPLES) == PAGE.read_text("utf-8").count("```graphql") == 10


def test_the_refusal_that_is_shown_is_the_one_that_is_given(weights: Weights) -> None:
    shown = json.loads(REFUSAL.findall(PAGE.read_text("utf-8"))[0])
    text = EXAMPLES[-1][0]
    document = parse(text)
    analysis = analyse(weights, chosen_operation(document, None), fragments_of(document))
    refusal = CostExceeded(estimate(analysis, {}), 10_000, most_expensive(analysis, {}))
    assert (str(refusal), {"code": refusal.code, **refusal.extensions}) == (
        shown["message"],
        shown["extensions"],
    )


@pytest.mark.parametrize(("text", "expected"), EXAMPLES)
def test_an_example_costs_what_is_said(weights: Weights, text: str, expected: str) -> None:
    document = parse(text)
    analysis = analyse(weights, chosen_operation(document, None), fragments_of(document))
    assert estimate(analysis, {}) == int(expected)
