"""A laboratory's results as FHIR: values as recorded, nothing dropped, nobody else's, gaps told."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from fhir.resources.R4B.diagnosticreport import DiagnosticReport
from fhir.resources.R4B.observation import Observation
from hypothesis import given
from hypothesis import strategies as st

from clinical.codec import decode_json, digits, encode_json
from resolvers.resource import Location
from resolvers.upstreams.errors import UpstreamError, UpstreamInvalidResponse, UpstreamThrottled
from resolvers.upstreams.laboratory_mapping import MappedResults
from resolvers.upstreams.laboratory_orders import OrderLedger, read_orders
from resolvers.upstreams.laboratory_values import interpretation_of, range_of, value_of
from resolvers.upstreams.registry import UpstreamInvalid
from resolvers.upstreams.upstream import Page, Search, Upstream
from sandbox.laboratory.app import KEY, KEY_HEADER
from tests.resolvers.upstreams import simulated
from tests.resolvers.upstreams.simulated import USERS, Switch, source_over
from tests.resolvers.upstreams.sources import call

ORDER, USER = "11111111-aaaa", "u-1"
ZONE = ZoneInfo("Europe/London")
Json = dict[str, Any]

WORDS = st.text(max_size=12)
VALUES = st.one_of(
    st.none(), WORDS, st.integers(-(10**12), 10**12), st.decimals(-1000, 1000, places=3), st.booleans()
)
MARKERS = st.fixed_dictionaries(
    {},
    optional={
        "id": st.one_of(st.integers(0, 5), WORDS, st.none()),
        "name": st.one_of(WORDS, st.none()),
        "value": VALUES,
        "unit": st.sampled_from(["mg/dL", "odd unit", "", None, 7]),
        "loinc_code": st.sampled_from(["4548-4", "none", "", None, 5]),
        "reference_range": st.one_of(
            st.none(),
            WORDS,
            st.fixed_dictionaries(
                {}, optional={"min": VALUES, "max": VALUES, "text": st.one_of(st.none(), WORDS)}
            ),
        ),
        "interpretation": st.sampled_from(["normal", "HIGH", "odd", None, ""]),
        "type": st.one_of(WORDS, st.none()),
        "notes": st.one_of(WORDS, st.none()),
    },
)


def result(*markers: Any, **more: Any) -> Json:
    body = {
        "order_id": ORDER,
        "user_id": USER,
        "reported_at": "2026-01-02T10:00:00Z",
        "markers": list(markers),
    }
    return decode_json(encode_json({**body, **more}))


def mapped(body: Json) -> MappedResults:
    found = MappedResults("https://lab.example", ZONE)
    found.add(ORDER, USER, body)
    return found


@given(st.lists(st.one_of(MARKERS, st.none(), WORDS), max_size=6))
def test_every_marker_becomes_a_valid_observation_or_is_told(markers: list[Any]) -> None:
    found = mapped(result(*markers))
    observations = [row for (kind, _), row in found.rows.items() if kind == "Observation"]
    assert len(observations) == sum(isinstance(one, dict) for one in markers)
    assert found.dropped["markers that cannot be read"] == len(markers) - len(observations)
    for row in observations:
        Observation.model_validate_json(encode_json(row))
        assert len(row["id"]) <= 64
    report = found.rows["DiagnosticReport", ORDER]
    DiagnosticReport.model_validate_json(encode_json(report))
    assert len(report.get("result", ())) == len(observations)


@given(st.decimals(-(10**6), 10**6, allow_nan=False, places=4))
def test_a_number_keeps_its_digits_as_number_and_as_text(value: Decimal) -> None:
    as_json = decode_json(encode_json(value))
    assert digits(value_of({"value": as_json})["valueQuantity"]["value"]) == str(value)
    assert digits(value_of({"value": str(value)})["valueQuantity"]["value"]) == str(value)


@pytest.mark.parametrize(
    ("value", "element", "expected"),
    [
        ("<0.50", "valueQuantity", {"value": msgspec.Raw(b"0.50"), "comparator": "<"}),
        (">= 90", "valueQuantity", {"value": 90, "comparator": ">="}),
        ("5.10", "valueQuantity", {"value": msgspec.Raw(b"5.10")}),
        ("Negative", "valueString", "Negative"),
        ("< detection", "valueString", "< detection"),
        ("1e5", "valueString", "1e5"),
        ("007", "valueString", "007"),
        (True, "valueString", "true"),
    ],
)
def test_odd_values_are_kept(value: Any, element: str, expected: Any) -> None:
    assert value_of({"value": value}) == {element: expected}


@pytest.mark.parametrize("value", [None, "", "  "])
def test_no_value_is_said_to_be_none(value: Any) -> None:
    assert list(value_of({"value": value})) == ["dataAbsentReason"]


def test_ranges_may_be_open_at_one_side() -> None:
    assert range_of({"unit": "%", "reference_range": {"min": None, "max": 5}}) == {
        "referenceRange": [
            {"high": {"value": 5, "unit": "%", "system": "http://unitsofmeasure.org", "code": "%"}}
        ]
    }
    assert range_of({"reference_range": {"min": "negative", "max": None}}) == {
        "referenceRange": [{"text": "negative"}]
    }
    assert range_of({"reference_range": {}}) == range_of({}) == {}


def test_words_that_no_table_knows_are_kept_as_text() -> None:
    assert interpretation_of({"interpretation": "borderline"}) == {"interpretation": [{"text": "borderline"}]}
    high = interpretation_of({"interpretation": "High"})["interpretation"][0]
    assert (high["text"], high["coding"][0]["code"]) == ("High", "H")
    assert value_of({"value": 1, "unit": "odd"}) == {"valueQuantity": {"value": 1, "unit": "odd"}}


def test_times_without_a_zone_are_the_sources_and_what_is_no_time_is_told() -> None:
    found = mapped(result({"id": 1}, collected_at="2026-07-01T08:00:00", reported_at="soon"))
    row = found.rows["Observation", f"{ORDER}.1"]
    assert (row["effectiveDateTime"], row["status"]) == ("2026-07-01T08:00:00+01:00", "preliminary")
    assert found.problems("lab") == ("lab: 1 times that are none left out.",)


def test_a_marker_that_comes_twice_is_two_observations() -> None:
    found = mapped(result({"id": 1, "value": 5}, {"id": 1, "value": 6}))
    assert [own for kind, own in found.rows if kind == "Observation"] == [f"{ORDER}.1", f"{ORDER}.1.2"]


def test_the_result_of_somebody_else_is_left_out_and_told() -> None:
    found = mapped(result({"id": 1}, user_id="u-2"))
    assert found.rows == {}
    assert found.problems("lab") == ("lab: 1 results of somebody else left out.",)


# ------------------------------------------------------------------------------------------ orders


def test_an_order_of_two_users_is_nobodys_and_odd_lines_count() -> None:
    pairs = [("o1", "a"), ("o2", "a"), ("o1", "b"), ("o3", "b"), ("o3", "b")]
    lines = [json.dumps({"order_id": order, "user_id": user}) for order, user in pairs]
    orders = read_orders([*lines, "", "{", "[]", '{"order_id": "../x", "user_id": "a"}'])
    assert dict(orders.by_user) == {"a": ("o2",), "b": ("o3",)}
    assert dict(orders.users) == {"o2": "a", "o3": "b"}
    assert orders.unreadable == 4


async def test_an_order_that_is_told_later_is_known_at_once(tmp_path: Path) -> None:
    file = tmp_path / "orders.ndjson"
    file.write_text("")
    ledger = OrderLedger(file)
    assert not (await ledger.orders()).users
    file.write_text('{"order_id": "o1", "user_id": "a"}\n')
    assert (await ledger.orders()).users == {"o1": "a"}


# ------------------------------------------------------------------------------------------ source


def observations(user: str) -> Search:
    return Search(
        "Observation",
        Location("http://laboratory.test"),
        patient=user,
        patient_parameter="patient",
        count=1000,
    )


async def asked(source: Upstream, user: str) -> Page | UpstreamError:
    (answer,) = await source.search([observations(user)], call())
    return answer


async def test_the_key_goes_out_and_only_the_newest_orders_are_asked_for(tmp_path: Path) -> None:
    switch = simulated.laboratory_switch()
    source = simulated.laboratory_source(switch, simulated.orders_file(tmp_path), orders_max=2)
    user = next(one for one in USERS.values() if len(one.orders) > 3)
    page = await asked(source, user.user_id)
    assert isinstance(page, Page)
    newest = list(user.orders)[-2:]
    assert sorted(switch.asked) == sorted(f"/v3/order/{order}/result" for order in newest)
    assert {headers[KEY_HEADER.lower()] for headers in switch.headers} == {KEY}
    assert page.problems == (f"laboratory: {len(user.orders) - 2} older orders left out.",)
    assert page.total is None


async def test_a_user_of_nobody_has_nothing_and_is_not_asked_for(tmp_path: Path) -> None:
    switch = simulated.laboratory_switch()
    file = tmp_path / "orders.ndjson"
    file.write_text('{"order_id": "o1", "user_id": "stranger"}\n')
    page = await asked(simulated.laboratory_source(switch, file), "stranger")
    assert isinstance(page, Page)
    assert (page.resources, page.total, switch.asked) == ((), 0, [])


async def test_the_result_of_another_order_is_an_error(tmp_path: Path) -> None:
    switch = simulated.laboratory_switch()
    source = simulated.laboratory_source(switch, simulated.orders_file(tmp_path))
    body = json.dumps({"order_id": "x", "user_id": next(iter(USERS)), "markers": []}).encode()
    with switch.doing(simulated.said(200, body)):
        assert isinstance(await asked(source, next(iter(USERS))), UpstreamInvalidResponse)


async def test_a_limit_says_how_long_to_wait(tmp_path: Path) -> None:
    switch = simulated.laboratory_switch()
    source = simulated.laboratory_source(switch, simulated.orders_file(tmp_path))
    with switch.saying(429, b"{}", **{"retry-after": "7"})():
        answer = await asked(source, next(iter(USERS)))
    assert isinstance(answer, UpstreamThrottled)
    assert answer.retry_after_s == 7


async def test_a_list_of_orders_that_has_gone_is_a_source_that_is_down(tmp_path: Path) -> None:
    file = simulated.orders_file(tmp_path)
    source = simulated.laboratory_source(simulated.laboratory_switch(), file)
    file.unlink()
    answer = await asked(source, next(iter(USERS)))
    assert isinstance(answer, UpstreamError)
    assert str(tmp_path) not in answer.message


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({"options": {"orders": "/none/there"}}, "cannot be read"),
        ({"options": {}}, r"^upstream 'lab': `options.orders`: Field required$"),
        ({"timezone": "Mars/Base", "options": {"orders": __file__}}, "time zone"),
        ({"options": {"orders": __file__, "odd": 1}}, r"`options.odd`: Extra inputs are not permitted"),
    ],
)
def test_settings_that_cannot_work_are_refused_with_a_sentence(table: Json, sentence: str) -> None:
    settings = {"name": "lab", "kind": "laboratory", "base_url": "https://lab.example", **table}
    with pytest.raises(UpstreamInvalid, match=sentence):
        source_over(Switch(simulated.said(200, b"{}")), **settings)
