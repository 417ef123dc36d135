"""The short way to a page gives what the merge gives, or nothing."""

from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from clinical.dates import DateInvalid, interval
from resolvers.connection import Connection
from resolvers.context import RequestContext
from resolvers.listing import plan, take_short_way
from resolvers.merging import load_merged
from resolvers.outcome import SourceOutcome
from resolvers.plan import Asked
from resolvers.question import question_of
from resolvers.shape import shape_of
from resolvers.straight import come_one_by_one, takes_short_way
from resolvers.upstreams.errors import UpstreamTimeout
from resolvers.upstreams.upstream import Filter, Partition
from tests.resolvers.asking import patient
from tests.resolvers.searchsets import NUMBER, SearchsetUpstream, context_of, federation

Json = dict[str, Any]
SORTS = frozenset({"date", "recorded-date", "_id"})
TYPES = ("Observation", "Encounter", "Condition", "Procedure", "Questionnaire", "Appointment")
ELEMENTS = {
    "Observation": (
        "effectiveDateTime",
        "effectivePeriod",
        "effectiveInstant",
        "effectiveTiming",
        "effective",
    ),
    "Encounter": ("period",),
    "Condition": ("recordedDate", "recordedDateTime", "recordedDatePeriod"),
    "Procedure": ("performedDateTime", "performedPeriod", "performedString", "performedAge"),
}
EQUAL = ("2020-05-03T10:00:00Z", "2020-05-03T12:00:00+02:00", "2020-05-03T10:00:00.000Z", "2020-05-03T10:00")
DATES = (*EQUAL, "2020-05-03T10:00:00.5-01:00", "2020-05-03", "2020-05", "2020", "2019-12-31T23:59:60Z")
ODD_DATES = (
    "",
    "soon",
    "2020-13",
    "2020-02-30T10:00:00Z",
    "2020-05-03T10:00:00+01",
    "2020-05-03T10:00:00+0100",
    "2020-05-03T10:00:00+15:00",
    "2020-05-03T100000.000000Z",
    "2020-05-03T10:00:00,5Z",
    "2020-05-03T24:00:00Z",
    "2020-05-03 10:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-12:00",
)


def row(type_: str, id_: Any, patient_id: str = "1", **more: Any) -> Json:
    return {"resourceType": type_, "id": id_, "subject": {"reference": f"Patient/{patient_id}"}, **more}


def dated(type_: str, id_: str, when: str | None) -> Json:
    """A row with a date as its type has it in the first place."""
    element = ELEMENTS[type_][0]
    return row(type_, id_) | (
        {} if when is None else {element: {"start": when} if element == "period" else when}
    )


def observations(*dates: str | None) -> list[Json]:
    return [dated("Observation", str(index), when) for index, when in enumerate(dates)]


def source(name: str, type_: str, rows: list[Json], **habits: Any) -> SearchsetUpstream:
    held = {"Patient": [patient("1", NUMBER), patient("2")], type_: rows}
    return SearchsetUpstream(name, held, sorts=habits.pop("sorts", SORTS), **habits)


async def connection_of(
    context: RequestContext, type_: str, arguments: Json, about: str | None
) -> Connection:
    person = None if about is None else await context.identity.of_id(f"a/Patient/{about}")
    (made,) = await plan(context, [Asked(question_of(type_, arguments), person)])
    return made


async def short(sources: Sequence[SearchsetUpstream], type_: str, arguments: Json, about: str | None) -> Any:
    """The page by the short way, None where there is none."""
    context = context_of(federation(sources, TYPES))
    context.shapes = {type_: shape_of(type_, ())}
    try:
        connection = await connection_of(context, type_, arguments, about)
        if takes_short_way(connection.plans):
            await take_short_way([connection])
        if connection.straight is None:
            return None
        given = zip(connection.straight.rows, connection.straight.pages, strict=True)
        return told(connection, [(page.source, row.id_) for row, page in given])
    finally:
        context.close()


