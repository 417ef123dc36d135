"""How costs grow: with rows, sources, selected fields, concurrency and distinct documents."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.cases import Question, body_of, case, person_id, question
from bench.fields import query_of_fields
from bench.processes import Cores, memory_mb
from bench.rounds import Figures, compare, median
from bench.scene import Scene, scene

ROWS: Final = ((10, 1, 10), (100, 1, 100), (1_000, 10, 100), (10_000, 100, 100))
SOURCES: Final = (1, 2, 4, 8)
FIELDS: Final = (1, 3, 10, 30, 100)
CONNECTIONS: Final = (1, 4, 16, 64, 256)
DOCUMENTS: Final = (1, 10, 100, 1_000, 10_000)
LEAST_REQUESTS: Final = 1_000

Curve = list[Figures]


def rows(scene: Scene, rounds: int) -> Curve:
    """Observations in one answer; with the floor beside."""
    asked = {str(n): question("rows", scene.key, patients=p, each=each) for n, p, each in ROWS}
    figures = compare(scene, asked, rounds, seconds=1, servers=("floor", "gateway"))
    return [{"at": float(n), **one} for n, one in figures.items()]


def fields(scene: Scene, rounds: int) -> Curve:
    """Leaves selected of each of 50 observations."""
    asked = {str(n): Question("/fields", body_of(query_of_fields(n), _patient(scene))) for n in FIELDS}
    figures = compare(scene, asked, rounds, seconds=1, servers=("gateway",))
    return [{"at": float(n), **one} for n, one in figures.items()]


def concurrency(scene: Scene, rounds: int) -> Curve:
    """Requests under way at a time, case b."""
    asked = case("b", scene.key)
    curve = []
    for connections in CONNECTIONS:
        taken = [scene.driver.measure(scene.gateway, asked, 1, connections) for _ in range(rounds)]
        curve.append(
            {
                "at": float(connections),
                "gateway_cpu_ms": median((one.cpu_ms for one in taken), 3),
                "p50_ms": median((one.load.p50_ms for one in taken), 2),
                "p99_ms": median((one.load.p99_ms for one in taken), 2),
                "rps": median((one.rps for one in taken), 0),
            }
        )
    return curve


def sources(folder: Path, on: Cores, rounds: int) -> Curve:
    """Sources that all know the patient of case b; their rows are merged."""
    curve = []
    for count in SOURCES:
        with scene(folder, on, count, is_alone=True) as many:
            many.stop_logging()
            figures = compare(many, {"b": case("b", many.key)}, rounds, seconds=1, servers=("gateway",))["b"]
        curve.append({"at": float(count), **figures})
    return curve


def documents(folder: Path, on: Cores) -> Curve:
    """Different documents in turn, in a gateway of their own; what is kept of them is bounded."""
    curve = []
    with scene(folder, on, is_alone=True) as fresh:
        fresh.stop_logging()
        before = memory_mb(fresh.gateway.process)
        for count in DOCUMENTS:
            asked = list(_distinct(fresh, count))
            taken = fresh.driver.measure_each(fresh.gateway, asked, max(count, LEAST_REQUESTS))
            grown = memory_mb(fresh.gateway.process) - before
            curve.append(
                {
                    "at": float(count),
                    "gateway_cpu_ms": round(taken.cpu_ms, 3),
                    "p50_ms": round(taken.load.p50_ms, 2),
                    "p99_ms": round(taken.load.p99_ms, 2),
                    "memory_grown_mb": round(grown, 1),
                }
            )
    return curve


def _distinct(scene: Scene, count: int) -> Iterator[Question]:
    for number in range(count):
        text = f"query D{number}($id: ID!) {{ patient(id: $id) {{ id gender birthDate name {{ family }} }} }}"
        yield Question("/documents", body_of(text, _patient(scene)))


def _patient(scene: Scene) -> dict[str, str]:
    return {"id": person_id(scene.key)}
