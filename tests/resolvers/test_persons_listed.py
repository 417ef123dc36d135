"""`patients` of one source: its first page is shown as it is where that is the same as merging it."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from clinical.identifiers import is_nhs_number
from resolvers.upstreams.errors import UpstreamTimeout
from tests.resolvers.asking import Asker, codes, patient
from tests.resolvers.memory import MemoryUpstream
from tests.resolvers.searchsets import SearchsetUpstream

Json = dict[str, Any]
SORTED_BY = frozenset({"birthdate", "family", "given"})
WALK = """query($first: Int, $after: String, $sort: String) {
  patients(first: $first, after: $after, sort: $sort) {
  completeness sources { source status message } edges { cursor node { id } } nodes { id birthDate }
  pageInfo { hasNextPage endCursor startCursor } } }"""
NUMBERS = ("9990000018", "9990000026", "9990000034")


async def walk(rows: list[Json], first: int, sort: str | None, *, in_full: bool, **habits: Any) -> list[Json]:
    """All pages of the list, one after the other. `in_full`: the source sorts equal rows by id too."""
    sorts = SORTED_BY | {"_id"} if in_full else SORTED_BY
    asker, after, pages = Asker(SearchsetUpstream("a", {"Patient": rows}, sorts=sorts, **habits)), None, []
    for _ in range(30):
        page = (await asker.data(WALK, first=first, after=after, sort=sort))["patients"]
        assert [one["node"]["id"] for one in page["edges"]] == [one["id"] for one in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        assert (after is None) == (page["nodes"] == [])
        pages.append({**page, "edges": None, "pageInfo": page["pageInfo"]["hasNextPage"]})
        if not page["pageInfo"]["hasNextPage"]:
            return pages
    raise AssertionError("the walk does not end")


names = st.sampled_from(["Smith", "@home", "Żak", "x" * 2000, "x" * 1999 + "y", ""])
records = st.fixed_dictionaries(
    {"born": st.sampled_from(["1980", "1980-05-03", "1980-05", "2001-01-01"]), "family": names},
    optional={"nhs": st.sampled_from(NUMBERS)},
)


@settings(max_examples=60)
@given(
    st.lists(records, max_size=6),
    st.integers(1, 3),
    st.sampled_from([None, "-birthdate", "family", "-family", "birthdate,-family", "-_id"]),
    st.sampled_from([2, 100]),
)
async def test_a_walk_over_persons_is_the_same_whether_pages_are_merged_or_not(
    drawn: list[Json], first: int, sort: str | None, page_size: int
) -> None:
    rows: list[Json] = []
    for index, one in enumerate(drawn):
        rows.append(patient(str(index), one.get("nhs"), one["born"], name=[{"family": one["family"]}]))
    habits = {"page_size_max": page_size}
    short = await walk(rows, first, sort, in_full=True, **habits)
    assert short == await walk(rows, first, sort, in_full=False, **habits)


async def test_persons_sorted_by_a_long_name_are_walked_on_from_a_page_that_was_not_merged() -> None:
    rows = [patient(str(index), name=[{"family": "x" * 3000 + str(index)}]) for index in range(3)]
    pages = await walk(rows, 1, "family", in_full=True)
    assert [node["id"] for page in pages for node in page["nodes"]] == [
        f"a/Patient/{index}" for index in range(3)
    ]


async def listed(rows: list[Json], sort: str | None = None) -> list[str]:
    """Ids of the only page of a source that gives its rows in their own order, whatever it is asked."""
    (page,) = await walk(rows, 5, sort, in_full=True, lies_about_order=True)
    return [node["id"].rpartition("/")[2] for node in page["nodes"]]


async def test_persons_out_of_order_are_merged() -> None:
    assert await listed([patient("2"), patient("1"), patient("3")]) == ["1", "2", "3"]


async def test_persons_whose_order_is_not_known_from_the_first_on_are_merged() -> None:
    unborn = {"resourceType": "Patient", "id": "1"}
    assert await listed([unborn, patient("2", born="1990")], "birthdate") == ["2", "1"]
    assert await listed([unborn], "birthdate") == ["1"]
    rows = [unborn, {**unborn, "id": "2"}, patient("3")]
    first, *_ = await walk(rows, 1, "birthdate", in_full=True, lies_about_order=True, page_size_max=2)
    assert [node["id"] for node in first["nodes"]] == ["a/Patient/3"]


async def test_persons_entered_in_error_are_merged_away() -> None:
    assert await listed([patient("1"), patient("2", status="entered-in-error"), patient("3")]) == ["1", "3"]


async def test_what_is_wrong_with_a_page_of_persons_is_told() -> None:
    rows = [patient("1"), patient("2"), {"resourceType": "Patient"}]
    up = SearchsetUpstream("a", {"Patient": rows}, sorts=frozenset({"_id"}), lies_about_order=True)
    page = (await Asker(up).data(WALK, first=5))["patients"]
    assert [node["id"] for node in page["nodes"]] == ["a/Patient/1", "a/Patient/2"]
    assert (page["completeness"], page["sources"][0]["status"]) == ("PARTIAL", "PARTIAL")


async def test_a_source_that_fails_is_told_whichever_way_was_tried() -> None:
    up = SearchsetUpstream("a", {"Patient": [patient("1")]}, sorts=frozenset({"_id"}))
    up.faults = {1: UpstreamTimeout("a", "too slow")}
    result = await Asker(up).run("{ patients { nodes { id } } }")
    assert codes(result.errors) == ["UPSTREAM_TIMEOUT"]


async def test_how_a_list_of_persons_is_asked_for_is_worked_out_once() -> None:
    asker = Asker(SearchsetUpstream("a", {"Patient": [patient("1", NUMBERS[0])]}, sorts=SORTED_BY | {"_id"}))
    kept = []
    for _ in range(2):
        await asker.data(WALK, first=5, sort="birthdate")
        assert asker.context is not None
        kept.append(set(asker.context.drafts._kept))
    assert kept[0] == kept[1]
    assert len(kept[0]) == 1


async def test_a_person_who_was_filled_in_has_the_records_that_this_was_done_from() -> None:
    """The source lists a number with spaces, and does not find it by the number without."""
    rows = [patient("1", "999 000 0018"), patient("2", NUMBERS[0], gender="female")]
    asker = Asker(MemoryUpstream("a", {"Patient": rows}), linking={"refill": ("gender",)})
    found = await asker.data("{ patients { nodes { gender records { id } } } }")
    assert found["patients"]["nodes"][0] == {
        "gender": "female",
        "records": [{"id": "a/Patient/1"}, {"id": "a/Patient/2"}],
    }


async def test_a_page_of_a_hundred_persons_is_two_lookups_at_most_whoever_was_shown_before() -> None:
    """Of the second source's persons most have been shown, and those who have not lie apart."""
    numbers = [one for n in range(9990000000, 9990003000) if is_nhs_number(one := f"{n}")][:200]
    a = MemoryUpstream(
        "a", {"Patient": [patient(f"{n:03}", numbers[n]) for n in range(90)]}, sorts=frozenset({"_id"})
    )
    others = [patient(f"{n:03}", numbers[90 + n // 9 if n % 9 == 0 else n]) for n in range(85)]
    b = MemoryUpstream("b", {"Patient": others}, sorts=frozenset({"_id"}))
    text = "{ patients(first: 100) { nodes { id } pageInfo { hasNextPage } } }"
    found = (await Asker(a, b).data(text))["patients"]
    assert len({one["id"] for one in found["nodes"]}) == 100
    assert found["pageInfo"]["hasNextPage"] is False
    for up in (a, b):
        assert sum(kind == "identify" for kind, _ in up.calls) <= 2