async def long(sources: Sequence[SearchsetUpstream], type_: str, arguments: Json, about: str | None) -> Any:
    """The page by the merge."""
    context = context_of(federation(sources, TYPES))
    try:
        connection = await connection_of(context, type_, arguments, about)
        await load_merged(connection)
        return told(connection, [(node.resource.source, node.resource.id) for node in connection.nodes])
    finally:
        context.close()


def told(connection: Connection, rows: list[tuple[str, str]]) -> tuple[Any, ...]:
    cursors = (connection.cursor(0), connection.cursor(-1))
    return rows, connection.has_next, cursors, list(map(_told, connection.outcomes))


def _told(one: SourceOutcome) -> tuple[Any, ...]:
    return one.source, one.status, one.message, one.code  # an empty page has no time on the long way


async def ids(
    *sources: SearchsetUpstream, type_: str = "Observation", about: str | None = "1", **arguments: Any
) -> Any:
    """Ids by the short way, which must be those of the merge; None where the merge is needed."""
    asked = {"first": 3, **arguments}
    found = await short(sources, type_, asked, about)
    assert found is None or found == await long(sources, type_, asked, about)
    return None if found is None else [id_ for _, id_ in found[0]]


text = st.one_of(st.sampled_from(DATES), st.sampled_from(DATES), st.sampled_from(DATES + ODD_DATES))
period = st.fixed_dictionaries({}, optional={"start": text, "end": st.one_of(st.none(), text)})


@st.composite
def when(draw: Any, type_: str) -> Json:
    """How a row says its date: mostly as it should, at times in two ways, or in a way of its own."""
    names = ELEMENTS[type_]
    chosen = [names[0]] if draw(st.integers(0, 3)) else draw(st.lists(st.sampled_from(names), max_size=2))
    return {
        one: draw(period if one.lower().endswith(("period", "timing", "age")) else text) for one in chosen
    }


@st.composite
def rows(draw: Any, type_: str) -> list[Json]:
    made = []
    for id_ in draw(
        st.lists(st.sampled_from("0123456789abcdef"), max_size=8, unique=draw(st.integers(0, 5)) > 0)
    ):
        one = row(type_, id_, **draw(when(type_)))
        oddity = draw(st.integers(0, 60))
        if oddity == 0:
            one["status"] = "entered-in-error"
        elif oddity == 1:
            one["subject"] = {
                "reference": draw(st.sampled_from(["Patient/2", "https://a.example/fhir/Patient/1"]))
            }
        elif oddity == 2:
            del one[draw(st.sampled_from(["subject", "id"]))]
        made.append(one)
    return made


@st.composite
def sources(draw: Any, type_: str) -> list[SearchsetUpstream]:
    habits = st.fixed_dictionaries(
        {
            "page_size_max": st.integers(1, 9),
            "surplus": st.sampled_from([0, 0, 0, 1, 3, -1]),
            "lies_about_order": st.sampled_from([False, False, False, True]),
            "sends_strays": st.sampled_from([False, False, True]),
        }
    )
    count = draw(st.integers(1, 4))
    return [source(name, type_, draw(rows(type_)), **draw(habits)) for name in "abcd"[:count]]


@settings(max_examples=400)
@given(st.data(), st.sampled_from(sorted(ELEMENTS)), st.integers(0, 9), st.sampled_from(["1", None]))
async def test_the_short_way_gives_what_the_merge_gives(
    data: st.DataObject, type_: str, first: int, about: str | None
) -> None:
    drawn = data.draw(sources(type_))
    found = await short(drawn, type_, {"first": first}, about)
    assert found is None or found == await long(drawn, type_, {"first": first}, about)


