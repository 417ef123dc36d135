"""The wearable vendor's API, as its documentation says and as a client meets it over HTTP."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.population.build import build
from sandbox.population.model import Account
from sandbox.quota import Quota
from sandbox.wearable.actions import getmeas
from sandbox.wearable.app import build_wearable
from sandbox.wearable.params import Params

ACCOUNTS = build(20, 1).wearable
ACCOUNT = max(ACCOUNTS.values(), key=lambda account: len(account.measuregrps))
OTHER = next(account for account in ACCOUNTS.values() if account is not ACCOUNT)
PAGE_SIZE = 7


@pytest.fixture
async def api() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(build_wearable(ACCOUNTS, page_size=PAGE_SIZE))
    async with httpx.AsyncClient(transport=transport, base_url="http://wearable") as client:
        yield client


async def call(
    api: httpx.AsyncClient, path: str, account: Account = ACCOUNT, **form: str | int
) -> dict[str, Any]:
    answer = await api.post(path, data=form, headers={"Authorization": f"Bearer {account.token}"})
    assert answer.status_code == 200
    return dict(answer.json())


async def walk(api: httpx.AsyncClient, path: str, rows: str, **form: str | int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    body: dict[str, Any] = {"more": True, "offset": 0}
    while body["more"]:
        body = (await call(api, path, **form, offset=body["offset"]))["body"]
        assert len(body[rows]) <= PAGE_SIZE
        found += body[rows]
    return found


async def test_a_walk_by_offset_gives_every_measure_group_once_newest_first(api: httpx.AsyncClient) -> None:
    assert len(ACCOUNT.measuregrps) > 2 * PAGE_SIZE
    assert await walk(api, "/measure", "measuregrps", action="getmeas") == ACCOUNT.measuregrps[::-1]


async def test_getmeas_has_the_documented_envelope(api: httpx.AsyncClient) -> None:
    answer = await call(api, "/measure", action="getmeas")
    assert answer["status"] == 0
    assert set(answer["body"]) == {"updatetime", "timezone", "more", "offset", "measuregrps"}
    assert (answer["body"]["more"], answer["body"]["offset"]) == (1, PAGE_SIZE)


async def test_the_last_page_says_so(api: httpx.AsyncClient) -> None:
    body = (await call(api, "/measure", action="getmeas", offset=len(ACCOUNT.measuregrps) - 1))["body"]
    assert (body["more"], body["offset"], len(body["measuregrps"])) == (0, 0, 1)


async def test_an_offset_past_the_end_is_an_empty_page(api: httpx.AsyncClient) -> None:
    body = (await call(api, "/measure", action="getmeas", offset=100_000))["body"]
    assert (body["more"], body["measuregrps"]) == (0, [])


async def test_meastypes_keeps_only_those_measures_of_a_group(api: httpx.AsyncClient) -> None:
    groups = await walk(api, "/measure", "measuregrps", action="getmeas", meastypes="9,10", category=1)
    assert groups
    assert {measure["type"] for group in groups for measure in group["measures"]} == {9, 10}
    assert {group["category"] for group in groups} == {1}


async def test_goals_come_where_category_does_not_leave_them_out(api: httpx.AsyncClient) -> None:
    goals = await walk(api, "/measure", "measuregrps", action="getmeas", category=2)
    assert goals == [group for group in ACCOUNT.measuregrps[::-1] if group["category"] == 2]
    assert goals


async def test_startdate_and_enddate_are_both_included(api: httpx.AsyncClient) -> None:
    first, last = ACCOUNT.measuregrps[3]["date"], ACCOUNT.measuregrps[8]["date"]
    groups = await walk(api, "/measure", "measuregrps", action="getmeas", startdate=first, enddate=last)
    assert groups == ACCOUNT.measuregrps[8:2:-1]


async def test_lastupdate_asks_for_later_modifications(api: httpx.AsyncClient) -> None:
    moment = ACCOUNT.measuregrps[5]["modified"]
    groups = await walk(api, "/measure", "measuregrps", action="getmeas", lastupdate=moment)
    assert groups == ACCOUNT.measuregrps[:5:-1]


async def test_activity_and_sleep_are_paged_and_bounded_by_day(api: httpx.AsyncClient) -> None:
    days = {"startdateymd": "2000-01-01", "enddateymd": "2100-01-01"}
    assert await walk(api, "/v2/measure", "activities", action="getactivity", **days) == ACCOUNT.activities
    assert await walk(api, "/v2/sleep", "series", action="getsummary", **days) == ACCOUNT.sleep
    day = ACCOUNT.activities[1]["date"]
    one = await call(api, "/v2/measure", action="getactivity", startdateymd=day, enddateymd=day)
    assert one["body"] == {"activities": [ACCOUNT.activities[1]], "more": False, "offset": 0}


async def test_data_fields_keep_only_those_numbers(api: httpx.AsyncClient) -> None:
    activity = await call(api, "/v2/measure", action="getactivity", lastupdate=0, data_fields="steps")
    assert "steps" in activity["body"]["activities"][0]
    assert "calories" not in activity["body"]["activities"][0]
    sleep = await call(
        api, "/v2/sleep", action="getsummary", lastupdate=0, data_fields="sleep_score,rr_average"
    )
    assert set(sleep["body"]["series"][0]["data"]) == {"sleep_score", "rr_average"}


async def test_a_users_token_reaches_that_users_rows_only(api: httpx.AsyncClient) -> None:
    mine = (await call(api, "/measure", action="getmeas"))["body"]["measuregrps"]
    others = (await call(api, "/measure", OTHER, action="getmeas"))["body"]["measuregrps"]
    assert not {group["grpid"] for group in mine} & {group["grpid"] for group in others}
    assert {group["grpid"] for group in others} <= {group["grpid"] for group in OTHER.measuregrps}


@pytest.mark.parametrize("authorization", ["", "Bearer wrong", "Bearer", f"Basic {ACCOUNT.token}"])
async def test_a_wrong_token_is_status_401_in_a_200(api: httpx.AsyncClient, authorization: str) -> None:
    headers = {"Authorization": authorization}
    answer = await api.post("/measure", data={"action": "getmeas"}, headers=headers)
    assert (answer.status_code, answer.json()["status"], answer.json()["body"]) == (200, 401, {})
    assert "invalid_token" in answer.json()["error"]


@pytest.mark.parametrize(
    ("path", "form", "status"),
    [
        ("/measure", {}, 2554),
        ("/measure", {"action": "getactivity"}, 2554),
        ("/measure", {"action": "getmeas", "meastypes": "1,weight"}, 503),
        ("/measure", {"action": "getmeas", "offset": "-1"}, 503),
        ("/measure", {"action": "getmeas", "startdate": "2026-01-01"}, 503),
        ("/v2/measure", {"action": "getactivity"}, 503),
        ("/v2/measure", {"action": "getactivity", "startdateymd": "2026-01-01"}, 503),
        ("/v2/sleep", {"action": "getsummary", "startdateymd": "1", "enddateymd": "2026-01-01"}, 503),
    ],
)
async def test_a_wrong_call_is_a_status_in_a_200(
    api: httpx.AsyncClient, path: str, form: dict[str, str], status: int
) -> None:
    answer = await call(api, path, **form)
    assert (answer["status"], answer["body"]) == (status, {})
    assert answer["error"]


async def test_the_limit_is_shared_by_all_users_of_the_application() -> None:
    now = [1000.0]
    transport = httpx.ASGITransport(build_wearable(ACCOUNTS, Quota(2, lambda: now[0])))
    async with httpx.AsyncClient(transport=transport, base_url="http://wearable") as api:
        assert (await call(api, "/measure", ACCOUNT, action="getmeas"))["status"] == 0
        now[0] += 10
        assert (await call(api, "/measure", OTHER, action="getmeas"))["status"] == 0
        refused = await call(api, "/measure", OTHER, action="getmeas")
        assert (refused["status"], refused["body"]) == (601, {"wait_seconds": 50})
        now[0] += 50
        assert (await call(api, "/measure", OTHER, action="getmeas"))["status"] == 0
        assert (await call(api, "/measure", OTHER, action="getmeas"))["status"] == 601


@given(st.lists(st.floats(0, 30), max_size=60), st.integers(1, 5))
def test_no_window_of_a_minute_holds_more_than_the_quota(pauses: list[float], per_minute: int) -> None:
    now = 0.0
    taken: list[float] = []
    quota = Quota(per_minute, lambda: now)
    for pause in pauses:
        now += pause
        if quota.take() == 0:
            taken.append(now)
    for moment in taken:
        assert sum(moment - 60 < other <= moment for other in taken) <= per_minute


@given(st.integers(1, 30), st.sampled_from(["", "1", "9,10", "71"]))
def test_pages_joined_are_the_same_whatever_the_page_size(page_size: int, meastypes: str) -> None:
    whole = getmeas(ACCOUNT, Params({"meastypes": meastypes}), 10_000)
    found: list[dict[str, Any]] = []
    offset, more = 0, 1
    while more:
        body = getmeas(ACCOUNT, Params({"meastypes": meastypes, "offset": str(offset)}), page_size)
        found += body["measuregrps"]
        more, offset = body["more"], body["offset"]
    assert found == whole["measuregrps"]


def test_rows_are_as_the_population_made_them() -> None:
    before = build(20, 1).wearable[ACCOUNT.user_id]
    getmeas(ACCOUNT, Params({"meastypes": "9"}), 5)
    assert before == ACCOUNT
