"""The actual cost, worked out beforehand as far as it can be, is what its rules tell: whatever was noted."""

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings

from gateway.cost.actual import actual
from gateway.cost.analysis import Analysis
from gateway.cost.selections import Alternative, Body, Selection
from resolvers.field import LinkedPath
from resolvers.tally import Tally
from tests.conformance.cost.test_vectors import Vector, vectors
from tests.gateway.cost.busy import VARIABLES as BUSY_VARIABLES
from tests.gateway.cost.busy import Busy
from tests.gateway.cost.plain_actual import plain_actual
from tests.gateway.cost.test_upper_bound import (
    GENERATED,
    INTERESTING,
    SEEDS,
    VARIABLES,
    analysis_of,
    prepared_or_none,
    schema,
)
from tests.gateway.execution.operations import Operations, Seeded

EXAMPLES = 300
TALLIES = 4
NOTES_MAX = 200


class Noting:
    """Draws what may have been noted of an operation, and what may not: pages at any field, told twice,
    resources of types that were not asked for, entries out of order."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.tally = Tally()

    def object(self, kind: Alternative, at: LinkedPath) -> None:
        for one in self._random.sample(list(kind.selections), len(kind.selections)):
            if len(self.tally.notes) < NOTES_MAX and self._random.random() < 0.8:
                self._field(one, (at, one.key))

    def _field(self, one: Selection, at: LinkedPath) -> None:
        if one.rows is not None or one.is_searched or self._random.random() < 0.05:
            for _ in range(self._random.choice((0, 1, 1, 1, 2))):
                self.tally.page(at, self._random.randint(0, 5), self._random.randint(0, 30))
        if one.body is None:
            return
        if not one.is_list:
            self._value(one, one.body, at)
            return
        for index in self._random.sample(range(5), self._random.randint(0, 3)):
            self._value(one, one.body, (at, index))

    def _value(self, one: Selection, body: Body, at: LinkedPath) -> None:
        kind = self._random.choice(body.alternatives)
        if one.is_found and self._random.random() < 0.9:
            self.tally.find(at, self._random.choice((*kind.types, "Nothing")))
        self.object(kind, at)


def coordinates(kind: Alternative, found: set[str], levels: int = 8) -> set[str]:
    """The coordinates of what is selected."""
    for one in kind.selections:
        found |= {f"{name}.{one.name}" for name in one.types}
        for below in one.body.alternatives if one.body is not None and levels else ():
            coordinates(below, found, levels - 1)
    return found


def check(analysis: Analysis, variables: dict[str, Any], random: Random, about: object) -> None:
    for _ in range(TALLIES):
        some = sorted(coordinates(analysis.root, set()))
        denied = frozenset(random.sample(some, random.randint(0, len(some)) // 3))
        noting = Noting(random)
        noting.object(analysis.root, None)
        for one in (frozenset[str](), denied):
            plain = plain_actual(analysis, variables, noting.tally, one)
            analysis.prices.clear()
            for way in ("general", "short"):  # which is made once an operation was charged
                ours = actual(analysis, variables, noting.tally, one)
                assert ours == plain, (about, variables, one, way)


@settings(GENERATED, max_examples=EXAMPLES)
@given(SEEDS)
def test_of_any_operation_and_any_notes(seed: int) -> None:
    random = Random(seed)
    for text, variables in (
        (Operations(Seeded(seed), schema(), INTERESTING).text(), VARIABLES),
        (Busy(seed).text(), BUSY_VARIABLES),
    ):
        prepared = prepared_or_none(text)
        if prepared is not None:
            check(analysis_of(prepared), random.choice(variables), random, text)


@pytest.mark.parametrize("vector", vectors(), ids=str)
def test_of_other_schemas_whose_weights_and_sizes_depend_on_variables(vector: Vector) -> None:
    for seed in range(20):
        check(vector.analysis(), vector.variables, Random(seed), vector)
