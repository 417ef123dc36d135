"""A cursor goes on where it stood, and what was missed meanwhile is said."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from resolvers.cursor import Cursors
from resolvers.upstreams.errors import PageExpired, UpstreamUnavailable
from resolvers.upstreams.upstream import Page, Search
from tests.resolvers.asking import Asker, codes, observation, patient
from tests.resolvers.memory import MemoryUpstream
from tests.resolvers.paging import PAGE, ids, oracle, page, source, walk

SORTED = frozenset({"date", "_id"})
YEARS = [{"when": f"{year}-01-01"} for year in range(2000, 2020)]


class _Listed(MemoryUpstream):
    """Many rows, of which a page costs no more than the page: undated ones, then dated ones."""

    def __init__(self, name: str, undated: int, dated: int) -> None:
        made = source(name, [{}] * undated + [{"when": "2020"}] * dated)
        super().__init__(name, made.resources, sorts=SORTED, page_size_max=1000)
        rows = self.resources["Observation"]
        for place, row in enumerate(rows):
            row["id"] = f"{name}{place:05}"
        self._by_sort = {
            ("-date", "_id"): rows[undated:] + rows[:undated],
            ("_id",): rows,
            ("-_id",): rows[::-1],
        }

    def _page(self, search: Search) -> Page:
        rows, start = self._by_sort[search.sort], int(search.page or 0)
        end = start + min(search.count, self.page_size_max)
        return Page(tuple(map(self._resource, rows[start:end])), str(end) if end < len(rows) else None)


def statuses(one: Any) -> dict[str, str]:
    return {each["source"]: each["status"] for each in one["sources"]}


async def test_a_source_that_was_down_when_the_cursor_was_made_is_partial_to_the_end() -> None:
    a, b = source("a", YEARS, sorts=SORTED), source("b", YEARS, sorts=SORTED)
    b.down = UpstreamUnavailable("b", "down")
    first = await page(Asker(a, b), first=5)
    b.down = None
    second = await page(Asker(a, b), first=5, after=first["pageInfo"]["endCursor"])
    third = await page(Asker(a, b), first=5, after=second["pageInfo"]["endCursor"])
    assert statuses(first) == {"a": "OK", "b": "UNAVAILABLE"}
    assert statuses(second) == statuses(third) == {"a": "OK", "b": "PARTIAL"}
    assert "earlier page" in second["sources"][1]["message"]
    # What follows the cursor is given of both.
    assert {node["id"][0] for node in second["nodes"]} == {"a", "b"}


async def test_the_first_page_of_plain_rows_remembers_who_was_down() -> None:
    a, b = source("a", YEARS, sorts=SORTED), source("b", YEARS, sorts=SORTED)
    b.down = UpstreamUnavailable("b", "down")
    text = """query($after: String) { patient(identifier: "9990000018") {
      observations(first: 3, after: $after) { completeness nodes { status } pageInfo { endCursor } } } }"""
    first = (await Asker(a, b).data(text))["patient"]["observations"]
    b.down = None
    again = await Asker(a, b).data(text, after=first["pageInfo"]["endCursor"])
    assert again["patient"]["observations"]["completeness"] == "PARTIAL"


async def test_a_source_that_fails_after_the_last_row_of_a_page_has_lost_nothing() -> None:
    a = source("a", YEARS, sorts=SORTED, page_size_max=5)
    a.faults[2] = UpstreamUnavailable("a", "down")
    first = await page(Asker(a), first=5)
    second = await page(Asker(a), first=5, after=first["pageInfo"]["endCursor"])
    assert statuses(first) == {"a": "PARTIAL"}
    assert statuses(second) == {"a": "OK"}
    assert [one["id"] for one in second["nodes"]] == [
        one for (one,) in ids([[r] for r in oracle([a], "-date")])
    ][5:10]


async def test_a_source_that_appears_between_pages_is_partial() -> None:
    a, b = source("a", YEARS, sorts=SORTED), source("b", YEARS, sorts=SORTED)
    first = await page(Asker(a), first=5)
    second = await page(Asker(a, b), first=5, after=first["pageInfo"]["endCursor"])
    assert statuses(second) == {"a": "OK", "b": "PARTIAL"}


async def test_a_source_that_leaves_between_pages_or_changes_place_ends_the_walk() -> None:
    a, b = source("a", YEARS, sorts=SORTED), source("b", YEARS, sorts=SORTED)
    first = await page(Asker(a, b), first=5)
    for others in ((a,), (b,), (b, a)):
        found = await Asker(*others).run(PAGE, first=5, after=first["pageInfo"]["endCursor"])
        assert codes(found.errors) == ["BAD_USER_INPUT"]


@pytest.mark.parametrize("call", [1, 2, 3])
async def test_a_next_link_that_has_expired_between_pages_is_walked_to_again(call: int) -> None:
    a, b = (
        source("a", YEARS, sorts=SORTED, page_size_max=4),
        source("b", YEARS, sorts=SORTED, page_size_max=3),
    )
    first = await page(Asker(a, b), first=9)
    a.calls.clear()
    a.faults[call] = PageExpired("a", "expired")
    second = await page(Asker(a, b), first=30, after=first["pageInfo"]["endCursor"])
    expected = [one for (one,) in ids([[row] for row in oracle([a, b], "-date")])]
    assert [one["id"] for one in (*first["nodes"], *second["nodes"])] == expected[:39]
    assert second["completeness"] == "COMPLETE"


async def test_the_page_that_a_source_stood_at_is_kept_while_others_give_the_rows() -> None:
    old, new = [{"when": f"20{n:02}-01-01"} for n in range(20)], [{"when": "2050-01-01"}] * 3
    a = source("a", new + old, sorts=SORTED, page_size_max=1)
    b = source("b", [{"when": f"2040-01-{n:02}"} for n in range(1, 20)], sorts=SORTED)
    asker = Asker(a, b)
    at = (await page(asker, first=3))["pageInfo"]["endCursor"]
    for _ in range(4):
        at = (await page(asker, first=4, after=at))["pageInfo"]["endCursor"]
    a.calls.clear()
    await page(asker, first=2, after=at)
    pages = [one.page for kind, asked in a.calls if kind == "search" for one in asked]
    assert None not in pages  # it does not begin again


async def test_a_row_of_two_partitions_at_the_end_of_a_page_does_not_hide_what_follows() -> None:
    both = [{"coding": [{"code": "x"}]}, {"coding": [{"code": "y"}]}]
    up = source(
        "a",
        [{"when": "2021", "category": both}, {"when": "2020", "category": [{"coding": [{"code": "y"}]}]}],
        sorts=SORTED,
        page_size_max=1,
        fan_out={"Observation": ("category", ("x", "y"))},
    )
    assert await walk(Asker(up), 1) == [["a/Observation/a000"], ["a/Observation/a001"]]


async def test_cursors_say_when_they_expire_and_are_refused_then(monkeypatch: pytest.MonkeyPatch) -> None:
    up = source("a", YEARS, sorts=SORTED)
    asker = Asker(up)
    one = await page(asker, first=1)
    told = datetime.fromisoformat(one["pageInfo"]["cursorExpiresAt"])
    assert timedelta(hours=23) < told - datetime.now(UTC) <= timedelta(hours=24)
    for moment, refused in ((told.timestamp(), []), (told.timestamp() + 1, ["BAD_USER_INPUT"])):
        monkeypatch.setattr("resolvers.cursor.time", SimpleNamespace(time=lambda moment=moment: moment))
        found = await asker.run(PAGE, first=1, after=one["pageInfo"]["endCursor"])
        assert codes(found.errors) == refused
    monkeypatch.undo()
    assert (await page(asker, first=0))["pageInfo"]["cursorExpiresAt"] is None


@pytest.mark.parametrize("beside", ["after", "before"])
async def test_a_cursor_of_another_user_list_or_key_is_refused_either_way(
    beside: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    up = source("a", YEARS, sorts=SORTED)
    cursor = (await page(Asker(up), first=3))["pageInfo"]["endCursor"]
    other_key = Asker(up)
    other_key.federation._cursors = Cursors(b"o" * 32, other_key.federation._cache)
    for asker, more in (
        (Asker(up, subject="other"), {}),
        (Asker(up), {"sort": "date"}),
        (Asker(up), {"duplicates": "COLLAPSE"}),
        (Asker(up), {"changedSince": "2020-01-01T00:00:00Z"}),
        (other_key, {}),
    ):
        found = await asker.run(PAGE, **{beside: cursor}, **more)
        assert codes(found.errors) == ["BAD_USER_INPUT"], more
    forged = await Asker(up).run(PAGE, **{beside: cursor[:-4] + "AAAA"})
    assert codes(forged.errors) == ["BAD_USER_INPUT"]


@pytest.mark.parametrize(
    "arguments", [{"first": 1, "last": 1}, {"first": 1, "before": "x"}, {"last": -1}, {"last": 101}]
)
async def test_paging_arguments_that_make_no_sense_are_refused(arguments: Any) -> None:
    found = await Asker(source("a", YEARS)).run(PAGE, **arguments)
    assert codes(found.errors) == ["BAD_USER_INPUT"]


@pytest.mark.parametrize("from_end", [False, True])
async def test_ten_thousand_undated_rows_come_once(from_end: bool) -> None:
    up = _Listed("a", 10_000, 1)
    found = await walk(Asker(up), 100, from_end=from_end, sort="_id")
    assert len(found) == len({row[0] for row in found}) == 10_001
    newest = await page(Asker(up), first=100)
    assert newest["nodes"][0] == {"id": "a/Observation/a10000"}
    assert (newest["completeness"], len({one["id"] for one in newest["nodes"]})) == ("COMPLETE", 100)


async def test_a_list_that_is_too_long_to_be_read_from_its_end_is_not_supported() -> None:
    up = source("a", YEARS * 10, sorts=SORTED, page_size_max=1)
    b = source("b", YEARS, sorts=SORTED)
    one = await page(Asker(up, b), last=5)
    assert statuses(one) == {"a": "NOT_SUPPORTED", "b": "OK"}
    assert [node["id"] for node in one["nodes"]] == [f"b/Observation/b{n:03}" for n in (4, 3, 2, 1, 0)]


async def test_a_page_back_costs_no_walk_wherever_it_lies() -> None:
    rows = [{"when": f"{2000 + n // 360}-{n // 30 % 12 + 1:02}-{n % 28 + 1:02}"} for n in range(3000)]
    up = source("a", [*rows, {}], sorts=SORTED)
    asker, at = Asker(up), None
    for _ in range(3):
        at = (await page(asker, first=50, after=at))["pageInfo"]["startCursor"]
        at = (await page(asker, first=50, after=at))["pageInfo"]["endCursor"]
    up.calls.clear()
    back = await page(asker, last=20, before=at)
    assert len(back["nodes"]) == 20
    assert sum(len(asked) for kind, asked in up.calls if kind == "search") <= 2


async def test_a_source_that_sends_anothers_rows_is_told_from_the_end_too() -> None:
    up = source("a", YEARS[:3], sorts=SORTED)
    up.resources["Observation"].append(observation("foreign", "2", "2022"))
    up._matching = lambda search: up.resources[search.type]  # type: ignore[method-assign]
    one = await page(Asker(up), last=10)
    assert [node["id"][-4:] for node in one["nodes"]] == ["a002", "a001", "a000"]
    assert statuses(one) == {"a": "PARTIAL"}


async def test_persons_are_paged_from_their_end_too() -> None:
    def people(name: str) -> MemoryUpstream:
        made = [patient(f"{name}{n}", born=f"19{n + 50}-01-01") for n in range(7)]
        return MemoryUpstream(name, {"Patient": made}, sorts=SORTED, page_size_max=2)

    text = """query($first: Int, $after: String, $last: Int, $before: String) {
      patients(first: $first, after: $after, last: $last, before: $before) {
      nodes { id } pageInfo { startCursor endCursor hasNextPage hasPreviousPage } completeness } }"""
    asker = Asker(people("a"), people("b"))
    whole = [one["id"] for one in (await asker.data(text, first=100))["patients"]["nodes"]]
    assert len(whole) == 14
    found: list[str] = []
    at = None
    for _ in range(5):
        one = (await asker.data(text, last=3, before=at))["patients"]
        assert one["completeness"] == "COMPLETE"
        found = [node["id"] for node in one["nodes"]] + found
        at = one["pageInfo"]["startCursor"]
    assert found == whole
    assert one["pageInfo"]["hasPreviousPage"] is False


async def test_a_source_of_persons_whose_turn_has_not_come_is_asked_for_one_page_only() -> None:
    def people(name: str, count: int, **habits: Any) -> MemoryUpstream:
        made = [patient(f"{name}{n:03}") for n in range(count)]
        return MemoryUpstream(name, {"Patient": made}, page_size_max=10, **habits)

    a, b = people("a", 40, sorts=SORTED), people("b", 100)
    text = "query($n: Int) { patients(first: $n) { nodes { id } pageInfo { hasNextPage } completeness } }"
    data = await Asker(a, b).data(text, n=5)
    assert data["patients"]["pageInfo"]["hasNextPage"] is True
    assert sum(kind == "search" for kind, _ in b.calls) == 1
    found = await Asker(a, b).data(text, n=100)
    names = [node["id"] for node in found["patients"]["nodes"]]
    assert names == [f"a/Patient/a{n:03}" for n in range(40)] + [f"b/Patient/b{n:03}" for n in range(60)]
    b.down = UpstreamUnavailable("b", "down")
    down = await Asker(a, b).data(text, n=5)
    assert down["patients"]["completeness"] == "PARTIAL"
