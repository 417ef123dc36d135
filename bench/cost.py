"""`python -m bench.cost`: what it takes to tell a cost, and to refuse what asks for too much (docs/cost.md).

In one process, processor time, the least of several rounds. Each figure stands beside its budget.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from statistics import median
from typing import Any, Final

from graphql import parse, validate

from bench.abuse import abuses
from bench.new_documents import NewDocument
from gateway.app import COLLECT_AFTER
from gateway.cost.actual import actual
from gateway.cost.analysis import analyse
from gateway.cost.estimate import estimate
from gateway.cost.weights import Weights
from gateway.document_errors import DocumentRefused
from gateway.document_limits import LimitSettings
from gateway.execution.compiled import CompiledExecutor
from gateway.prepare import Preparation, PreparedDocument
from resolvers.tally import Tally
from schema.build import DEFAULT_RESOURCES, build_schema
from schema.cost import SourceCounts

ROUNDS: Final = 15
UNLIKE: Final = 80
SOURCES: Final = 3

FIFTY: Final = """
query ($first: Int = 20, $more: Int, $notes: Boolean = false, $id: ID!) {
  patient(id: $id) {
    id birthDate gender name { family given } address { line city postalCode } telecom { system value }
    observations(first: $first, category: ["vital-signs"]) {
      nodes { id code { text coding { system code } } effectiveDateTime valueQuantity { value unit }
        note @include(if: $notes) { text }
        subject { reference resource { id ... on Patient { birthDate } } } }
      pageInfo { hasNextPage endCursor } completeness
    }
    conditions(first: $more) { nodes { id code { text } recordedDate } totalCount }
    medicationRequests(first: 5) { edges { cursor node { id status } } sources { source status } }
  }
}
"""
"""About fifty selections, with lists by variable, conditions and a reference to any type."""

_LIST: Final = """
  list{n}: observations(first: {n}) {{
    nodes {{ id status issued code {{ text coding {{ system code display }} }}
      subject {{ reference resource {{ id }} }}
      valueQuantity {{ value unit code }} note {{ text }} component {{ code {{ text }} valueString }} }}
    pageInfo {{ hasNextPage }}
  }}"""
TWO_HUNDRED: Final = "{" + "".join(_LIST.format(n=n) for n in range(9)) + "}"
"""Two hundred fields."""


def meeting(count: int, levels: int) -> str:
    """Fragments on types that meet fragments on types, in another way along each path of types."""
    types = ("Encounter", "Condition", "Observation", "Procedure", "Flag", "Goal", "CarePlan")[:count]
    made = []
    for n in range(levels):
        after = n + 1
        shared = (
            f"... on {one} {{ subject {{ resource {{ ...G{one}{after} ...F{after} }} }} }}" for one in types
        )
        made.append(f"fragment F{n} on Resource {{ id {' '.join(shared)} }}")
        for one in types if n else ():
            own = (f"... on {other} {{ subject {{ resource {{ ...G{one}{after} }} }} }}" for other in types)
            made.append(f"fragment G{one}{n} on Resource {{ id {' '.join(own)} }}")
    made.append(f"fragment F{levels} on Resource {{ id }}")
    made += [f"fragment G{one}{levels} on Resource {{ id meta {{ id }} }}" for one in types]
    return '{ node(id: "1") { ...F0 } } ' + " ".join(made)


GENEROUS: Final = LimitSettings(
    max_characters=10**7, max_tokens=10**6, max_depth=100, max_aliases=10**6, max_fields=10**6
)
MEETING: Final = LimitSettings(max_characters=10**7, max_tokens=10**5)


def least_s(work: Callable[[], object], calls: int = 1) -> float:
    """Seconds of processor time for one call."""
    found = []
    for _ in range(ROUNDS):
        began = time.process_time_ns()
        for _ in range(calls):
            work()
        found.append((time.process_time_ns() - began) / calls / 1e9)
    return min(found)


def told(name: str, seconds: float, budget_s: float | None = None) -> None:
    unit, factor = ("us", 1e6) if seconds < 1e-3 else ("ms", 1e3)
    within = "" if budget_s is None else f"   budget {budget_s * factor:g} {unit}"
    print(f"{name:52} {seconds * factor:9.2f} {unit}{within}")


def refused(preparation: Preparation, text: str) -> None:
    try:
        preparation.prepare(text, None, "")
    except DocumentRefused:
        return
    raise SystemExit("a document was let through that should have been refused")


def main() -> None:
    built = build_schema(
        DEFAULT_RESOURCES, None, SourceCounts(SOURCES, dict.fromkeys(DEFAULT_RESOURCES, SOURCES))
    )
    schema = built.graphql
    gc.collect()
    gc.freeze()  # as the gateway does at its start
    gc.set_threshold(*COLLECT_AFTER)
    told("weights of the whole schema, once at start", least_s(lambda: Weights(schema)))
    weights = Weights(schema)
    preparation = Preparation(schema, GENEROUS, True, weights)

    fifty = preparation.prepare(FIFTY, None, "")
    assert fifty.cost is not None
    measure_estimates(fifty)
    measure_new(CompiledExecutor(schema, built.rules), preparation, weights)
    for one in abuses():
        measure_refusal(one.title, one.text, Preparation(schema, one.limits, True, weights))
    limited = Preparation(schema, MEETING, True, weights)
    measure_refusal("types that meet types, tokens off", meeting(5, 6), limited)
    hard = Preparation(schema, GENEROUS, True, None).prepare(meeting(5, 6), None, "")
    told("refused by the analysis alone: types meet types", least_s(lambda: attempt(weights, hard)))


def measure_refusal(title: str, text: str, preparation: Preparation) -> None:
    """Of a document that asks for too much."""
    told(f"refused: {title}", least_s(lambda: refused(preparation, text)), 0.02)


def measure_estimates(fifty: PreparedDocument) -> None:
    """Of a document that has been prepared."""
    cost = fifty.cost
    assert cost is not None
    variables: dict[str, Any] = {"id": "person/x", "first": 50, "more": 10, "notes": True}
    denied = frozenset({"Patient.telecom", "Patient.medicationRequests"})
    whole, less = estimate(cost, variables), estimate(cost, variables, denied)
    print(f"fifty selections cost {whole}, where two coordinates are denied {less}")
    told("estimate, prepared, 50 selections", least_s(lambda: estimate(cost, variables), 2_000), 20e-6)
    told("estimate, two coordinates denied", least_s(lambda: estimate(cost, variables, denied), 2_000), 20e-6)
    tally = Tally()
    patient = (None, "patient")
    tally.find(patient, "Patient")
    for name, rows in (("observations", 50), ("conditions", 10), ("medicationRequests", 5)):
        tally.page((patient, name), SOURCES, rows)
    for index in range(50):
        at = ((((patient, "observations"), "nodes"), index), "subject")
        tally.find((at, "resource"), "Patient")
    told(
        "actual, after the answer, 50 references followed",
        least_s(lambda: actual(cost, variables, tally), 100),
    )
    told("a page noted while it is answered", least_s(lambda: Tally().page(patient, SOURCES, 20), 2_000))


def measure_new(executor: CompiledExecutor, preparation: Preparation, weights: Weights) -> None:
    """Of a document that nobody has sent before."""
    document = preparation.prepare(TWO_HUNDRED, None, "")
    schema = preparation.schema

    def analysed() -> None:
        analyse(weights, document.operation, document.fragments)

    def planned() -> None:
        executor._compile(document, ((), frozenset()))
        analysed()

    told("formula of a new document, 200 fields", least_s(analysed))
    told("plan and formula of a new document, 200 fields", least_s(planned), 5e-3)
    both = least_s(lambda: validate(schema, parse(TWO_HUNDRED)))
    told("parse and validation of it (graphql-core)", both)
    told("all of it", both + least_s(planned), 30e-3)
    measure_unlike(executor, preparation, weights)


def measure_unlike(executor: CompiledExecutor, preparation: Preparation, weights: Weights) -> None:
    """Of documents whose selections no document had before: each is measured once, the median is told."""
    plans, wholes = [], []
    for seed in range(UNLIKE):
        text = NewDocument(preparation.schema, seed).text()
        began = time.process_time_ns()
        validate(preparation.schema, parse(text))
        parsed = time.process_time_ns() - began
        document = preparation.prepare(text, None, "")
        began = time.process_time_ns()
        executor._compile(document, ((), frozenset()))
        analyse(weights, document.operation, document.fragments)
        plans.append((time.process_time_ns() - began) / 1e9)
        wholes.append(plans[-1] + parsed / 1e9)
    told("plan and formula of documents unlike all before", median(plans[UNLIKE // 4 :]))
    told("the same with parse and validation", median(wholes[UNLIKE // 4 :]), 30e-3)


def attempt(weights: Weights, document: PreparedDocument) -> None:
    try:
        analyse(weights, document.operation, document.fragments)
    except DocumentRefused:
        return
    raise SystemExit("an analysis ended that should have been refused")


if __name__ == "__main__":
    main()
