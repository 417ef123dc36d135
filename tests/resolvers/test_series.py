"""Series of Observations equal a plain calculation over all rows; a part is never told as the whole."""

from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinical.codec import decode_json, encode_json
from resolvers import series
from resolvers.upstreams.errors import UpstreamTimeout
from tests.resolvers.asking import Asker, codes, observation, patient
from tests.resolvers.memory import MemoryUpstream

NHS_NUMBER = "9990000018"
STATS = """query($bucket: ObservationBucketSize, $zone: String, $code: [String!]!, $date: DateRange) {
  patient(id: "a/Patient/1") { observationStats(code: $code, bucket: $bucket, timeZone: $zone, date: $date) {
    groups { unit code system count min max mean unplaced buckets { start count min max mean } }
    texts bounded withoutValue leftOut completeness sources { source status message } } } }"""
LATEST = """{ patient(id: "a/Patient/1") { latestObservation(code: ["29463-7"]) {
  completeness observation { fhir: origin { name fhirId } valueQuantity { value } } } } }"""


def weight(id_: str, who: str, when: str | None, value: str = "70", unit: str = "kg", **more: Any) -> Any:
    amount = {"value": Decimal(value), "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}
    return decode_json(encode_json(observation(id_, who, when, **{"valueQuantity": amount, **more})))


def asker(a: list[Any], b: list[Any], **scopes: Any) -> Asker:
    return Asker(
        MemoryUpstream("a", {"Patient": [patient("1", NHS_NUMBER)], "Observation": a}),
        MemoryUpstream("b", {"Patient": [patient("9", NHS_NUMBER)], "Observation": b}),
        **scopes,
    )


async def stats(one: Asker, **variables: Any) -> Any:
    data = await one.data(STATS, **{"code": ["29463-7"], **variables})
    return decode_json(encode_json(data))["patient"]["observationStats"]


def text(value: Any) -> str:
    return encode_json(value).decode()


async def test_values_are_added_up_by_unit_over_all_sources() -> None:
    a = [weight("1", "1", "2024-01-01", "70.5"), weight("2", "1", "2024-01-02", "71"), weight("3", "1", None)]
    b = [weight("1", "9", "2024-01-03", "155.43", "[lb_av]"), weight("2", "9", "2024-02-03", "69.25")]
    found = await stats(asker(a, b), bucket="MONTH")
    kilograms, pounds = found["groups"]
    assert (kilograms["unit"], kilograms["count"], kilograms["unplaced"]) == ("kg", 4, 1)
    assert [text(kilograms[one]) for one in ("min", "max", "mean")] == ["69.25", "71", "70.1875"]
    assert [(one["start"], one["count"]) for one in kilograms["buckets"]] == [
        ("2024-01-01", 2),
        ("2024-02-01", 1),
    ]
    assert (pounds["code"], pounds["count"], text(pounds["mean"])) == ("[lb_av]", 1, "155.4300")
    assert found["completeness"] == "COMPLETE"


async def test_what_is_no_plain_number_is_counted_apart() -> None:
    rows = [
        weight("1", "1", "2024-01-01", comparator=None),
        weight("2", "1", "2024-01-02", valueQuantity={"value": 3, "comparator": "<", "unit": "kg"}),
        weight("3", "1", "2024-01-03", valueQuantity=None, valueString="heavy"),
        weight("4", "1", "2024-01-04", valueQuantity=None),
        weight("5", "1", "2024-01-05", status="cancelled"),
        weight("6", "1", "2024-01-06", status="entered-in-error"),
        weight("7", "1", "2024-01-07", modifierExtension=[{"url": "u", "valueBoolean": True}]),
        weight("8", "1", "2024-01-08", "1E60"),
        weight("9", "1", "2024-01-09", code={"coding": [{"code": "other"}]}),
    ]
    found = await stats(asker([{k: v for k, v in one.items() if v is not None} for one in rows], []))
    assert [one["count"] for one in found["groups"]] == [1]
    told = {name: found[name] for name in ("texts", "bounded", "withoutValue", "leftOut")}
    assert told == {"texts": 1, "bounded": 1, "withoutValue": 1, "leftOut": 3}


async def test_days_begin_in_the_zone_that_is_asked_for_and_partial_dates_stay_partial() -> None:
    rows = [weight("1", "1", "2024-06-30T23:30:00Z"), weight("2", "1", "2024-07"), weight("3", "1", "2024")]
    one = asker(rows, [])
    utc = (await stats(one, bucket="DAY"))["groups"][0]
    assert [bucket["start"] for bucket in utc["buckets"]] == ["2024-06-30"]
    assert utc["unplaced"] == 2
    london = (await stats(one, bucket="MONTH", zone="Europe/London"))["groups"][0]
    assert [(b["start"], b["count"]) for b in london["buckets"]] == [("2024-07-01", 2)]
    weeks = (await stats(one, bucket="WEEK"))["groups"][0]
    assert [b["start"] for b in weeks["buckets"]] == ["2024-06-24"]


@pytest.mark.parametrize("zone", ["nowhere", "../../etc/passwd", "Europe", "", "x" * 100, "\0"])
async def test_a_zone_that_is_none_is_refused(zone: str) -> None:
    result = await asker([], []).run(STATS, code=["29463-7"], zone=zone)
    assert codes(result.errors) == ["BAD_USER_INPUT"]


async def test_a_source_that_fails_makes_the_numbers_partial() -> None:
    one = asker([weight("1", "1", "2024-01-01")], [])
    second = one.federation.upstreams["b"]
    assert isinstance(second, MemoryUpstream)
    second.down = UpstreamTimeout("b", "too slow")
    found = await stats(one)
    assert found["completeness"] == "PARTIAL"
    assert [row["status"] for row in found["sources"]] == ["OK", "TIMEOUT"]
    untold = '{ patient(id: "a/Patient/1") { observationStats(code: ["29463-7"]) { texts } } }'
    assert "UPSTREAM_TIMEOUT" in codes((await one.run(untold)).errors)


async def test_more_rows_than_are_walked_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series, "ROWS_MAX", 200)
    start = date(2020, 1, 1)
    rows = [weight(f"{n:03}", "1", (start + timedelta(n)).isoformat()) for n in range(250)]
    found = await stats(asker(rows, []))
    assert (found["groups"][0]["count"], found["completeness"]) == (200, "PARTIAL")


