"""The wearable source over the sandbox's API and a scripted one: searching, reading, linking, failing."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from clinical.identifiers import NHS_NUMBER_SYSTEM, Token
from clinical.order import in_order
from clinical.parameters import parameters
from clinical.search import matches
from resolvers.outcome import SourceStatus
from resolvers.resource import Resource
from resolvers.upstreams.credentials_grant import FixedGrants, no_grant
from resolvers.upstreams.errors import (
    GrantMissing,
    PageExpired,
    SearchNotSupported,
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamRejected,
    UpstreamThrottled,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from resolvers.upstreams.upstream import Abilities, Call, Filter, Page, Partition, Read, Search
from resolvers.upstreams.wearable import WearableUpstream
from resolvers.upstreams.wearable_api import Rows
from resolvers.upstreams.wearable_days import map_days, map_nights
from resolvers.upstreams.wearable_groups import map_groups
from resolvers.upstreams.wearable_mapping import Mapped, User
from sandbox.population.build import build
from sandbox.quota import Quota
from sandbox.wearable.app import build_wearable
from tests.resolvers.upstreams.sources import PRINCIPAL, call
from tests.resolvers.upstreams.vendor import (
    NAME,
    PLACE,
    Json,
    Vendor,
    group,
    observations,
    of,
    wearable_source,
)

ACCOUNTS = build(40, 1).wearable
USER = max(ACCOUNTS, key=lambda user: len(ACCOUNTS[user].measuregrps))


def sandbox_source(page_size: int = 40, **settings: Any) -> WearableUpstream:
    app = build_wearable(ACCOUNTS, Quota(1_000_000), page_size)
    return wearable_source(
        httpx.ASGITransport(app),
        {user: account.token for user, account in ACCOUNTS.items()},
        {user: account.nhs_number for user, account in ACCOUNTS.items()},
        **settings,
    )


async def walk(source: WearableUpstream, search: Search) -> list[Resource]:
    found: list[Resource] = []
    for _ in range(1000):
        (page,) = await source.search([search], call(30))
        assert isinstance(page, Page), page
        assert len(page.resources) <= search.count
        found += page.resources
        if page.next is None:
            return found
        search = replace(search, page=page.next)
    raise AssertionError("endless")


def expected_ids(user: str) -> set[str]:
    account, found = ACCOUNTS[user], set()
    for row in account.measuregrps:
        if row["category"] == 1:
            kinds = {one["type"] for one in row["measures"]}
            names = {"bp" if kind in (9, 10) else str(kind) for kind in kinds}
            found |= {f"{user}-{row['grpid']}-{name}" for name in names}
    found |= {f"{user}-{row['date']}-steps" for row in account.activities}
    return found | {f"{user}-{row['id']}-sleep" for row in account.sleep}


async def error_of(source: WearableUpstream, search: Search) -> UpstreamError:
    (problem,) = await source.search([search], call())
    assert isinstance(problem, UpstreamError), problem
    return problem


# ------------------------------------------------------------ searching


@pytest.mark.parametrize("user", sorted(ACCOUNTS))
async def test_a_walk_gives_everything_of_the_user_once_and_nothing_of_others(user: str) -> None:
    found = await walk(sandbox_source(), observations(user, count=17))
    ids = [one.id for one in found]
    assert set(ids) == expected_ids(user)
    assert len(ids) == len(set(ids))


SORTS = ["-date", "date", "_id", "-_id", "-date,_id", "date,-_id", "-_id,date"]


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("count", [13, 1000])
async def test_a_walk_is_in_the_order_asked_for(sort: str, count: int) -> None:
    found = await walk(sandbox_source(), observations(USER, sort=tuple(sort.split(",")), count=count))
    rows = [one.json for one in found]
    assert [row["id"] for row in rows] == [row["id"] for row in in_order(rows, "Observation", sort)]
    assert len(rows) == len(expected_ids(USER))


FILTERS = [
    Filter("code", ("http://loinc.org|85354-9",)),
    Filter("code", ("8867-4", "41950-7")),
    Filter("code", ("nothing",)),
    Filter("category", ("activity",)),
    Filter("category", ("activity",), "not"),
    Filter("date", ("ge2026-01-01",)),
    Filter("date", ("lt2026-01-01",)),
    Filter("date", ("2026-02",)),
    Filter("date", ("2026-02", "2026-04")),
    Filter("date", ("gt2026-03-01T12:00:00Z",)),
    Filter("status", ("preliminary",)),
    Filter("combo-code", ("8480-6",)),
    Filter("device", (f"Device/{USER}-nothing",)),
    Filter("patient", (f"Patient/{USER}",)),
]


@pytest.fixture(scope="module")
def everything() -> list[Json]:
    into = Mapped()
    user = User(USER, ZoneInfo("Europe/London"), into)
    map_groups(user, Rows(ACCOUNTS[USER].measuregrps), "preliminary")
    map_days(user, Rows(ACCOUNTS[USER].activities))
    map_nights(user, Rows(ACCOUNTS[USER].sleep))
    return in_order(into.observations.values(), "Observation", "-date")


@settings(max_examples=25)
@given(
    filters=st.lists(st.sampled_from(FILTERS), max_size=3, unique=True),
    count=st.integers(10, 60),
    page_size=st.integers(10, 50),
)
async def test_filters_find_what_they_would_find_in_everything(
    everything: list[Json], filters: list[Filter], count: int, page_size: int
) -> None:
    known = parameters("Observation")
    wanted = [
        row["id"]
        for row in everything
        if all(matches(row, known[f.code], f.values, f.modifier) for f in filters)
    ]
    source = sandbox_source(page_size, max_pages=500)
    found = await walk(source, observations(USER, filters=tuple(filters), count=count))
    assert [one.id for one in found] == wanted


async def test_only_the_rows_that_can_answer_are_asked_for() -> None:
    vendor = of(group(7, (11, 80, 0)))
    pulse = Filter("code", ("8867-4",))
    await vendor.source().search([observations(filters=(pulse,))], call())
    assert {action for action, _ in vendor.calls} == {"getmeas"}
    assert {form["meastypes"] for _, form in vendor.calls} == {"11"}
    vendor = of()
    nothing = Filter("code", ("http://snomed.info/sct|1",))
    (page,) = await vendor.source().search([observations(filters=(nothing,))], call())
    assert page == Page((), total=0)
    assert vendor.calls == []


async def test_dates_bound_what_is_asked_for() -> None:
    vendor = of()
    filters = (Filter("date", ("ge2026-03-01",)), Filter("date", ("lt2026-03-03",)))
    await vendor.source().search([observations(filters=filters)], call())
    for action, form in vendor.calls:
        if action == "getmeas":
            assert int(form["startdate"]) <= datetime(2026, 3, 1, tzinfo=UTC).timestamp()
            assert int(form["enddate"]) >= datetime(2026, 3, 3, tzinfo=UTC).timestamp() - 1
            assert int(form["enddate"]) - int(form["startdate"]) < 15 * 86_400
        else:
            assert "2026-02" in form["startdateymd"]
            assert form["enddateymd"] <= "2026-03-06"


async def test_the_newest_are_found_without_reading_the_whole_history() -> None:
    recent = int(datetime.now(UTC).timestamp()) - 86_400
    vendor = of(*(group(n, (1, 80 + n, 0), date=recent - n) for n in range(30)))
    (page,) = await vendor.source().search([observations(sort=("-date",), count=20)], call())
    assert isinstance(page, Page)
    assert [one.id for one in page.resources] == [f"42-{n}-1" for n in range(20)]
    assert len(vendor.calls) == 3
    assert vendor.tokens == ["Bearer t42"] * 3


@pytest.mark.parametrize("by_id", ["_id", "-_id"])
async def test_equal_times_are_ordered_by_id_and_none_is_lost_between_pages(by_id: str) -> None:
    vendor = of(*(group(n, (1, 80, 0), (6, 20, 0)) for n in range(20)))
    found = await walk(vendor.source(), observations(count=3, sort=("-date", by_id)))
    ids = [one.id for one in found]
    wanted = sorted(f"42-{n}-{kind}" for n in range(20) for kind in (1, 6))
    assert ids == (wanted if by_id == "_id" else wanted[::-1])


async def test_a_total_is_given_where_everything_was_read() -> None:
    source = sandbox_source()
    assert list(await source.count([observations(USER)], call())) == [len(expected_ids(USER))]
    (page,) = await source.search([observations(USER, count=1000)], call())
    assert isinstance(page, Page)
    assert page.total == len(expected_ids(USER))


async def test_identical_searches_are_asked_once() -> None:
    vendor = of(group(7, (1, 80, 0)))
    pages = await vendor.source().search([observations(), observations()], call())
    assert pages[0] is pages[1]
    assert len(vendor.calls) == 6


async def test_what_was_left_out_is_told() -> None:
    (page,) = await of(group(7, (1, -1000, -3), (6, 20, 0))).source().search([observations()], call())
    assert isinstance(page, Page)
    assert page.problems == ("wearable: 1 values that are no measurements left out.",)


@pytest.mark.parametrize(
    "search",
    [
        observations(filters=(Filter("value-quantity", ("gt5",)),)),
        observations(filters=(Filter("nonsense", ("5",)),)),
        observations(filters=(Filter("date", ("yesterday",)),)),
        observations(filters=(Filter("code", ("x",), "in"),)),
        observations(sort=("code",)),
        Search("Device", PLACE, patient="42", sort=("type",)),
        Search("Condition", PLACE, patient="42"),
    ],
)
async def test_what_cannot_be_answered_exactly_is_refused(search: Search) -> None:
    assert isinstance(await error_of(of().source(), search), SearchNotSupported)


async def test_an_unknown_user_has_nothing() -> None:
    vendor = of(group(7, (1, 80, 0)))
    (page,) = await vendor.source().search([observations("43")], call())
    assert page == Page((), total=0)
    assert vendor.calls == []


async def test_a_search_without_a_patient_asks_few_users_and_not_many() -> None:
    few = sandbox_source(walk_accounts_max=len(ACCOUNTS))
    found = await walk(few, observations(None, count=500, sort=("-date",)))
    assert {one.id for one in found} == set().union(*map(expected_ids, ACCOUNTS))
    rows = [one.json for one in found]
    assert [row["id"] for row in rows] == [row["id"] for row in in_order(rows, "Observation", "-date")]
    assert isinstance(await error_of(sandbox_source(), observations(None)), SearchNotSupported)


async def test_a_patient_may_be_named_by_a_filter() -> None:
    named = Search("Observation", PLACE, (Filter("subject", (f"Patient/{USER}",)),), count=1000)
    assert {one.id for one in await walk(sandbox_source(), named)} == expected_ids(USER)


@pytest.mark.parametrize("page", ["x.y", "", ".", "5", "5."])
async def test_a_mark_that_is_none_is_an_expired_page(page: str) -> None:
    assert isinstance(await error_of(of().source(), observations(page=page)), PageExpired)


# ------------------------------------------------------------ devices and patients


async def test_devices_of_a_user() -> None:
    search = Search("Device", PLACE, patient=USER, patient_parameter="patient", count=2)
    found = await walk(sandbox_source(), search)
    assert len(found) >= 2
    assert [one.id for one in found] == sorted({one.id for one in found})
    assert {one.json["patient"]["reference"] for one in found} == {f"Patient/{USER}"}


async def test_patients_are_the_linked_and_granted_users() -> None:
    found = await walk(sandbox_source(), Search("Patient", PLACE, count=3))
    assert [one.id for one in found] == sorted(ACCOUNTS)
    number = ACCOUNTS[USER].nhs_number
    by_number = Search("Patient", PLACE, (Filter("identifier", (f"{NHS_NUMBER_SYSTEM}|{number}",)),))
    assert [one.id for one in await walk(sandbox_source(), by_number)] == [USER]


async def test_identifiers_are_looked_up_in_the_link_table() -> None:
    vendor = of()
    tokens = [Token(NHS_NUMBER_SYSTEM, "9990000018"), Token(NHS_NUMBER_SYSTEM, "9990000026")]
    one, none = await vendor.source().identify(tokens, [PLACE], call())
    assert isinstance(one, tuple)
    assert [found.json for found in one] == [
        {
            "resourceType": "Patient",
            "id": "42",
            "active": True,
            "identifier": [{"system": NHS_NUMBER_SYSTEM, "value": "9990000018"}],
        }
    ]
    assert none == ()
    assert vendor.calls == []


async def test_who_is_not_linked_is_nobody_in_particular() -> None:
    source = wearable_source(httpx.MockTransport(of()), {"42": "t"})
    (found,) = await source.read([Read("Patient", "42", PLACE)], call())
    assert isinstance(found, Resource)
    assert found.json == {"resourceType": "Patient", "id": "42", "active": True}
    assert source.links_by_table


# ------------------------------------------------------------ reading


async def test_everything_found_can_be_read_by_its_id() -> None:
    source = sandbox_source()
    found = await walk(source, observations(USER, count=1000))
    devices = await walk(source, Search("Device", PLACE, patient=USER))
    reads = [Read(one.type, one.id, PLACE) for one in [*found, *devices]]
    again = await source.read(reads, call())
    assert [one.json for one in again if isinstance(one, Resource)] == [
        one.json for one in [*found, *devices]
    ]


async def test_reads_of_one_user_share_one_walk() -> None:
    recent = int(datetime.now(UTC).timestamp()) - 86_400
    vendor = of(*(group(n, (1, 80, 0), (6, 20, 0), date=recent) for n in range(30)))
    found = await vendor.source().read([Read("Observation", f"42-{n}-1", PLACE) for n in range(30)], call())
    assert all(isinstance(one, Resource) for one in found)
    assert [(action, form["meastypes"]) for action, form in vendor.calls] == [("getmeas", "1")]


@pytest.mark.parametrize(
    "read",
    [
        Read("Observation", "42-999-1", PLACE),
        Read("Observation", "43-7-1", PLACE),
        Read("Observation", "42", PLACE),
        Read("Observation", "", PLACE),
        Read("Device", "42-none", PLACE),
        Read("Patient", "43", PLACE),
        Read("Patient", "42-7-1", PLACE),
        Read("Condition", "42-7-1", PLACE),
    ],
)
async def test_what_is_not_there_is_none(read: Read) -> None:
    assert list(await of(group(7, (1, 80, 0))).source().read([read], call())) == [None]


# ------------------------------------------------------------ failing


def status(code: Any, body: Any = None) -> httpx.Response:
    return httpx.Response(200, json={"status": code, "body": body or {}, "error": "secret 9990000018"})


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (status(401), UpstreamRejected),
        (status(100), UpstreamRejected),
        (status(277), UpstreamRejected),
        (status(503), UpstreamRejected),
        (status(2554), UpstreamRejected),
        (status(522), UpstreamTimeout),
        (status(601), UpstreamThrottled),
        (status(2500), UpstreamUnavailable),
        (status("0"), UpstreamInvalidResponse),
        (status(None), UpstreamInvalidResponse),
        (status(0, []), UpstreamInvalidResponse),
        (status(0, {"measuregrps": None, "activities": 5}), UpstreamInvalidResponse),
        (httpx.Response(200, content=b"<html>"), UpstreamInvalidResponse),
        (httpx.Response(200, content=b'{"status":0,"bo'), UpstreamInvalidResponse),
        (httpx.Response(200, content=b"[]"), UpstreamInvalidResponse),
        (httpx.Response(302, headers={"Location": "http://evil.test"}), UpstreamInvalidResponse),
        (httpx.Response(403), UpstreamRejected),
        (httpx.Response(429, headers={"Retry-After": "9"}), UpstreamThrottled),
        (httpx.Response(500), UpstreamUnavailable),
    ],
)
async def test_an_error_in_a_200_is_an_error(reply: httpx.Response, kind: type[UpstreamError]) -> None:
    source = Vendor(lambda action, form: reply).source()
    problem = await error_of(source, observations())
    assert type(problem) is kind
    assert "9990000018" not in f"{problem} {problem.detail}"
    (read,) = await source.read([Read("Observation", "42-7-1", PLACE)], call())
    assert type(read) is kind


@pytest.mark.parametrize(("body", "seconds"), [({"wait_seconds": 12}, 12.0), ({}, 60.0)])
async def test_the_vendors_limit_says_when(body: Json, seconds: float) -> None:
    problem = await error_of(Vendor(lambda action, form: status(601, body)).source(), observations())
    assert problem.retry_after_s == seconds


async def test_one_failing_action_is_no_half_history() -> None:
    def answer(action: str, form: dict[str, str]) -> Json | httpx.Response:
        return status(2500) if action == "getsummary" else {"measuregrps": [], "activities": []}

    assert isinstance(await error_of(Vendor(answer).source(), observations()), UpstreamUnavailable)


async def test_a_user_without_a_grant_is_not_linked() -> None:
    vendor = of()
    source = wearable_source(httpx.MockTransport(vendor), {"7": "t7"}, {"42": "9990000018"})
    problem = await error_of(source, observations())
    assert (type(problem), problem.status) == (GrantMissing, SourceStatus.NOT_LINKED)
    (nobody,) = await source.identify([Token(NHS_NUMBER_SYSTEM, "9990000018")], [PLACE], call())
    assert nobody == ()
    assert await source.read([Read("Patient", "42", PLACE)], call()) == [None]
    assert [one.id for one in await walk(source, Search("Patient", PLACE))] == ["7"]
    assert vendor.calls == []


async def test_a_token_that_an_answer_refuses_is_replaced_and_the_question_asked_again() -> None:
    secrets = {"upstream_wearable_grants": json.dumps({"42": "old"})}

    def answer(action: str, form: dict[str, str]) -> Json | httpx.Response:
        if vendor.tokens[-1] == "Bearer new":
            return {"measuregrps": [], "activities": [], "series": []}
        secrets["upstream_wearable_grants"] = json.dumps({"42": "new"})
        handed_in._read_at -= 60
        return status(401)

    vendor = Vendor(answer)
    source = wearable_source(httpx.MockTransport(vendor), {}, {"42": "9990000018"}, secrets)
    grants = source._accounts.grants
    assert isinstance(grants, FixedGrants)
    handed_in = grants._handed_in
    (page,) = await source.search([observations()], call())
    assert isinstance(page, Page), page
    assert vendor.tokens.count("Bearer old") <= 3
    assert vendor.tokens.count("Bearer new") >= 3


async def test_who_withdrew_among_several_is_left_out() -> None:
    """The others' rows stay: not linked is said of one person, never of all."""
    source = wearable_source(httpx.MockTransport(of(group(1, (1, 80, 0)))), {"42": "t", "7": "t"})
    accounts = source._accounts
    granted = accounts.grants

    class Withdrawing:
        accounts = granted.accounts

        async def headers(self, subject: str | None, call: Call) -> Mapping[str, str]:
            if subject == "7":
                self.accounts = frozenset(("42",))
                raise no_grant(NAME)
            return {}

    withdrawing: Any = Withdrawing()
    source._exchange.credential = withdrawing
    object.__setattr__(accounts, "grants", withdrawing)
    (page,) = await source.search([observations(None)], call())
    assert isinstance(page, Page), page
    assert {one.json["subject"]["reference"] for one in page.resources} == {"Patient/42"}


