"""Searching FHIR servers as they are (UPSTREAMS.md 1-14): each rule here is one of their habits."""

from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from clinical.codec import decode_json
from resolvers.upstreams.errors import (
    PageExpired,
    SearchNotSupported,
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamRejected,
    UpstreamThrottled,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from resolvers.upstreams.upstream import Filter, Page, Partition, Search
from tests.resolvers.upstreams.sources import (
    BASE,
    Json,
    Reply,
    Server,
    asked,
    bundle,
    call,
    fhir_json,
    observation,
    outcome,
    search,
    statement,
)


async def page_of(reply: Reply, asking: Search | None = None, **settings: Any) -> Page:
    source = Server(lambda request: reply).source(**settings)
    (page,) = await source.search([asking or search()], call())
    assert isinstance(page, Page), page
    return page


async def error_of(reply: Reply, asking: Search | None = None, **settings: Any) -> UpstreamError:
    source = Server(lambda request: reply).source(**settings)
    (problem,) = await source.search([asking or search()], call())
    assert isinstance(problem, UpstreamError), problem
    return problem


async def test_a_search_says_everything_in_its_address() -> None:
    server = Server(lambda request: bundle(observation("1")))
    asking = search(
        filters=(
            Filter("code", ("http://loinc.org|4548-4", "718-7")),
            Filter("category", ("laboratory",), "not"),
        ),
        patient="77",
        patient_parameter="subject",
        sort=("-date", "code"),
        count=7,
    )
    (page,) = await server.source().search([asking], call())
    assert isinstance(page, Page)
    assert asked(server.seen[0]) == {
        "subject": "Patient/77",
        "code": "http://loinc.org|4548-4,718-7",
        "category:not": "laboratory",
        "_sort": "-date,code",
        "_count": "7",
    }
    assert server.seen[0].headers["accept"] == "application/fhir+json"
    assert server.seen[0].headers["prefer"] == "handling=strict"


async def test_a_value_cannot_add_a_parameter_of_its_own() -> None:
    server = Server(lambda request: bundle())
    asking = search(filters=(Filter("code", ("a&patient=2#x=%26",)),), patient="1")
    await server.source().search([asking], call())
    assert asked(server.seen[0]) == {"patient": "Patient/1", "code": "a&patient=2#x=%26", "_count": "20"}


async def test_the_page_size_of_the_source_is_kept() -> None:
    server = Server(lambda request: bundle())
    await server.source(capabilities={"page_size_max": 50}).search([search(count=100)], call())
    assert asked(server.seen[0])["_count"] == "50"


async def test_identical_searches_are_asked_once() -> None:
    server = Server(lambda request: bundle(observation("1")))
    pages = await server.source().search([search(), search(count=3), search()], call())
    assert len(server.seen) == 2
    assert pages[0] is pages[2]


async def test_resources_say_where_they_came_from() -> None:
    page = await page_of(bundle(observation("1")))
    (resource,) = page.resources
    assert (resource.source, resource.location.base_url, resource.type, resource.id) == (
        "ehr",
        BASE,
        "Observation",
        "1",
    )


async def test_decimals_keep_their_digits() -> None:
    row = b'{"resourceType":"Observation","id":"1","valueQuantity":{"value":5.10}}'
    body = b'{"resourceType":"Bundle","entry":[{"resource":' + row + b"}]}"
    page = await page_of(fhir_json(body))
    assert bytes(page.resources[0].json["valueQuantity"]["value"]) == b"5.10"


# ------------------------------------------------------------ batches


def batch_of(request: httpx.Request) -> list[str]:
    body = decode_json(request.content)
    assert (body["resourceType"], body["type"]) == ("Bundle", "batch")
    assert {entry["request"]["method"] for entry in body["entry"]} == {"GET"}
    return [entry["request"]["url"] for entry in body["entry"]]


def answer_batch(request: httpx.Request) -> Json:
    """Each search finds an Observation named for its patient; patient 13 is refused, 14 fails."""
    entries = []
    for url in batch_of(request):
        patient = httpx.URL(f"{BASE}/{url}").params["patient"].removeprefix("Patient/")
        if patient == "13":
            entries.append({"response": {"status": "403 Forbidden", "outcome": outcome(code="forbidden")}})
        elif patient == "14":
            entries.append({"response": {"status": "500"}})
        else:
            entries.append(
                {"resource": bundle(observation(f"of-{patient}")), "response": {"status": "200 OK"}}
            )
    return {"resourceType": "Bundle", "type": "batch-response", "entry": entries}


def by_patient(*patients: int) -> list[Search]:
    return [search(patient=str(one)) for one in patients]


async def test_several_searches_go_in_one_bundle_and_come_back_in_order() -> None:
    server = Server(answer_batch, statement(interactions=("batch",)))
    pages = await server.source().search(by_patient(3, 1, 2), call())
    assert len(server.seen) == 1
    assert str(server.seen[0].url) == BASE
    assert [page.resources[0].id for page in pages if isinstance(page, Page)] == ["of-3", "of-1", "of-2"]


async def test_one_failing_entry_does_not_cost_the_others_theirs() -> None:
    server = Server(answer_batch, statement(interactions=("batch",)))
    good, denied, failed = await server.source().search(by_patient(1, 13, 14), call())
    assert isinstance(good, Page)
    assert isinstance(denied, UpstreamRejected)
    assert isinstance(failed, UpstreamUnavailable)


async def test_bundles_hold_a_limited_number_of_entries() -> None:
    server = Server(answer_batch, statement(interactions=("batch",)))
    patients = [one for one in range(1, 20) if one not in (13, 14)]
    pages = await server.source(capabilities={"bundle_entries_max": 5}).search(by_patient(*patients), call())
    assert [len(batch_of(request)) for request in server.seen] == [5, 5, 5, 2]
    assert [page.resources[0].id for page in pages if isinstance(page, Page)] == [f"of-{n}" for n in patients]


async def test_a_lone_search_needs_no_bundle() -> None:
    server = Server(lambda request: bundle(), statement(interactions=("batch",)))
    await server.source().search([search()], call())
    assert server.seen[0].method == "GET"


@pytest.mark.parametrize("status", [404, 405, 501])
async def test_a_server_that_refuses_bundles_is_asked_side_by_side_from_then_on(status: int) -> None:
    def handler(request: httpx.Request) -> Reply:
        if request.method == "POST":
            return fhir_json(outcome(code="not-supported"), status)
        return bundle(observation("1"))

    server = Server(handler, statement(interactions=("batch",)))
    source = server.source()
    for _ in range(2):
        pages = await source.search(by_patient(1, 2), call())
        assert all(isinstance(page, Page) for page in pages)
    assert [request.method for request in server.seen] == ["POST", "GET", "GET", "GET", "GET"]


async def test_settings_decide_how_to_batch_whatever_is_declared() -> None:
    server = Server(lambda request: bundle(), statement(interactions=("batch",)))
    await server.source(capabilities={"batch": "parallel"}).search(by_patient(1, 2), call())
    assert [request.method for request in server.seen] == ["GET", "GET"]


@pytest.mark.parametrize(
    "reply",
    [
        {"resourceType": "Bundle", "type": "batch-response", "entry": []},
        {"resourceType": "Bundle", "type": "batch-response"},
        {"count": 2, "results": []},
    ],
)
async def test_a_batch_answer_that_does_not_fit_is_nobodys_answer(reply: Json) -> None:
    server = Server(lambda request: reply, statement(interactions=("batch",)))
    problems = await server.source().search(by_patient(1, 2), call())
    assert [type(one) for one in problems] == [UpstreamInvalidResponse] * 2


async def test_a_failing_batch_is_everybodys_failure() -> None:
    server = Server(lambda request: fhir_json(b"", 500), statement(interactions=("batch",)))
    problems = await server.source().search(by_patient(1, 2), call())
    assert [type(one) for one in problems] == [UpstreamUnavailable] * 2


# ------------------------------------------------------------ long addresses


def long_search() -> Search:
    return search(
        filters=(Filter("code", tuple(f"http://loinc.org|{n:05}" for n in range(200))),), patient="1"
    )


async def test_a_search_too_long_for_an_address_goes_as_a_form() -> None:
    server = Server(lambda request: bundle())
    await server.source().search([long_search()], call())
    (request,) = server.seen
    assert (request.method, request.url.path) == ("POST", "/fhir/Observation/_search")
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert request.url.query == b""
    assert asked(request)["patient"] == "Patient/1"
    assert asked(request)["code"].count(",") == 199


async def test_no_form_is_sent_to_a_source_that_does_not_read_it() -> None:
    server = Server(lambda request: bundle())
    await server.source(capabilities={"post_search": "never"}).search([long_search()], call())
    assert server.seen[0].method == "GET"
    assert asked(server.seen[0])["patient"] == "Patient/1"


async def test_a_lone_long_search_goes_in_a_bundle_where_no_form_is_read() -> None:
    server = Server(answer_batch, statement(interactions=("batch",)))
    (page,) = await server.source(capabilities={"post_search": "never"}).search([long_search()], call())
    assert isinstance(page, Page)
    assert [resource.id for resource in page.resources] == ["of-1"]
    assert [request.method for request in server.seen] == ["POST"]


async def test_the_next_link_of_a_form_search_is_followed_without_the_form_address() -> None:
    page = await page_of(bundle(observation("1"), next=f"{BASE}/Observation/_search?page=2"))
    assert page.next == f"{BASE}/Observation?page=2"


# ------------------------------------------------------------ paging


@pytest.mark.parametrize(
    ("link", "followed"),
    [
        (f"{BASE}/Observation?page=2", f"{BASE}/Observation?page=2"),
        (f"{BASE}?_getpages=abc&_offset=20", f"{BASE}?_getpages=abc&_offset=20"),
        ("Observation?cursor=a%2Fb", f"{BASE}/Observation?cursor=a%2Fb"),
        ("/fhir/Observation?page=2", f"{BASE}/Observation?page=2"),
        ("?page=2", f"{BASE}/?page=2"),
        ("HTTP://EHR.TEST:80/fhir/Observation?page=2", f"{BASE}/Observation?page=2"),
    ],
)
async def test_next_links_are_resolved_against_the_base(link: str, followed: str) -> None:
    server = Server(lambda request: bundle(observation("1"), next=link))
    source = server.source()
    (page,) = await source.search([search()], call())
    assert isinstance(page, Page)
    assert (page.next, page.problems) == (followed, ())
    await source.search([search(page=page.next)], call())
    assert str(server.seen[1].url) == followed


@pytest.mark.parametrize(
    "link",
    [
        "http://evil.test/fhir/Observation?page=2",
        "https://ehr.test/fhir/Observation?page=2",
        "http://ehr.test:8080/fhir/Observation?page=2",
        "//evil.test/fhir/Observation?page=2",
        "http://ehr.test@evil.test/fhir",
        "http://user:pw@ehr.test/fhir/Observation?page=2",
        "file:///etc/passwd",
        "http://[broken/",
        r"http://ehr.test\@evil.test/",
        "javascript:alert(1)",
    ],
)
async def test_a_next_link_to_another_place_is_refused_and_told(link: str) -> None:
    page = await page_of(bundle(observation("1"), next=link))
    assert [resource.id for resource in page.resources] == ["1"]
    assert page.next is None
    assert page.problems == ("ehr gave a next link to another place, which is not followed.",)


async def test_a_page_mark_never_leads_to_another_origin() -> None:
    server = Server(lambda request: bundle())
    (problem,) = await server.source().search([search(page="http://evil.test/fhir?x=1")], call())
    assert isinstance(problem, UpstreamInvalidResponse)
    assert server.seen == []


async def test_a_short_page_is_not_the_end_and_a_full_one_not_the_beginning_of_more() -> None:
    short = await page_of(bundle(observation("1"), next=f"{BASE}?p=2"), search(count=20))
    assert short.next is not None
    full = await page_of(bundle(observation("1"), observation("2")), search(count=2))
    assert full.next is None


async def test_a_missing_next_link_is_told_where_the_total_says_that_there_is_more() -> None:
    page = await page_of(bundle(observation("1"), total=3))
    assert page.problems == ("ehr says that there is more than it gave.",)


async def test_a_page_that_leads_to_itself_ends_the_walk() -> None:
    own = f"{BASE}?page=2"
    page = await page_of(bundle(observation("1"), next=own), search(page=own))
    assert page.next is None
    assert page.problems == ("ehr gave a next link that leads back to itself.",)


@pytest.mark.parametrize(
    "reply",
    [
        fhir_json(outcome(code="expired"), 410),
        fhir_json(outcome(code="not-found"), 404),
        fhir_json(outcome(code="invalid", vendor_code="4113"), 400),
    ],
)
async def test_an_expired_page_is_told_from_an_empty_one(reply: httpx.Response) -> None:
    assert isinstance(await error_of(reply, search(page=f"{BASE}?page=2")), PageExpired)


# ------------------------------------------------------------ entries


async def test_included_resources_and_outcomes_are_no_answers() -> None:
    entries = [
        {"resource": observation("1"), "search": {"mode": "match"}},
        {"resource": observation("2")},
        {"resource": observation("3"), "search": {"mode": "include"}},
        {"resource": {"resourceType": "Patient", "id": "9"}, "search": {"mode": "include"}},
        {"resource": outcome("information", "informational"), "search": {"mode": "outcome"}},
        {"resource": outcome("information", "informational")},
    ]
    page = await page_of({"resourceType": "Bundle", "entry": entries})
    assert [resource.id for resource in page.resources] == ["1", "2"]
    assert page.problems == ()


async def test_one_bad_entry_does_not_cost_the_page() -> None:
    rows: list[Any] = [
        observation("1"),
        None,
        {"resourceType": "Observation"},
        {"resourceType": "Observation", "id": 7},
        {"resourceType": "Observation", "id": ""},
        {"resourceType": "Patient", "id": "5"},
        {"id": "6"},
        [],
        observation("1"),
        observation("2"),
    ]
    entries = [{"resource": row} for row in rows] + [None, "x", {}]
    page = await page_of({"resourceType": "Bundle", "entry": entries})
    assert [resource.id for resource in page.resources] == ["1", "2"]
    assert page.problems == (
        "ehr gave 10 entries that cannot be read.",
        "ehr gave 1 entries twice.",
    )


@pytest.mark.parametrize(
    ("said", "problems"),
    [
        (outcome("warning", "not-found", "4101"), ()),
        (outcome("information", "incomplete"), ()),
        (outcome("warning", "business-rule"), ()),
        (outcome("warning", "incomplete"), ("ehr says that there is more than it gave.",)),
        (outcome("warning", "processing", "4119"), ("ehr says that there is more than it gave.",)),
        (outcome("warning", "suppressed"), ("ehr withheld something.",)),
        (outcome("error", "processing"), ("ehr reports an error in its answer.",)),
        (outcome("fatal", "timeout"), ("ehr did not find everything in time.",)),
    ],
)
async def test_an_outcome_in_a_searchset_counts_where_it_says_that_data_is_missing(
    said: Json, problems: tuple[str, ...]
) -> None:
    entries = [{"resource": observation("1")}, {"resource": said, "search": {"mode": "outcome"}}]
    page = await page_of({"resourceType": "Bundle", "entry": entries})
    assert page.problems == problems
    assert [resource.id for resource in page.resources] == ["1"]


# ------------------------------------------------------------ parameters that a source ignores


def status_filter() -> Search:
    return search(filters=(Filter("code", ("1",)), Filter("category", ("x",))), patient="1")


async def test_a_filter_that_the_self_link_leaves_out_was_ignored() -> None:
    """Rows that nobody filtered must not pass for filtered ones."""
    link = f"{BASE}/Observation?patient=Patient/1&code=1&_count=20"
    server = Server(lambda request: bundle(observation("1"), link_self=link))
    source = server.source()
    (problem,) = await source.search([status_filter()], call())
    assert isinstance(problem, SearchNotSupported)
    abilities = await source.abilities("Observation", call())
    assert not isinstance(abilities, UpstreamError)
    assert abilities.parameters == {"_id", "patient", "code", "identifier"}


@pytest.mark.parametrize(
    "link",
    [
        None,
        f"{BASE}/Observation",
        f"{BASE}/Observation?code=1&category=x&subject=1",
        f"{BASE}/Observation?code:exact=1&category:not=x",
        "http://[broken/?code=1",
    ],
)
async def test_a_self_link_that_says_nothing_against_it_is_believed(link: str | None) -> None:
    assert (await page_of(bundle(observation("1"), link_self=link), status_filter())).problems == ()


async def test_an_ignored_sort_is_told_too() -> None:
    link = f"{BASE}/Observation?patient=Patient/1&_count=20"
    asking = search(patient="1", sort=("-date",))
    assert isinstance(await error_of(bundle(observation("1"), link_self=link), asking), SearchNotSupported)


async def test_a_warning_that_a_part_of_the_search_was_not_understood_ends_it() -> None:
    said = {"resource": outcome("warning", "invalid", "4122"), "search": {"mode": "outcome"}}
    body = {"resourceType": "Bundle", "entry": [{"resource": observation("1")}, said]}
    assert isinstance(await error_of(body, status_filter()), SearchNotSupported)


# ------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (fhir_json(outcome(code="not-supported"), 400), SearchNotSupported),
        (fhir_json(outcome(code="business-rule", vendor_code="59108"), 400), SearchNotSupported),
        (fhir_json(outcome(code="not-supported"), 404), SearchNotSupported),
        (fhir_json(outcome(code="invalid"), 400), UpstreamRejected),
        (fhir_json(outcome(code="login"), 401), UpstreamRejected),
        (fhir_json(outcome(code="forbidden"), 403), UpstreamRejected),
        (fhir_json(outcome(vendor_code="4130", code="processing"), 403), UpstreamRejected),
        (fhir_json(b"", 429), UpstreamThrottled),
        (fhir_json(outcome(vendor_code="4135", code="processing"), 400), UpstreamThrottled),
        (fhir_json(b"", 503, {"Retry-After": "3"}), UpstreamThrottled),
        (fhir_json(b"", 500), UpstreamUnavailable),
        (fhir_json({"error": {"code": 500, "message": "plain"}}, 500), UpstreamUnavailable),
        (fhir_json({"error": {"code": 400, "message": "plain"}}, 400), UpstreamRejected),
        (fhir_json(b"<html>Bad gateway</html>", 502), UpstreamUnavailable),
        (fhir_json(b"", 408), UpstreamTimeout),
        (fhir_json(b"", 504), UpstreamTimeout),
        (fhir_json(b"", 302, {"Location": "http://evil.test/"}), UpstreamInvalidResponse),
        (fhir_json(b"<html>Sign in</html>"), UpstreamInvalidResponse),
        (fhir_json(b'{"resourceType":"Bundle","entry":[{"reso'), UpstreamInvalidResponse),
        (fhir_json(b""), UpstreamInvalidResponse),
        (fhir_json(b"[]"), UpstreamInvalidResponse),
        (fhir_json({"count": 1, "next": None, "results": [observation("1")]}), UpstreamInvalidResponse),
        (fhir_json(observation("1")), UpstreamInvalidResponse),
        (fhir_json({"resourceType": "Bundle", "entry": {}}), UpstreamInvalidResponse),
        (fhir_json(outcome(code="throttled")), UpstreamThrottled),
        (fhir_json(outcome(code="forbidden")), UpstreamRejected),
        (fhir_json(outcome(code="transient")), UpstreamUnavailable),
        (fhir_json(outcome(code="timeout")), UpstreamTimeout),
        (fhir_json(outcome(code="not-supported")), SearchNotSupported),
        (fhir_json(outcome(code="structure")), UpstreamInvalidResponse),
    ],
)
async def test_every_refusal_has_its_kind(reply: httpx.Response, kind: type[UpstreamError]) -> None:
    problem = await error_of(reply)
    assert type(problem) is kind
    assert problem.source == "ehr"
    assert problem.message.startswith("ehr ")


