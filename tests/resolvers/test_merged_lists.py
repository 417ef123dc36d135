"""Walking a merged list gives every row once, in order, whatever the page size and the sources' habits."""

from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from clinical.order import in_order
from resolvers.resource import Location
from resolvers.upstreams.errors import PageExpired, UpstreamTimeout, UpstreamUnavailable
from tests.resolvers.asking import KEY, NHS, Asker, codes, observation, patient
from tests.resolvers.memory import MemoryUpstream

NUMBER = "9990000018"
WALK = """query($first: Int, $after: String, $sort: String) { patient(identifier: "9990000018") {
  observations(first: $first, after: $after, sort: $sort) {
    completeness sources { source status message } nodes { id } pageInfo { hasNextPage endCursor } } } }"""

WHEN = st.one_of(
    st.none(),
    st.sampled_from(["2019", "2019-05", "2019-05-03", "2019-05-03T10:00:00Z", "2021-01-01T00:00:00+01:00"]),
    st.dates().map(lambda day: day.isoformat()),
)


SORTS = [frozenset[str](), frozenset({"date"}), frozenset({"date", "_id"})]


async def walk(asker: Asker, first: int, sort: str | None = None) -> list[str]:
    seen: list[str] = []
    after = None
    for _ in range(500):
        data = await asker.data(WALK, first=first, after=after, sort=sort)
        page = data["patient"]["observations"]
        assert page["completeness"] == "COMPLETE", page["sources"]
        seen += [node["id"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            return seen
    raise AssertionError("the walk does not end")


def source(name: str, dates: list[str | None], **habits: Any) -> MemoryUpstream:
    rows = [observation(f"{name}{i}", "1", when) for i, when in enumerate(dates)]
    return MemoryUpstream(name, {"Patient": [patient("1", NUMBER)], "Observation": rows}, **habits)


def oracle(sources: list[MemoryUpstream], sort: str) -> list[str]:
    """All rows, sorted by date alone and then by source and id."""
    rows = [(one, rank, up.name) for rank, up in enumerate(sources) for one in up.resources["Observation"]]
    by_id = sorted(rows, key=lambda row: (row[1], row[0]["id"]))
    ranked = [
        {**one, "id": f"{index:05}", "real": f"{name}/Observation/{one['id']}"}
        for index, (one, _, name) in enumerate(by_id)
    ]
    return [str(one["real"]) for one in in_order(ranked, "Observation", sort)]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(WHEN, max_size=15),
    st.lists(WHEN, max_size=15),
    st.integers(1, 8),
    st.sampled_from(["-date", "date"]),
    st.sampled_from(SORTS),
    st.sampled_from(SORTS),
    st.integers(1, 6),
)
async def test_a_walk_equals_the_sorted_union(
    one: list[str | None],
    other: list[str | None],
    first: int,
    sort: str,
    one_sorts: frozenset[str],
    other_sorts: frozenset[str],
    page_size: int,
) -> None:
    sources = [
        source("a", one, sorts=one_sorts, page_size_max=page_size),
        source("b", other, sorts=other_sorts, page_size_max=page_size),
    ]
    assert await walk(Asker(*sources), first, sort) == oracle(sources, sort)


async def test_rows_of_several_partitions_come_once() -> None:
    both = [{"coding": [{"code": "x"}]}, {"coding": [{"code": "y"}]}]
    up = source("a", ["2020", "2021"], fan_out={"Observation": ("category", ("x", "y"))})
    for row in up.resources["Observation"]:
        row["category"] = both
    assert await walk(Asker(up), 1) == ["a/Observation/a1", "a/Observation/a0"]


async def test_a_source_that_only_says_it_sorts_is_found_out() -> None:
    up = source("a", ["2019", "2022", None, "2021"], sorts=frozenset({"date"}), lies_about_order=True)
    assert await walk(Asker(up), 10) == [f"a/Observation/a{i}" for i in (1, 3, 0, 2)]


async def test_a_source_that_fails_in_the_middle_is_partial_and_the_others_go_on() -> None:
    dates = [f"20{year:02}-01-01" for year in range(20)]
    a = source("a", dates, sorts=frozenset({"date"}), page_size_max=5)
    a.faults[2] = UpstreamTimeout("a", "too slow")
    b = source("b", dates, sorts=frozenset({"date"}))
    data = await Asker(a, b).data(WALK, first=40)
    page = data["patient"]["observations"]
    assert page["completeness"] == "PARTIAL"
    assert [(one["source"], one["status"]) for one in page["sources"]] == [("a", "PARTIAL"), ("b", "OK")]
    assert sum(node["id"].startswith("b/") for node in page["nodes"]) == 20


async def test_a_gap_is_an_error_where_completeness_is_not_selected() -> None:
    a, b = source("a", ["2020"]), source("b", ["2021"])
    b.down = UpstreamUnavailable("b", "down")
    text = '{ patient(identifier: "9990000018") { observations { nodes { id } } } }'
    result = await Asker(a, b).run(text)
    assert result.data is not None
    assert result.data["patient"]["observations"]["nodes"] == [{"id": "a/Observation/a0"}]
    assert codes(result.errors) == ["UPSTREAM_UNAVAILABLE"]
    assert result.errors[0].path == ["patient", "observations"]


async def test_a_cursor_is_refused_to_another_subject_and_for_another_list() -> None:
    up = source("a", ["2020", "2021"])
    data = await Asker(up).data(WALK, first=1)
    cursor = data["patient"]["observations"]["pageInfo"]["endCursor"]
    assert codes((await Asker(up, subject="other").run(WALK, first=1, after=cursor)).errors) == [
        "BAD_USER_INPUT"
    ]
    other_sort = await Asker(up).run(WALK, first=1, after=cursor, sort="date")
    assert codes(other_sort.errors) == ["BAD_USER_INPUT"]
    forged = await Asker(up).run(WALK, first=1, after="A" * 80)
    assert codes(forged.errors) == ["BAD_USER_INPUT"]


async def test_rows_about_somebody_else_are_left_out_and_told() -> None:
    up = source("a", ["2020"])
    up.resources["Observation"].append(observation("foreign", "2", "2022"))
    up._matching = lambda search: up.resources[search.type]  # type: ignore[method-assign]  # ignores `patient`
    data = await Asker(up).data(WALK, first=10)
    page = data["patient"]["observations"]
    assert [node["id"] for node in page["nodes"]] == ["a/Observation/a0"]
    assert page["sources"][0]["status"] == "PARTIAL"


async def test_what_was_entered_in_error_is_hidden_unless_asked_for() -> None:
    up = source("a", ["2020"])
    up.resources["Observation"].append(observation("wrong", "1", "2022", status="entered-in-error"))
    asker = Asker(up)
    text = '{ patient(id: "a/Patient/1") { observations%s { nodes { id } totalCount } } }'
    hidden = (await asker.data(text % ""))["patient"]["observations"]
    shown = (await asker.data(text % '(status: ["entered-in-error"])'))["patient"]["observations"]
    assert [node["id"] for node in hidden["nodes"]] == ["a/Observation/a0"]
    assert [node["id"] for node in shown["nodes"]] == ["a/Observation/wrong"]
    assert (hidden["totalCount"], shown["totalCount"]) == (1, 1)


async def test_a_count_alone_fetches_no_page() -> None:
    up = source("a", ["2020", "2021"])
    data = await Asker(up).data('{ patient(id: "a/Patient/1") { observations { totalCount } } }')
    assert data["patient"]["observations"] == {"totalCount": 2}
    assert {kind for kind, _ in up.calls} == {"read", "identify", "count"}


async def test_a_count_is_null_where_the_gateway_filters_or_a_source_is_missing() -> None:
    text = '{ patient(id: "a/Patient/1") { observations(date: {ge: "2020"}) { totalCount } } }'
    filtering = source("a", ["2020"], unsupported=frozenset({"date"}))
    assert (await Asker(filtering).data(text))["patient"]["observations"] == {"totalCount": None}
    a, b = source("a", ["2020"]), source("b", ["2020"])
    b.down = UpstreamUnavailable("b", "down")
    missing = await Asker(a, b).run(text)
    assert missing.data is not None
    assert missing.data["patient"]["observations"] == {"totalCount": None}
    assert codes(missing.errors) == ["UPSTREAM_UNAVAILABLE"]


async def test_what_a_source_cannot_filter_the_gateway_filters_where_that_is_exact() -> None:
    up = source("a", ["2020", "2021"], unsupported=frozenset({"date", "value-quantity"}))
    asker = Asker(up)
    text = '{ patient(id: "a/Patient/1") { observations(%s) { nodes { id } sources { status } } } }'
    exact = (await asker.data(text % 'date: {ge: "2021"}'))["patient"]["observations"]
    assert exact == {"nodes": [{"id": "a/Observation/a1"}], "sources": [{"status": "OK"}]}
    inexact = (await asker.data(text % "valueQuantity: {ge: 5}"))["patient"]["observations"]
    assert inexact == {"nodes": [], "sources": [{"status": "NOT_SUPPORTED"}]}


async def test_a_source_that_lists_for_one_patient_only_says_so_in_other_lists() -> None:
    up = source("a", ["2020"], needs_patient=True)
    asker = Asker(up)
    everything = (await asker.data("{ observations { nodes { id } sources { status } } }"))["observations"]
    assert everything == {"nodes": [], "sources": [{"status": "NOT_SUPPORTED"}]}
    text = '{ patient(id: "a/Patient/1") { observations { nodes { id } completeness } } }'
    own = (await asker.data(text))["patient"]["observations"]
    assert own == {"nodes": [{"id": "a/Observation/a0"}], "completeness": "COMPLETE"}


async def test_a_page_that_the_source_has_forgotten_is_walked_to_again() -> None:
    dates = [f"20{year:02}-01-01" for year in range(20)]
    up = source("a", dates, sorts=frozenset({"date", "_id"}), page_size_max=4)
    up.faults[2] = PageExpired("a", "expired")
    assert await walk(Asker(up), 7) == oracle([up], "-date")


async def test_a_row_that_was_not_asked_for_is_left_out_and_counts_are_not_believed() -> None:
    up = source("a", ["2021", "2021-02-03"])
    text = """{ patient(id: "a/Patient/1") { observations(date: {eq: "2021-02"}) {
      nodes { id } totalCount completeness } } }"""
    matching = up._matching
    up._matching = lambda search: matching(structs.replace(search, filters=()))  # type: ignore[method-assign]
    found = (await Asker(up).data(text))["patient"]["observations"]
    assert found == {"nodes": [{"id": "a/Observation/a1"}], "totalCount": None, "completeness": "COMPLETE"}


async def test_a_count_that_fails_is_null_and_an_error_only_where_nobody_asks_for_sources() -> None:
    up = source("a", ["2020"])

    async def count(searches: Any, call: Any) -> Any:
        return [UpstreamUnavailable("a", "down")] * len(searches)

    up.count = count  # type: ignore[method-assign]
    asker = Asker(up)
    text = '{ patient(id: "a/Patient/1") { observations { nodes { id } totalCount %s } } }'
    told = await asker.run(text % "completeness")
    assert (told.errors, told.data["patient"]["observations"]["totalCount"]) == ([], None)
    untold = await asker.run(text % "")
    assert codes(untold.errors) == ["UPSTREAM_UNAVAILABLE"]


BY_SUBJECT = """query($id: ID!) { observations(subject: [$id]) {
  completeness nodes { id } sources { source status } totalCount } }"""


async def test_a_filter_by_a_person_whose_lookup_fails_names_every_source_once() -> None:
    a, b = source("a", ["2020"]), source("b", ["2021"])

    async def read(reads: Sequence[Any], *_: Any) -> Any:
        return [UpstreamUnavailable("a", "down")] * len(reads)

    a.read = read  # type: ignore[method-assign]
    data = await Asker(a, b).data(BY_SUBJECT, id="a/Patient/1")
    assert [one["source"] for one in data["observations"]["sources"]] == ["a", "b"]
    assert data["observations"]["completeness"] == "PARTIAL"


async def test_a_filter_by_a_person_that_a_source_could_not_look_up_is_a_gap_of_that_source() -> None:
    a, b = source("a", ["2020"]), source("b", ["2021"])

    async def identify(identifiers: Sequence[Any], *_: Any) -> Any:
        return [UpstreamTimeout("b", "slow")] * len(identifiers)

    b.identify = identify  # type: ignore[method-assign]
    data = await Asker(a, b).data(BY_SUBJECT, id="a/Patient/1")
    assert [one["status"] for one in data["observations"]["sources"]] == ["OK", "TIMEOUT"]
    assert data["observations"]["completeness"] == "PARTIAL"


async def test_a_filter_by_a_contained_resource_matches_nothing() -> None:
    up = source("a", ["2020"])
    assert (await Asker(up).data(BY_SUBJECT, id="a/Patient/1#p"))["observations"]["nodes"] == []


async def test_a_next_link_that_leads_to_its_own_page_is_a_gap() -> None:
    up = source("a", ["2020", "2021", "2022"], page_size_max=1)
    page = up._page
    up._page = lambda search: structs.replace(page(search), next=search.page or "1")  # type: ignore[method-assign]
    data = await Asker(up).data(WALK, first=10)
    assert data["patient"]["observations"]["completeness"] == "PARTIAL"


async def test_two_places_that_use_one_id_are_a_gap_not_one_row() -> None:
    up = source("a", ["2020"])
    places = (Location("https://one.example"), Location("https://two.example"))
    identify, page = up.identify, up._page

    async def everywhere(*asked: Any) -> Any:
        found = await identify(*asked)
        return [
            tuple(structs.replace(one, location=at) for one in records for at in places) for records in found
        ]

    def at_its_place(search: Any) -> Any:
        found = page(search)
        return structs.replace(
            found, resources=tuple(structs.replace(one, location=search.location) for one in found.resources)
        )

    up.identify, up._page = everywhere, at_its_place  # type: ignore[method-assign]
    data = await Asker(up).data(WALK, first=10)
    observations = data["patient"]["observations"]
    assert [node["id"] for node in observations["nodes"]] == ["a/Observation/a0"]
    assert observations["completeness"] == "PARTIAL"


async def test_a_filter_by_a_person_is_asked_at_the_persons_own_place_only() -> None:
    here, there = Location("https://one.example/"), Location("https://two.example")
    up = source("a", ["2020"])
    up.location, up.locations = here, lambda: (here, there)  # type: ignore[method-assign]
    asked: list[Any] = []
    page = up._page

    def noted(search: Any) -> Any:
        asked.append((search.location, [one.values for one in search.filters]))
        return page(search)

    up._page = noted  # type: ignore[method-assign]
    data = await Asker(up).data(BY_SUBJECT, id=KEY.seal(NHS, NUMBER))
    assert [node["id"] for node in data["observations"]["nodes"]] == ["a/Observation/a0"]
    assert asked == [(here, [("Patient/1",)])]


async def test_a_cursor_stays_short_over_many_partitions_with_long_page_marks() -> None:
    kinds = tuple(f"c{i}" for i in range(30))
    up = source(
        "a",
        [f"20{j + 10}-01-{i % 28 + 1:02}" for i in range(30) for j in range(4)],
        sorts=frozenset({"date", "_id"}),
        page_size_max=1,
        fan_out={"Observation": ("category", kinds)},
    )
    for index, row in enumerate(up.resources["Observation"]):
        row["category"] = [{"coding": [{"code": kinds[index // 4]}]}]
    page = up._page

    def marked(search: Any) -> Any:
        found = page(structs.replace(search, page=search.page and search.page.lstrip("x")))
        return structs.replace(found, next=found.next and "x" * 60 + found.next)

    up._page = marked  # type: ignore[method-assign]
    assert sorted(await walk(Asker(up), 50)) == sorted(oracle([up], "-date"))


async def test_a_source_that_sorts_in_one_direction_only_is_read_lazily_in_that_one() -> None:
    held = [f"20{n:02}-01-01" for n in range(60)]
    for sort, pages in (("-date", 1), ("date", 12)):
        up = source("a", held, sorts=frozenset({"-date"}), page_size_max=5)
        data = await Asker(up).data(WALK, first=3, sort=sort)
        years = range(59, 56, -1) if sort == "-date" else range(3)
        assert [one["id"] for one in data["patient"]["observations"]["nodes"]] == [
            f"a/Observation/a{n}" for n in years
        ]
        asked = [one for kind, searches in up.calls if kind == "search" for one in searches]
        assert (len(asked), {one.sort for one in asked}) == (pages, {("-date",) if pages == 1 else ()})


async def test_undated_rows_that_a_source_puts_first_do_not_hide_the_newest() -> None:
    up = source("a", [None] * 30 + ["2020", "2021"], sorts=frozenset({"date", "_id"}), page_size_max=5)
    up.lies_about_order = True
    data = await Asker(up).data(WALK, first=20)
    page = data["patient"]["observations"]
    assert [node["id"] for node in page["nodes"]][:2] == ["a/Observation/a31", "a/Observation/a30"]
    assert page["completeness"] == "COMPLETE"
