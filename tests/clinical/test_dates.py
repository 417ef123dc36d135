"""Partial dates are intervals, and searches compare intervals (R4 search 3.1.1.4.7)."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical.dates import (
    EARLIEST,
    LATEST,
    DateInvalid,
    Interval,
    compare,
    interval,
    period_interval,
    recorded_interval,
)
from clinical.syntax import PREFIXES


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("2019", utc(2019, 1, 1), utc(2020, 1, 1)),
        ("2019-05", utc(2019, 5, 1), utc(2019, 6, 1)),
        ("2019-12", utc(2019, 12, 1), utc(2020, 1, 1)),
        ("2020-02-29", utc(2020, 2, 29), utc(2020, 3, 1)),
        ("2019-05-15T10:30", utc(2019, 5, 15, 10, 30), utc(2019, 5, 15, 10, 31)),
        ("2019-05-15T10:30:20", utc(2019, 5, 15, 10, 30, 20), utc(2019, 5, 15, 10, 30, 21)),
        ("2019-05-15T10:30+01:00", utc(2019, 5, 15, 9, 30), utc(2019, 5, 15, 9, 31)),
        ("2019-01-01T00:30:00+01:00", utc(2018, 12, 31, 23, 30), utc(2018, 12, 31, 23, 30, 1)),
        ("2019-12-31T23:30:00-05:00", utc(2020, 1, 1, 4, 30), utc(2020, 1, 1, 4, 30, 1)),
        (
            "2019-05-15T10:30:20.5Z",
            utc(2019, 5, 15, 10, 30, 20, 500000),
            utc(2019, 5, 15, 10, 30, 20, 600000),
        ),
        ("2016-12-31T23:59:60Z", utc(2017, 1, 1), utc(2017, 1, 1, 0, 0, 1)),
        ("9999", utc(9999, 1, 1), LATEST),
        ("9999-12", utc(9999, 12, 1), LATEST),
        ("9999-12-31", utc(9999, 12, 31), LATEST),
        ("0001-01-01T00:00:00+14:00", EARLIEST, EARLIEST + timedelta(seconds=1)),
    ],
)
def test_a_date_stands_for_all_the_time_it_may_mean(text: str, low: datetime, high: datetime) -> None:
    assert interval(text) == Interval(low, high)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "19",
        "0000",
        "2019-13",
        "2019-00",
        "2019-02-29",
        "2019-5",
        "2019-05-15 10:30",
        "2019-05-15T10",
        "2019-05-15T24:00:00Z",
        "2019-05-15T10:60",
        "2019-05-15T10:30:61Z",
        "2019-05-15T10:30:00+1",
        "2019-05-15T10:30:00+15:00",
        "20190515",
        "2019-W20",
        "٢٠١٩",
        "2019\n",
        " 2019",
        "about 2019",
    ],
)
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(DateInvalid):
        interval(text)


DAYS = st.dates().map(lambda day: day.isoformat())
TIMES = st.datetimes(timezones=st.just(UTC)).map(lambda time: time.isoformat().replace("+00:00", "Z"))
DATES = st.one_of(DAYS, TIMES, DAYS.map(lambda day: day[:7]), DAYS.map(lambda day: day[:4]))


@given(DATES)
def test_an_interval_has_a_length_and_is_utc(text: str) -> None:
    time = interval(text)
    assert time.low < time.high
    assert time.low.utcoffset() == time.high.utcoffset() == timedelta()


@given(TIMES)
def test_the_less_is_said_the_more_is_contained(text: str) -> None:
    whole = [interval(text[:length]) for length in (4, 7, 10, 16, 19)] + [interval(text)]
    assert all(outer.contains(inner) for outer, inner in itertools.pairwise(whole))


@given(TIMES, st.integers(-14 * 60, 14 * 60))
def test_the_zone_does_not_change_the_moment(text: str, minutes: int) -> None:
    time = interval(text)
    if EARLIEST + timedelta(days=1) < time.low < LATEST - timedelta(days=1):
        local = time.low + timedelta(minutes=minutes)
        zone = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
        assert interval(local.isoformat(timespec="microseconds")[:26] + zone).low == time.low


@given(DATES, DATES)
def test_prefixes_stand_to_each_other_as_their_words_do(recorded: str, asked: str) -> None:
    a, b = interval(recorded), interval(asked)
    holds = {prefix: compare(prefix, a, b) for prefix in PREFIXES}
    assert holds["ne"] is not holds["eq"]
    assert holds["ge"] == (holds["gt"] or holds["eq"])
    assert holds["le"] == (holds["lt"] or holds["eq"])
    assert not (holds["sa"] and holds["eb"])
    assert holds["gt"] or not holds["sa"]
    assert holds["lt"] or not holds["eb"]
    assert holds["eq"] or holds["gt"] or holds["lt"]
    assert a.overlaps(b) is not (holds["sa"] or holds["eb"])
    assert holds["ap"] or not a.overlaps(b)


@given(DATES)
def test_every_date_equals_itself(text: str) -> None:
    assert compare("eq", interval(text), interval(text))


def test_approximately_is_a_tenth_of_the_distance_from_now() -> None:
    now = utc(2022, 1, 1)
    assert compare("ap", interval("2010-06-01"), interval("2012-01-01"), now) is False
    assert compare("ap", interval("2011-06-01"), interval("2012-01-01"), now) is True
    assert compare("ap", interval("2012-12-01"), interval("2012-01-01"), now) is True
    assert compare("ap", interval("2033-06-01"), interval("2032-01-01"), now) is False
    assert compare("ap", interval("2032-06-01"), interval("2032-01-01"), now) is True


def test_an_unknown_prefix_is_refused() -> None:
    with pytest.raises(DateInvalid):
        compare("xx", interval("2019"), interval("2019"))


@pytest.mark.parametrize(
    ("period", "expected"),
    [
        ({"start": "2019", "end": "2020-02"}, Interval(utc(2019, 1, 1), utc(2020, 3, 1))),
        ({"start": "2019"}, Interval(utc(2019, 1, 1), LATEST)),
        ({"end": "2019"}, Interval(EARLIEST, utc(2020, 1, 1))),
        ({"start": "2020", "end": "2019"}, Interval(utc(2019, 1, 1), utc(2021, 1, 1))),
        ({"start": "2019", "end": None}, Interval(utc(2019, 1, 1), LATEST)),
    ],
)
def test_a_period_covers_its_boundaries(period: dict[str, Any], expected: Interval) -> None:
    assert period_interval(period) == expected


@pytest.mark.parametrize(
    "period", [{}, {"start": None}, {"start": 2019}, {"start": "2019", "end": "soon"}], ids=repr
)
def test_a_period_that_cannot_be_read_is_refused(period: dict[str, Any]) -> None:
    with pytest.raises(DateInvalid):
        period_interval(period)
    assert recorded_interval(period) is None


@pytest.mark.parametrize(
    "value",
    [
        None,
        2019,
        [],
        ["2019"],
        {"event": "soon"},
        {"event": [None]},
        {"repeat": {"boundsDuration": {}}},
        {"repeat": 1},
    ],
    ids=repr,
)
def test_a_time_that_cannot_be_read_is_none(value: object) -> None:
    assert recorded_interval(value) is None