@settings(max_examples=150)
@given(st.data(), st.sampled_from(sorted(ELEMENTS)))
async def test_rows_in_order_always_go_the_short_way(data: st.DataObject, type_: str) -> None:
    counts = data.draw(st.lists(st.integers(0, 5), min_size=1, max_size=4))
    dates = st.sampled_from(DATES)
    drawn = [
        source(name, type_, [dated(type_, str(index), data.draw(dates)) for index in range(count)])
        for name, count in zip("abcd", counts, strict=False)
    ]
    first = data.draw(
        st.integers(5, 30)
    )  # all of every source: equal rows at a page's end are another matter
    assert await ids(*drawn, type_=type_, first=first) is not None


@given(st.one_of(text, st.text("0123456789-:T.Z+ \n", min_size=17, max_size=26)))
async def test_a_date_begins_when_the_merge_thinks_it_does(when: str) -> None:
    """Beside a row of the same moment the order tells: equal rows go by id."""
    try:
        moment = interval(when).low
    except DateInvalid:
        assert await ids(source("a", "Observation", observations(when))) is None
        return
    beside = dated("Observation", "9", moment.isoformat())
    assert await ids(source("a", "Observation", [*observations(when), beside])) is not None


async def test_rows_of_many_sources_come_newest_first_equal_ones_by_source_and_id() -> None:
    one = source(
        "a", "Observation", [dated("Observation", id_, at) for id_, at in (("5", EQUAL[0]), ("7", "2019"))]
    )
    other = source(
        "b", "Observation", [dated("Observation", id_, at) for id_, at in (("1", EQUAL[1]), ("2", "2021"))]
    )
    assert await ids(one, other, first=9) == ["2", "5", "1", "7"]


async def test_a_source_without_rows_is_no_hindrance() -> None:
    full, empty = source("a", "Observation", observations("2021", "2020")), source("b", "Observation", [])
    assert await ids(full, empty) == ["0", "1"]
    assert await ids(source("a", "Observation", [])) == []


async def test_a_page_that_may_be_followed_by_rows_that_belong_here_is_not_enough() -> None:
    many = source("a", "Observation", observations("2021", "2020", "2019", "2018"), page_size_max=2)
    assert await ids(many, first=1) == ["0"]
    assert await ids(many, first=2) is None
    old = source("b", "Observation", observations("2001", "2000"))
    assert await ids(many, old, first=1) == ["0"]
    assert await ids(many, old, first=2) is None
    new = source("b", "Observation", observations("2023", "2022"))
    assert await ids(many, new, first=2) == ["0", "1"]
    assert await ids(many, new, first=3) == ["0", "1", "0"]
    assert await ids(many, new, first=4) is None


async def test_a_row_as_old_as_the_last_of_an_unfinished_page_may_have_others_before_it() -> None:
    equal = source("a", "Observation", observations("2021", "2021", "2021"), page_size_max=2)
    assert await ids(equal, source("b", "Observation", observations("2021", "2020")), first=3) is None


async def test_no_rows_are_asked_for_where_only_the_next_matters() -> None:
    assert await ids(source("a", "Observation", observations("2021")), first=0) == []
    many = source("a", "Observation", observations("2021", "2020"), page_size_max=1)
    assert await ids(many, first=0) == []
    assert await ids(many, source("b", "Observation", []), first=0) is None


async def test_rows_out_of_order_go_the_long_way() -> None:
    for dates in (("2020", "2021"), ("2021", "2020", "2020-06")):
        lying = source("a", "Observation", observations(*dates), lies_about_order=True)
        assert await ids(lying) is None
        assert await ids(lying, source("b", "Observation", [])) is None
    by_id = [dated("Observation", id_, "2020") for id_ in "21"]
    assert await ids(source("a", "Observation", by_id, lies_about_order=True)) is None


async def test_undated_rows_go_the_long_way() -> None:
    for when in (None, *ODD_DATES[:10]):
        assert await ids(source("a", "Observation", observations("2020", when))) is None


async def test_a_period_counts_from_its_start() -> None:
    for more in ({}, {"end": None}, {"end": "2020"}, {"end": "2020-05-03"}, {"end": "2021"}):
        period = {"start": "2020-01", **more}
        assert await ids(source("a", "Encounter", [row("Encounter", "1", period=period)]), type_="Encounter")


