"""`python -m bench.merged`: a walk over a long merged list, the time of its pages and the memory it takes.

Three sources in memory with 10,000 rows each, read page by page, each page a request of its own. Linear cost
shows as pages at the end that cost what those at the beginning do; constant memory as a peak, above what the
sources themselves take, that does not grow with the rows.
"""

from __future__ import annotations

import asyncio
import time
import tracemalloc
from typing import Final

from tests.resolvers.asking import Asker
from tests.resolvers.paging import page
from tests.resolvers.test_merge_figures import three

PAGE: Final = 100
QUARTERS: Final = 4


async def walk() -> list[float]:
    """Seconds for each page of a walk to the end."""
    asker, at, times = Asker(*three()), None, []
    while True:
        began = time.perf_counter()
        one = await page(asker, first=PAGE, after=at)
        times.append(time.perf_counter() - began)
        at = one["pageInfo"]["endCursor"]
        if not one["pageInfo"]["hasNextPage"]:
            return times


async def peak() -> tuple[int, int]:
    """The most bytes that a page takes: of the first pages, and of all."""
    asker, at = Asker(*three()), None
    early = most = 0
    tracemalloc.start()
    for turn in range(3 * 10_000 // PAGE):
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        one = await page(asker, first=PAGE, after=at)
        most = max(most, tracemalloc.get_traced_memory()[1] - before)
        early = most if turn == QUARTERS else early
        at = one["pageInfo"]["endCursor"]
    tracemalloc.stop()
    return early, most


def main() -> None:
    times = asyncio.run(walk())
    length = len(times) // QUARTERS
    for quarter in range(QUARTERS):
        part = times[quarter * length : (quarter + 1) * length]
        print(f"rows to {(quarter + 1) * length * PAGE:6}: {sum(part) / len(part) * 1000:6.2f} ms a page")
    early, most = asyncio.run(peak())
    print(f"memory of a page: {early / 1e6:.2f} MB at first, {most / 1e6:.2f} MB at most")


if __name__ == "__main__":
    main()