def paged(more: Callable[[int], Json]) -> Vendor:
    def answer(action: str, form: dict[str, str]) -> Json:
        if action != "getmeas":
            return {"activities": [], "series": []}
        offset = int(form.get("offset", "0"))
        return {"measuregrps": [group(offset + 1, (1, 80, 0))], **more(offset)}

    return Vendor(answer)


async def test_pages_are_followed_by_offset() -> None:
    vendor = paged(lambda offset: {"more": int(offset < 30), "offset": offset + 10})
    found = await walk(vendor.source(), observations())
    assert {one.id for one in found} == {f"42-{n}-1" for n in (1, 11, 21, 31)}


async def test_an_endless_chain_of_pages_ends_and_is_told() -> None:
    vendor = paged(lambda offset: {"more": 1, "offset": offset + 1})
    (page,) = await vendor.source(max_pages=5).search([observations()], call())
    assert isinstance(page, Page)
    assert page.problems == ("wearable gave more than 5 pages.",)
    assert len([1 for action, _ in vendor.calls if action == "getmeas"]) <= 10


@pytest.mark.parametrize("offset", [0, None, "5", -1])
async def test_an_offset_that_does_not_move_on_is_an_error(offset: Any) -> None:
    vendor = paged(lambda _: {"more": 1, "offset": offset})
    assert isinstance(await error_of(vendor.source(), observations()), UpstreamInvalidResponse)