async def test_how_long_to_wait_is_handed_on() -> None:
    problem = await error_of(fhir_json(b"", 429, {"Retry-After": "17"}))
    assert problem.retry_after_s == 17.0


async def test_messages_hold_nothing_of_the_answer() -> None:
    secret = {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "diagnostics": "NHS 9990000018"}],
    }
    problem = await error_of(fhir_json(secret, 400))
    assert "9990000018" not in f"{problem} {problem.detail}"


async def test_one_failing_search_does_not_cost_the_others_theirs() -> None:
    def handler(request: httpx.Request) -> Reply:
        return fhir_json(b"", 500) if asked(request)["patient"] == "Patient/2" else bundle(observation("1"))

    one, two = await Server(handler).source().search(by_patient(1, 2), call())
    assert isinstance(one, Page)
    assert isinstance(two, UpstreamUnavailable)


# ------------------------------------------------------------ totals


async def test_a_count_is_asked_by_summary() -> None:
    server = Server(lambda request: {"resourceType": "Bundle", "total": 12})
    counts = await server.source().count([search(patient="1"), search(patient="1")], call())
    assert list(counts) == [12, 12]
    assert [asked(request) for request in server.seen] == [{"patient": "Patient/1", "_summary": "count"}]


@pytest.mark.parametrize(
    "reply",
    [
        bundle(observation("1"), total=900),
        {"resourceType": "Bundle"},
        {"resourceType": "Bundle", "total": "3"},
    ],
)
async def test_a_total_that_may_be_a_guess_is_none(reply: Json) -> None:
    (count,) = await Server(lambda request: reply).source().count([search()], call())
    assert count is None


