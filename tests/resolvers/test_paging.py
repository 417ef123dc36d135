"""Pages of a merged list equal the oracle: either way, any size, with and without duplicates."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from resolvers.upstreams.errors import UpstreamUnavailable
from tests.resolvers.asking import Asker
from tests.resolvers.memory import MemoryUpstream
from tests.resolvers.paging import collapsed, ids, oracle, page, source, walk

LOINC = "http://loinc.org"
DATES = [
    None,
    None,
    "2019",
    "2019-05",
    "2019-05-03",
    "2019-05-03T10:00:00Z",
    "2019-05-03T11:00:00+01:00",
    "2021",
]
ROWS = st.lists(
    st.builds(
        lambda when, code, value, named: {
            **({"when": when} if when else {}),
            "code": {"coding": [{"system": LOINC, "code": code}]},
            **({"valueQuantity": {"value": value, "unit": "kg"}} if value else {}),
            **({"identifier": [{"system": "https://lab.example", "value": named}]} if named else {}),
        },
        st.sampled_from(DATES),
        st.sampled_from(["1", "2"]),
        st.sampled_from([None, 5, 6]),
        st.sampled_from([None, None, "x", "y"]),
    ),
    max_size=9,
)
SORTING = st.sampled_from([frozenset[str](), frozenset({"date"}), frozenset({"date", "_id"})])
HABITS = st.tuples(SORTING, st.integers(1, 6))
SORTS = st.sampled_from(["-date", "date", "_id", "-_id", "code,-date"])
POPULATION = st.lists(st.tuples(ROWS, HABITS), min_size=1, max_size=3)


def made(population: Any) -> list[MemoryUpstream]:
    return [
        source(name, rows, sorts=sorts, page_size_max=size)
        for name, (rows, (sorts, size)) in zip("abc", population, strict=False)
    ]


@settings(max_examples=120, deadline=None)
@given(POPULATION, st.integers(1, 8), SORTS, st.booleans(), st.sampled_from(["SHOW", "COLLAPSE"]))
async def test_every_walk_equals_the_oracle(
    population: Any, size: int, sort: str, from_end: bool, duplicates: str
) -> None:
    sources = made(population)
    rows = oracle(sources, sort)
    expected = collapsed(rows, sort) if duplicates == "COLLAPSE" else [[row] for row in rows]
    found = await walk(Asker(*sources), size, from_end=from_end, sort=sort, duplicates=duplicates)
    assert found == ids(expected)


@settings(max_examples=80, deadline=None)
@given(POPULATION, st.data(), SORTS, st.sampled_from(["SHOW", "COLLAPSE"]))
async def test_any_cursor_leads_either_way(population: Any, data: Any, sort: str, duplicates: str) -> None:
    sources = made(population)
    rows = oracle(sources, sort)
    groups = collapsed(rows, sort) if duplicates == "COLLAPSE" else [[row] for row in rows]
    expected = [group[0] for group in ids(groups)]
    asker, fixed = Asker(*sources), {"sort": sort, "duplicates": duplicates}
    edges = (await page(asker, first=100, **fixed))["edges"]
    if not edges:
        return
    at = data.draw(st.integers(0, len(edges) - 1))
    size = data.draw(st.integers(0, 5))
    cursor = edges[at]["cursor"]
    after = await page(asker, first=size, after=cursor, **fixed)
    before = await page(asker, last=size, before=cursor, **fixed)
    assert [one["id"] for one in after["nodes"]] == expected[at + 1 : at + 1 + size]
    assert [one["id"] for one in before["nodes"]] == expected[max(0, at - size) : at]
    assert after["pageInfo"]["hasNextPage"] is (at + 1 + size < len(expected))
    assert before["pageInfo"]["hasPreviousPage"] is (at > size)
    assert (after["pageInfo"]["hasPreviousPage"], before["pageInfo"]["hasNextPage"]) == (True, True)
    if before["edges"]:  # a page from the end leads on as any other
        again = await page(asker, first=1, after=before["pageInfo"]["endCursor"], **fixed)
        assert [one["id"] for one in again["nodes"]] == [expected[at]]


@settings(max_examples=120, deadline=None)
@given(
    POPULATION,
    st.integers(1, 5),
    st.booleans(),
    st.sampled_from(["SHOW", "COLLAPSE"]),
    st.lists(st.sets(st.sampled_from("abc")), max_size=8),
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 12)), max_size=3),
)
async def test_under_any_failures_rows_come_in_order_once_and_what_is_missing_is_said(
    population: Any, size: int, from_end: bool, duplicates: str, down: list[set[str]], faults: Any
) -> None:
    sources = made(population)
    for name, call in faults:
        for up in (up for up in sources if up.name == name):
            up.faults[call] = UpstreamUnavailable(name, "down")
    count, beside, more, cursor = ("first", "after", "hasNextPage", "endCursor")
    if from_end:
        count, beside, more, cursor = ("last", "before", "hasPreviousPage", "startCursor")
    rows = oracle(sources, "-date")
    found: list[str] = []
    at, was_whole, is_whole = None, True, True
    # One source knows the person whatever happens: else there is nobody to ask about.
    keeper = source("k", [])
    for turn in range(200):
        for up in sources:
            is_down = turn < len(down) and up.name in down[turn]
            up.down = UpstreamUnavailable(up.name, "down") if is_down else None
        arguments = {count: size, beside: at, "duplicates": duplicates}
        one = await page(Asker(keeper, *sources), **arguments)
        is_whole = one["completeness"] == "COMPLETE"
        was_whole = was_whole and is_whole
        new = [node["id"] for node in one["nodes"]]
        found = new + found if from_end else found + new
        if not one["pageInfo"][more] or not new:
            break
        at = one["pageInfo"][cursor]
    groups = ids(collapsed(rows, "-date") if duplicates == "COLLAPSE" else [[row] for row in rows])
    assert len(found) == len(set(found))
    every = [name for (name,) in ids([[row] for row in rows])]
    assert found == sorted(found, key=every.index)
    if was_whole:
        assert found == [group[0] for group in groups]
    elif is_whole:
        # The last page alone says that it is whole only where nothing before it was lost.
        assert duplicates == "COLLAPSE" or set(found) == set(every)
