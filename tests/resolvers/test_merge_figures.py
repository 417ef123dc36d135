"""What the merge costs: requests by the page, and rows held by the page, however long the lists are."""

from typing import Any

import pytest

from resolvers.stream import Stream
from resolvers.upstreams.upstream import Page, Search
from tests.resolvers.asking import Asker
from tests.resolvers.memory import MemoryUpstream
from tests.resolvers.paging import page, source

ROWS = 10_000


class Long(MemoryUpstream):
    """Many rows in the order of the list, of which a page costs no more than the page."""

    def __init__(self, name: str, offset: int) -> None:
        made = source(name, [{"when": _day(ROWS - n, offset)} for n in range(ROWS)])
        super().__init__(name, made.resources, sorts=frozenset({"date", "_id"}))
        for n, row in enumerate(self.resources["Observation"]):
            row["id"] = f"{name}{n:05}"

    def _page(self, search: Search) -> Page:
        assert search.sort == ("-date", "_id")
        rows, start = self.resources["Observation"], int(search.page or 0)
        end = start + min(search.count, self.page_size_max)
        return Page(tuple(map(self._resource, rows[start:end])), str(end) if end < len(rows) else None)


def _day(place: int, offset: int) -> str:
    """Two rows of a source share each second; the sources' rows lie between each other's."""
    second = place // 2 * 3 + offset
    hours, rest = divmod(second, 3600)
    days, hour = divmod(hours, 24)
    return f"2020-01-{days + 1:02}T{hour:02}:{rest // 60:02}:{rest % 60:02}Z"


def three() -> list[MemoryUpstream]:
    return [Long(name, place) for place, name in enumerate("abc")]


def asked(up: MemoryUpstream) -> int:
    return sum(len(one) for kind, one in up.calls if kind == "search")


@pytest.mark.parametrize("duplicates", ["SHOW", "COLLAPSE"])
async def test_the_first_page_of_three_long_lists_costs_two_requests_of_each_at_most(duplicates: str) -> None:
    sources = three()
    one = await page(Asker(*sources), first=50, duplicates=duplicates)
    assert (len(one["nodes"]), one["completeness"]) == (50, "COMPLETE")
    assert [asked(up) <= 2 for up in sources] == [True] * 3


async def test_a_walk_over_thirty_thousand_rows_is_linear_and_holds_little(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sources, held = three(), 0
    settle = Stream._settle

    def watched(stream: Stream) -> None:
        nonlocal held
        settle(stream)
        held = max(held, len(stream._ready) + len(stream._pending))

    monkeypatch.setattr(Stream, "_settle", watched)
    asker, at, seen, pages = Asker(*sources), None, 0, 0
    most = 0
    while True:
        before = sum(map(asked, sources))
        one = await page(asker, first=100, after=at)
        most = max(most, sum(map(asked, sources)) - before)
        seen, pages = seen + len(one["nodes"]), pages + 1
        assert one["completeness"] == "COMPLETE"
        at = one["pageInfo"]["endCursor"]
        if not one["pageInfo"]["hasNextPage"]:
            break
    assert (seen, pages) == (3 * ROWS, 3 * ROWS // 100)
    assert most <= 2 * len(sources)  # of the last page as of the first
    assert held <= 101


def test_the_rows_are_made_as_the_list_is_sorted() -> None:
    rows: list[Any] = Long("a", 0).resources["Observation"]
    dates = [row["effectiveDateTime"] for row in rows]
    assert dates == sorted(dates, reverse=True)
