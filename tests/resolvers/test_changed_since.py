"""`changedSince`: what a source has changed, retractions included; and who cannot say."""

from typing import Any

import pytest

from tests.resolvers.asking import Asker, codes
from tests.resolvers.paging import PAGE, page, source

SINCE = "2026-10-01T00:00:00Z"


def row(changed: str | None, **more: Any) -> dict[str, Any]:
    return {"when": "2020", **({"meta": {"lastUpdated": changed}} if changed else {}), **more}


ROWS = [
    row("2026-10-03T00:00:00Z"),
    row("2026-09-30T23:59:59Z"),
    row("2026-10-01T00:00:00Z"),
    row("2026-10-02T00:00:00+01:00", status="entered-in-error"),
]
FOUND = ["a/Observation/a002", "a/Observation/a003", "a/Observation/a000"]


def names(one: Any) -> list[str]:
    return [node["id"] for node in one["nodes"]]


@pytest.mark.parametrize("can_search", [True, False])
@pytest.mark.parametrize("sorts", [frozenset(), frozenset({"_lastUpdated", "_id", "date"})])
async def test_what_has_changed_comes_oldest_change_first_with_retractions(
    can_search: bool, sorts: frozenset[str]
) -> None:
    up = source(
        "a", ROWS, sorts=sorts, unsupported=frozenset() if can_search else frozenset({"_lastUpdated"})
    )
    asker = Asker(up)
    whole = await page(asker, changedSince=SINCE)
    assert (names(whole), whole["completeness"]) == (FOUND, "COMPLETE")
    first = await page(asker, first=2, changedSince=SINCE)
    rest = await page(asker, first=2, changedSince=SINCE, after=first["pageInfo"]["endCursor"])
    assert names(first) + names(rest) == FOUND
    last = await page(asker, last=2, changedSince=SINCE)
    assert names(last) == FOUND[1:]


async def test_a_source_that_does_not_tell_is_not_supported() -> None:
    a, b = source("a", ROWS), source("b", [row(None)] * 2, unsupported=frozenset({"_lastUpdated"}))
    one = await page(Asker(a, b), changedSince=SINCE)
    assert names(one) == FOUND
    assert [each["status"] for each in one["sources"]] == ["OK", "NOT_SUPPORTED"]


async def test_a_source_that_tells_of_some_records_only_is_partial() -> None:
    up = source("a", [*ROWS, row(None)], unsupported=frozenset({"_lastUpdated"}))
    one = await page(Asker(up), changedSince=SINCE)
    assert names(one) == FOUND
    assert one["sources"][0]["status"] == "PARTIAL"
    assert "do not tell when they changed" in one["sources"][0]["message"]


async def test_a_source_that_searches_by_it_knows_also_what_it_does_not_tell() -> None:
    up = source("a", [row(None)])
    matching = up._matching
    up._matching = lambda search: matching(type(search)(search.type, search.location))  # type: ignore[method-assign]
    one = await page(Asker(up), changedSince=SINCE)
    assert (names(one), one["completeness"]) == (["a/Observation/a000"], "COMPLETE")


@pytest.mark.parametrize(
    "text", ["2026", "2026-10-01", "2026-10-01T00:00:00", "2026-13-01T00:00:00Z", "x", ""]
)
async def test_only_an_instant_is_accepted(text: str) -> None:
    found = await Asker(source("a", ROWS)).run(PAGE, changedSince=text)
    assert codes(found.errors) == ["BAD_USER_INPUT"]