async def test_a_source_that_cannot_count_is_not_asked() -> None:
    server = Server(lambda request: bundle(observation("1"), total=7, next=f"{BASE}?p"))
    source = server.source(capabilities={"counts": False})
    (count,) = await source.count([search()], call())
    assert (count, server.seen) == (None, [])
    (page,) = await source.search([search()], call())
    assert isinstance(page, Page)
    assert page.total is None


async def test_a_failing_count_is_an_error() -> None:
    (problem,) = await Server(lambda request: fhir_json(b"", 500)).source().count([search()], call())
    assert isinstance(problem, UpstreamUnavailable)


# ------------------------------------------------------------ partitions

FAN = {
    "type": "Observation",
    "parameter": "category",
    "unless": ["category", "code"],
    "values": ["vital-signs", "laboratory"],
    "exhaustive": True,
}


def test_a_search_that_a_source_refuses_is_asked_in_parts() -> None:
    source = Server(lambda request: bundle()).source(fan_out=[FAN])
    parts = source.partition("Observation", [Filter("date", ("ge2020",))])
    assert parts == Partition(
        (Filter("category", ("vital-signs",)), Filter("category", ("laboratory",))), True
    )


def test_a_search_that_has_what_it_needs_is_asked_whole() -> None:
    source = Server(lambda request: bundle()).source(fan_out=[FAN])
    assert source.partition("Observation", [Filter("code", ("1",))]) == Partition()
    assert source.partition("Condition", []) == Partition()


def test_parts_may_be_joined_into_one_search_and_may_be_less_than_all() -> None:
    source = Server(lambda request: bundle()).source(
        fan_out=[{**FAN, "is_joined": True, "exhaustive": False}]
    )
    assert source.partition("Observation", []) == Partition(
        (Filter("category", ("vital-signs", "laboratory")),), False
    )


async def test_a_page_asks_nothing_but_its_own_address() -> None:
    server = Server(lambda request: bundle())
    asking = replace(status_filter(), page=f"{BASE}?_getpages=x")
    await server.source().search([asking], call())
    assert str(server.seen[0].url) == f"{BASE}?_getpages=x"