async def test_a_walk_keeps_no_pages() -> None:
    start = date(2010, 1, 1)
    rows = [weight(f"{n:04}", "1", (start + timedelta(n)).isoformat()) for n in range(900)]
    one = asker(rows, [])
    assert (await stats(one))["groups"][0]["count"] == 900
    assert one.context is not None
    kept = [key for loader in one.context.loaders._made.values() for key in loader._known]
    assert [key for key in kept if getattr(key, "type", "") == "Observation"] == []


async def test_too_many_buckets_are_refused() -> None:
    start = date(2010, 1, 1)
    rows = [weight(f"{n:04}", "1", (start + timedelta(n)).isoformat()) for n in range(1001)]
    result = await asker(rows, []).run(STATS, code=["29463-7"], bucket="DAY")
    assert codes(result.errors) == ["BAD_USER_INPUT"]


async def test_the_latest_is_the_newest_dated_one_with_a_result() -> None:
    a = [weight("1", "1", "2024-01-01"), weight("2", "1", "2024-03-01", status="cancelled")]
    b = [weight("1", "9", "2024-02-01", "71"), weight("2", "9", None)]
    data = decode_json(encode_json(await asker(a, b).data(LATEST)))["patient"]["latestObservation"]
    assert data["observation"]["fhir"] == {"name": "b", "fhirId": "1"}
    assert data["completeness"] == "COMPLETE"
    undated = await asker([weight("1", "1", None)], []).data(LATEST)
    assert undated["patient"]["latestObservation"]["observation"] is None


async def test_series_need_the_scope_that_lists_observations() -> None:
    one = asker([weight("1", "1", "2024-01-01")], [], scopes="system/Patient.rs system/Observation.r")
    result = await one.run(STATS, code=["29463-7"])
    assert result.data["patient"]["observationStats"] is None
    assert codes(result.errors) == ["UNAUTHORIZED_FIELD_OR_TYPE"]
    narrowed = asker(
        [weight("1", "1", "2024-01-01")], [], scopes="system/Patient.rs system/Observation.rs?category=x"
    )
    assert (await stats(narrowed))["groups"] == []


VALUES = st.tuples(
    st.decimals("-100", "1000", places=2),
    st.dates(date(2020, 1, 1), date(2021, 12, 31)),
    st.sampled_from(["kg", "g"]),
    st.booleans(),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(VALUES, max_size=30))
async def test_stats_equal_a_plain_calculation(values: list[tuple[Decimal, date, str, bool]]) -> None:
    rows = [
        weight(f"{n}", "1" if is_first else "9", day.isoformat(), str(value), unit)
        for n, (value, day, unit, is_first) in enumerate(values)
    ]
    split = [
        [row for row, one in zip(rows, values, strict=True) if one[3] is first] for first in (True, False)
    ]
    found = await stats(asker(*split), bucket="MONTH")
    oracle: dict[str, list[tuple[Decimal, date]]] = defaultdict(list)
    for value, day, unit, _ in values:
        oracle[unit].append((value, day))
    assert {one["unit"]: one["count"] for one in found["groups"]} == {k: len(v) for k, v in oracle.items()}
    for group in found["groups"]:
        numbers = [value for value, _ in oracle[group["unit"]]]
        assert Decimal(text(group["min"])) == min(numbers)
        assert Decimal(text(group["max"])) == max(numbers)
        mean = Decimal(text(group["mean"]))
        assert abs(Fraction(mean) - Fraction(sum(numbers)) / len(numbers)) <= Fraction(1, 20_000)
        months = {day.replace(day=1).isoformat() for _, day in oracle[group["unit"]]}
        assert [one["start"] for one in group["buckets"]] == sorted(months)
