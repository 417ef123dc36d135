"""The edge of the gateway: health, request ids, CORS, discovery."""

from __future__ import annotations

import uuid

import pytest

from tests.pipeline.asking import Gateway
from tests.pipeline.house import House
from tests.running import Sandbox

SMALL = b'{"query": "{ patient(id: \\"ehr/Patient/1001\\") { id } }"}'
PAGE = "http://localhost:3000"


def test_healthz_answers_whatever_the_sources_do(gateway: Gateway, sandbox: Sandbox) -> None:
    with sandbox.fault("ehr", status=500):
        answer = gateway.client.get(f"{gateway.origin}/healthz")
    assert (answer.status_code, answer.text) == (200, "ok\n")


def test_readyz_says_which_sources_are_up(gateway: Gateway) -> None:
    answer = gateway.client.get(f"{gateway.origin}/readyz")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ready",
        "upstreams": {"ehr": {"up": True}, "gp": {"up": True}, "wearable": {"up": True}},
    }


def test_health_needs_no_token_and_tells_no_address(gateway: Gateway) -> None:
    for path in ("healthz", "readyz"):
        answer = gateway.client.get(f"{gateway.origin}/{path}")
        assert "127.0.0.1" not in answer.text
        assert "http" not in answer.text


# ---------------------------------------------------------------- request ids


def test_a_request_id_is_echoed_and_sent_to_the_sources(gateway: Gateway, sandbox: Sandbox) -> None:
    own = str(uuid.uuid4())
    sandbox.forget_requests()
    answer = gateway.post(SMALL, X_Request_ID=own)
    assert answer.headers["x-request-id"] == own
    asked = [*sandbox.requests("ehr"), *sandbox.requests("gp")]
    assert len(asked) >= 2
    assert {one["request_id"] for one in asked} == {own}


def test_the_sources_can_join_the_calls_of_one_request(house: House) -> None:
    own = str(uuid.uuid4())
    house.odd.seen.clear()
    house.gateway.post(SMALL.replace(b"ehr/Patient/1001", b"odd/Patient/p1"), X_Request_ID=own)
    assert house.odd.seen
    assert {one.headers["x-correlation-id"] for one in house.odd.seen} == {own}


@pytest.mark.parametrize("given", [None, "", "1", "x" * 36, str(uuid.uuid4()) + "0", "a\tb"])
def test_a_request_without_a_uuid_gets_one(gateway: Gateway, given: str | None) -> None:
    answer = gateway.post(SMALL, **({} if given is None else {"X_Request_ID": given}))
    made = answer.headers["x-request-id"]
    assert str(uuid.UUID(made)) == made != given


def test_refusals_have_a_request_id_too(gateway: Gateway) -> None:
    own = str(uuid.uuid4())
    refused = gateway.with_token(None).post(SMALL, X_Request_ID=own)
    broken = gateway.post(b"{", X_Request_ID=own)
    absent = gateway.client.get(f"{gateway.origin}/nothing", headers={"X-Request-ID": own})
    for headers in (refused.headers, broken.headers, absent.headers):
        assert headers["x-request-id"] == own
    assert refused.errors[0]["extensions"]["requestId"] == own
    assert broken.errors[0]["extensions"]["requestId"] == own


# ---------------------------------------------------------------- browsers


def test_a_preflight_from_an_allowed_page_is_answered(gateway: Gateway) -> None:
    answer = gateway.client.options(
        gateway.url,
        headers={
            "Origin": PAGE,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type,x-request-id",
        },
    )
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert "POST" in answer.headers["access-control-allow-methods"]
    allowed = {name.strip() for name in answer.headers["access-control-allow-headers"].split(",")}
    assert {"authorization", "content-type", "x-request-id"} <= allowed


@pytest.mark.parametrize("page", ["https://evil.example", "null", f"{PAGE}.evil.example", "http://LOCALHOST"])
def test_a_preflight_from_another_page_is_refused(gateway: Gateway, page: str) -> None:
    headers = {"Origin": page, "Access-Control-Request-Method": "POST"}
    answer = gateway.client.options(gateway.url, headers=headers)
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


def test_an_allowed_page_may_read_what_it_needs(gateway: Gateway) -> None:
    answer = gateway.post(SMALL, Origin=PAGE)
    exposed = {name.strip() for name in answer.headers["access-control-expose-headers"].split(",")}
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert {"Retry-After", "RateLimit", "X-Request-ID"} <= exposed
    assert "Origin" in answer.headers["vary"]


def test_another_page_may_read_nothing(gateway: Gateway) -> None:
    answer = gateway.post(SMALL, Origin="https://evil.example")
    assert "access-control-allow-origin" not in answer.headers


def test_answers_are_kept_by_nobody(gateway: Gateway) -> None:
    answer = gateway.post(SMALL)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_large_answer_is_compressed_for_a_client_that_takes_it(gateway: Gateway) -> None:
    query = b'{"query": "{ patients(first: 20) { nodes { id name { family given } } } }"}'
    packed = gateway.post(query, Accept_Encoding="gzip")
    plain = gateway.post(query, Accept_Encoding="identity")
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.whole() == plain.whole()


# ---------------------------------------------------------------- discovery


@pytest.mark.parametrize("accept", ["application/json", "text/html", "*/*"])
def test_smart_configuration_is_json_whatever_is_accepted(gateway: Gateway, accept: str) -> None:
    address = f"{gateway.origin}/.well-known/smart-configuration"
    answer = gateway.client.get(address, headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/json")
    told = answer.json()
    for name in ("token_endpoint", "jwks_uri", "issuer"):
        assert told[name].startswith("http://127.0.0.1:")
    assert {"permission-v1", "permission-v2"} <= set(told["capabilities"])
    assert "plain" not in told["code_challenge_methods_supported"]


def test_the_schema_is_published(gateway: Gateway) -> None:
    answer = gateway.client.get(f"{gateway.origin}/schema.graphql")
    assert answer.status_code == 200
    assert "type Patient" in answer.text


def test_introspection_is_answered(gateway: Gateway) -> None:
    types = gateway.ask("{ __schema { types { name } } }").whole()["__schema"]["types"]
    assert {"Patient", "Observation", "SourceOutcome"} <= {one["name"] for one in types}
