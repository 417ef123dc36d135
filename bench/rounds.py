"""Paired figures: in each round every server has its turn at a case, so that neighbours disturb all alike."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence

from bench.cases import Question
from bench.load import Measured
from bench.scene import Scene

ORDER = ("floor", "gateway", "stock")
Figures = dict[str, float]
WARM_UP_S = 1.0


def compare(
    scene: Scene,
    questions: Mapping[str, Question],
    rounds: int,
    seconds: float,
    servers: Sequence[str] = ORDER,
) -> dict[str, Figures]:
    """The figures of each case: medians over the rounds, ratios of each round's own pairs."""
    taken: dict[str, list[dict[str, Measured]]] = {name: [] for name in questions}
    for question in questions.values():
        for server in servers:
            scene.driver.measure(scene.servers[server], question, WARM_UP_S)
    for _ in range(rounds):
        for name, question in questions.items():
            taken[name].append(
                {one: scene.driver.measure(scene.servers[one], question, seconds) for one in servers}
            )
    return {name: figures_of(rows) for name, rows in taken.items()}


def figures_of(rows: Sequence[Mapping[str, Measured]]) -> Figures:
    """The medians of some rounds."""
    gateway = [row["gateway"] for row in rows]
    figures = {f"{name}_cpu_ms": median((row[name].cpu_ms for row in rows), 3) for name in rows[0]}
    if "floor" in rows[0]:
        figures["ratio_floor"] = median((row["gateway"].cpu_ms / row["floor"].cpu_ms for row in rows), 2)
    if "stock" in rows[0]:
        figures["ratio_stock"] = median((row["stock"].cpu_ms / row["gateway"].cpu_ms for row in rows), 2)
    figures["p50_ms"] = median((one.load.p50_ms for one in gateway), 2)
    figures["p99_ms"] = median((one.load.p99_ms for one in gateway), 2)
    figures["rps"] = median((one.rps for one in gateway), 0)
    return figures


def median(values: Iterable[float], digits: int) -> float:
    return round(statistics.median(values), digits)