# ------------------------------------------------------------ what the source is


async def test_it_says_what_it_can() -> None:
    source = of().source()
    assert (source.name, source.types) == (NAME, {"Observation", "Device", "Patient"})
    found = await source.abilities("Observation", call())
    assert isinstance(found, Abilities)
    assert found.sorts == {"_id", "date"}
    assert {"patient", "subject", "date", "code", "category", "status"} <= found.parameters
    assert "value-quantity" not in found.parameters
    assert not found.needs_patient
    many = await sandbox_source().abilities("Observation", call())
    assert isinstance(many, Abilities)
    assert many.needs_patient
    patients = await sandbox_source().abilities("Patient", call())
    assert isinstance(patients, Abilities)
    assert not patients.needs_patient
    assert await source.abilities("Condition", call()) == Abilities()
    assert source.locations() == source.locate(None, PRINCIPAL) == (PLACE,)
    assert source.partition("Observation", []) == Partition()


@pytest.mark.parametrize(
    ("reply", "kind"),
    [(status(401), None), (status(601), UpstreamThrottled), (httpx.Response(500), UpstreamUnavailable)],
)
async def test_a_probe_needs_no_users_token(reply: httpx.Response, kind: type[UpstreamError] | None) -> None:
    vendor = Vendor(lambda action, form: reply)
    problem = await vendor.source().probe(call())
    assert problem is None if kind is None else type(problem) is kind
    assert vendor.tokens == [None]