async def test_a_period_that_ends_before_it_starts_or_never_readably_goes_the_long_way() -> None:
    for end in ("2019", "2020-05-02T23:59:59Z", "soon", ""):
        period = {"start": "2020-05-03", "end": end}
        assert (
            await ids(source("a", "Encounter", [row("Encounter", "1", period=period)]), type_="Encounter")
            is None
        )


async def test_a_cursor_after_a_period_is_that_of_the_merge() -> None:
    held = [
        row("Observation", str(n), effectivePeriod={"start": f"202{5 - n}", "end": "2030"}) for n in range(4)
    ]
    assert await ids(source("a", "Observation", held)) == ["0", "1", "2"]


async def test_a_period_beside_another_date_goes_the_long_way() -> None:
    period, timing = {"start": "2020"}, {"event": ["2021"]}
    for more in ({"effectiveInstant": "2021-01-01T00:00:00Z"}, {"effectiveTiming": timing}):
        one = row("Observation", "1", effectivePeriod=period, **more)
        assert await ids(source("a", "Observation", [one])) is None
    both = row("Observation", "1", effectivePeriod=period, effectiveDateTime="2021")
    assert await ids(source("a", "Observation", [both])) == ["1"]


async def test_only_a_choice_may_say_its_date_in_another_way() -> None:
    for name, value in (("recordedDatePeriod", {"start": "2020"}), ("recordedDateDateTime", "2020")):
        assert (
            await ids(source("a", "Condition", [row("Condition", "1", **{name: value})]), type_="Condition")
            is None
        )


async def test_rows_about_somebody_else_go_the_long_way() -> None:
    strays = [row("Observation", "1", "2", effectiveDateTime="2020")]
    assert await ids(source("a", "Observation", strays, sends_strays=True)) is None
    assert await ids(source("a", "Observation", strays), about=None) == ["1"]


async def test_rows_entered_in_error_go_the_long_way() -> None:
    coded = {"coding": [None, {}, {"code": "entered-in-error"}]}
    for type_, date, status in (
        ("Observation", "effectiveDateTime", {"status": "entered-in-error"}),
        ("Goal", "startDate", {"lifecycleStatus": "entered-in-error"}),
        ("Condition", "recordedDate", {"verificationStatus": coded}),
        ("Observation", "effectiveDateTime", {"verificationStatus": coded}),
    ):
        rows = [row(type_, "1", **{date: "2020"}, **status)]
        assert await ids(source("a", type_, rows), type_=type_) is None
    confirmed = {"coding": [None, {}, {"code": "confirmed"}]}
    good = row("Condition", "1", recordedDate="2020", verificationStatus=confirmed)
    assert await ids(source("a", "Condition", [good]), type_="Condition") == ["1"]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["2020-02-29", "2021-02-28", "2021-02-29", "2021-03-01", "0999-01-01"]),
            st.sampled_from(["T10:00:00", "T09:59:59", "T24:00:00", "T10:00:00.5", " 10:00:00", "t10:00:01"]),
            st.sampled_from(["Z", "Z", "z", "", "+01:00", "-02:00"]),
        ).map("".join),
        max_size=4,
    )
)
def test_dates_that_come_one_by_one_do_so_by_their_texts(texts: list[str]) -> None:
    # Sorted, so that all who come so are found.
    for said in (texts, sorted(texts, reverse=True)):
        if not come_one_by_one(said, ()):
            continue
        moments = [interval(one).low for one in said]
        assert moments == sorted(moments, reverse=True)
        assert len(set(moments)) == len(moments)


