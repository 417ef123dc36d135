"""What a smaller answer costs: processor time and size by level, for answers as the gateway gives them.

`python -m bench.compression` prints the table of docs/performance.md. The answers are lists of observations
of the sandbox's population, with the elements that case b selects.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator
from itertools import cycle, product
from typing import Any, Final

from clinical.codec import encode_json
from sandbox.population.build import build

SIZES: Final = {"2 kB": 2_000, "15 kB": 15_000, "100 kB": 100_000, "5 MB": 5_000_000}
LEVELS: Final = range(1, 10)
ROUNDS: Final = 15
GZIP: Final = 31
"""zlib's `wbits` for a gzip header around a window of 32 kB."""

Json = dict[str, Any]


def answer(size: int) -> bytes:
    """An answer of so many bytes, and a row more."""
    nodes: list[Json] = []
    length = 0
    for row in cycle(rows()):
        nodes.append(row)
        length += len(encode_json(row)) + 1
        if length >= size:
            break
    connection = {"completeness": "COMPLETE", "nodes": nodes}
    return encode_json({"data": {"patient": {"id": "person/1", "observations": connection}}})


def rows() -> list[Json]:
    """Observations, no two alike."""
    return [_selected(one, number) for number, one in enumerate(build(200, 1).ehr["Observation"])]


def _selected(resource: Json, number: int) -> Json:
    kept = ("status", "effectiveDateTime", "code", "valueQuantity")
    return {"id": f"ehr/Observation/{number:06d}", **{name: resource.get(name) for name in kept}}


def compressed(body: bytes, level: int) -> bytes:
    packing = zlib.compressobj(level, zlib.DEFLATED, GZIP)
    return packing.compress(body) + packing.flush()


def costs_ms(bodies: dict[str, bytes]) -> dict[tuple[int, str], float]:
    """Processor milliseconds by level and body: the least of several rounds, each over all of them."""
    least: dict[tuple[int, str], float] = {}
    for _, level, (title, body) in product(range(ROUNDS), LEVELS, bodies.items()):
        times = max(1, 200_000 // len(body))
        began = time.process_time()
        for _ in range(times):
            compressed(body, level)
        spent = (time.process_time() - began) / times * 1000
        least[level, title] = min(spent, least.get((level, title), spent))
    return least


def table() -> Iterator[str]:
    bodies = {title: answer(size) for title, size in SIZES.items()}
    costs = costs_ms(bodies)
    yield f"| level | {' | '.join(bodies)} |"
    yield "|---|" + "---|" * len(bodies)
    for level in LEVELS:
        parts = {title: 100 * len(compressed(body, level)) / len(body) for title, body in bodies.items()}
        cells = (f"{costs[level, title]:.3f} ms, {part:.1f} %" for title, part in parts.items())
        yield f"| {level} | {' | '.join(cells)} |"


if __name__ == "__main__":
    print("\n".join(table()))