async def test_a_period_that_ends_before_it_begins_goes_the_long_way() -> None:
    def visit(id_: str, start: str, end: str | None) -> Any:
        return row("Encounter", id_, period={"start": start, **({"end": end} if end else {})})

    late, early = "2020-05-03T10:00:00Z", "2020-05-03T09:00:00Z"
    good = [visit("1", late, late), visit("2", early, None)]
    assert await ids(source("a", "Encounter", good), type_="Encounter") == ["1", "2"]
    for end in (early, "2020-05-03T11:00:00+02:00", "2020-02-30T10:00:00Z"):
        odd = [visit("1", late, end), visit("2", "2019", None)]
        assert await ids(source("a", "Encounter", odd), type_="Encounter") is None


async def test_whose_a_row_is_must_be_seen() -> None:
    """An Appointment says it among its participants: rows about anybody would pass."""
    participants = [{"actor": {"reference": "Patient/2"}}]
    strays = [row("Appointment", "1", start="2020-05-03T10:00:00Z", participant=participants)]
    assert await ids(source("a", "Appointment", strays, sends_strays=True), type_="Appointment") is None


async def test_a_list_without_a_date_goes_the_long_way() -> None:
    assert (
        await ids(
            source("a", "Medication", [{"resourceType": "Medication", "id": "1"}]),
            type_="Medication",
            about=None,
        )
        is None
    )


async def test_a_source_that_does_not_sort_in_full_goes_the_long_way() -> None:
    for sorts in (frozenset[str](), frozenset({"date"}), frozenset({"_id"})):
        assert await ids(source("a", "Observation", observations("2020"), sorts=sorts)) is None


async def test_a_source_asked_by_parts_goes_the_long_way() -> None:
    parts = {"Observation": ("category", ("x", "y"))}
    assert await ids(source("a", "Observation", observations("2020"), fan_out=parts)) is None


async def test_a_source_that_fails_goes_the_long_way() -> None:
    fault = {1: UpstreamTimeout("b", "too slow")}
    good, failing = observations("2020"), observations("2021")
    assert await ids(source("b", "Observation", failing, faults=fault), about=None) is None
    b = source("b", "Observation", failing, faults=fault)
    assert await ids(source("a", "Observation", good), b) is None


async def test_a_page_without_rows_that_others_follow_goes_the_long_way() -> None:
    empty = source("b", "Observation", observations("2021"), opens_empty=True)
    assert await ids(empty, about=None) is None
    for first in (0, 1, 3):
        assert await ids(source("a", "Observation", observations("2020", "2019")), empty, first=first) is None


async def test_only_the_newest_are_listed_the_short_way_from_the_start() -> None:
    held = [source("a", "Observation", observations("2020"))]
    assert await ids(*held) == ["0"]
    for sort in ("date", "_id", "status", "-date,status"):
        assert await ids(*held, sort=sort) is None
    context = context_of(federation(held, TYPES))
    context.shapes = {"Observation": shape_of("Observation", ())}
    for after, is_short in ((None, True), ("a cursor", False)):
        made = await connection_of(context, "Observation", {"after": after}, "1")
        assert takes_short_way(made.plans) == is_short
    context.close()


async def test_rows_that_are_to_be_tested_here_go_the_long_way() -> None:
    """What a source cannot filter is left to the gateway; what it says it filters is looked at."""
    rows = [row("Observation", "1", effectiveDateTime="2020", status="final")]
    asked = {"status": ["amended"]}
    unable = source("a", "Observation", rows, unsupported=frozenset({"status"}))
    assert await ids(unable, **asked) is None
    assert await ids(source("a", "Observation", rows, sends_strays=True), **asked) is None


class ByParts(SearchsetUpstream):
    """Can only be asked by parts, which may not be all."""

    def partition(self, resource_type: str, filters: Sequence[Filter]) -> Partition:
        return Partition(exhaustive=False)


async def test_a_source_that_may_hold_more_than_it_can_be_asked_for_goes_the_long_way() -> None:
    held = {"Patient": [patient("1", NUMBER)], "Observation": observations("2020")}
    assert await ids(ByParts("a", held, sorts=SORTS)) is None
