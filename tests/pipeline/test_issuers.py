"""Issuers that are down, slow, endless or lying: no data, no long wait, and the answer that the docs name."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.authn.certificates import as_client_cert, made, thumbprint
from tests.pipeline.asking import Gateway, Told
from tests.pipeline.odd_issuer import AUDIENCE, FAULTS, OddIssuers, active
from tests.pipeline.own_gateway import Change, own_gateway, types
from tests.running import Sandbox, free_port, served

QUERY = '{ patient(id: "ehr/Patient/1001") { id } }'
DEADLINE_S = 6.0
"""A request that meets it is 504: none of these may come so far."""

Json = dict[str, Any]


def is_refused(told: Told) -> bool:
    """The token is no good, and nothing else is said."""
    assert "data" not in told.document
    return (
        (told.status, told.codes) == (401, ["UNAUTHENTICATED"])
        and told.headers["www-authenticate"] == 'Bearer error="invalid_token"'
        and told.errors[0]["message"] == "The access token is not valid."
    )


def is_put_off(told: Told) -> bool:
    """Whether the token is good cannot be known now."""
    assert "data" not in told.document
    return (
        (told.status, told.codes) == (503, ["UPSTREAM_UNAVAILABLE"])
        and told.headers["retry-after"] == "5"
        and "www-authenticate" not in told.headers
        and told.errors[0]["message"] == "Access tokens cannot be checked at the moment."
    )


@pytest.fixture(scope="module")
def odd() -> OddIssuers:
    return OddIssuers()


@pytest.fixture(scope="module")
def origin(odd: OddIssuers) -> Iterator[str]:
    with served(odd.app) as started:
        yield started


def accepting(sandbox: Sandbox, folder: Path, *issuers: Json) -> Change:
    """These issuers in place of the sandbox's; `folder` takes the secrets."""
    secrets = folder / "secrets"
    shutil.copytree(sandbox.state / "secrets", secrets)
    (secrets / "issuer_secret").write_text("hush")

    def change(written: Json) -> None:
        written["secrets"]["directory"] = str(secrets)
        written["server"]["request_deadline_s"] = DEADLINE_S
        written["issuers"] = [{"patient_source": "ehr", "audience": AUDIENCE, **one} for one in issuers]

    return change


def signing(origin: str, name: str) -> Json:
    return {"issuer": f"{origin}/{name}", "jwks_uri": f"{origin}/{name}/jwks"}


def asked(origin: str, name: str = "opaque", **introspection: Any) -> Json:
    told = {"endpoint": f"{origin}/{name}/introspect", "client_id": "gateway", "secret": "issuer_secret"}
    return {"kind": "opaque", "issuer": f"{origin}/{name}", "introspection": told | introspection}


@pytest.fixture(scope="module")
def away() -> str:
    return f"http://127.0.0.1:{free_port()}"


@pytest.fixture(scope="module")
def gateway(
    sandbox: Sandbox, odd: OddIssuers, origin: str, away: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    issuers = [signing(origin, name) for name in ("good", "twins", *FAULTS)]
    change = accepting(
        sandbox, tmp_path_factory.mktemp("issuers"), *issuers, signing(away, "away"), asked(origin)
    )
    with own_gateway(sandbox, types("Patient", "Observation"), change) as started:
        yield started


def test_each_token_finds_its_issuer(gateway: Gateway, odd: OddIssuers, origin: str) -> None:
    odd.answers["t-good"] = active()
    assert gateway.with_token("t-good").ask(QUERY).whole()["patient"]
    shown = len(odd.shown)
    assert gateway.with_token(odd.signed(f"{origin}/good")).ask(QUERY).whole()["patient"]
    assert is_refused(gateway.with_token(odd.signed(f"{origin}/opaque")).ask(QUERY))
    assert is_refused(gateway.with_token(odd.signed("https://elsewhere.example")).ask(QUERY))
    assert len(odd.shown) == shown, "no JWT is shown to an issuer that does not ask for them"


def test_keys_that_cannot_be_had_put_the_caller_off(
    gateway: Gateway, sandbox: Sandbox, odd: OddIssuers, origin: str, away: str
) -> None:
    sandbox.forget_requests()
    for issuer in (*(f"{origin}/{name}" for name in FAULTS), f"{away}/away"):
        assert is_put_off(gateway.with_token(odd.signed(issuer)).ask(QUERY)), issuer
    assert sandbox.requests("ehr") == []
    assert gateway.with_token(odd.signed(f"{origin}/good")).ask(QUERY).whole(), (
        "other issuers are as good as ever"
    )


def test_two_keys_of_one_id_are_none(gateway: Gateway, odd: OddIssuers, origin: str) -> None:
    assert is_refused(gateway.with_token(odd.signed(f"{origin}/twins")).ask(QUERY))


def test_introspection_that_lies_or_leaves_out_is_not_believed(
    gateway: Gateway, sandbox: Sandbox, odd: OddIssuers
) -> None:
    sandbox.forget_requests()
    odd.answers |= {
        "revoked": {"active": False, "scope": "user/*.rs", "client_id": "some-app"},
        "without-exp": active(exp=None),
        "without-scope": active(scope=None),
        "without-client": active(client_id=None),
        "expired": active(exp=1),
        "not-yet": active(nbf=9_999_999_999),
        "elsewhere": active(aud="https://elsewhere.example"),
        "for-nobody": active(aud=None),
        "of-another": active(iss="https://elsewhere.example"),
        "refreshing": active(token_type="refresh_token"),
        "dpop": active(token_type="DPoP", cnf={"jkt": "thumbprint"}),
        "jkt": active(cnf={"jkt": "thumbprint"}),
        "bound": active(cnf={"x5t#S256": "thumbprint"}),
    }
    for token in (*odd.answers, "never-heard-of"):
        if token != "t-good":
            assert is_refused(gateway.with_token(token).ask(QUERY)), token
    assert sandbox.requests("ehr") == []


@pytest.mark.parametrize(
    "fault", FAULTS
)  # the ones that hang come last: the endpoint is left alone after them
def test_introspection_that_cannot_be_had_puts_the_caller_off(gateway: Gateway, fault: str) -> None:
    assert is_put_off(gateway.with_token(fault).ask(QUERY))


def test_introspection_that_is_down_puts_the_caller_off(
    sandbox: Sandbox, odd: OddIssuers, origin: str, away: str, tmp_path: Path
) -> None:
    change = accepting(sandbox, tmp_path, asked(away), signing(origin, "good"))
    with own_gateway(sandbox, types("Patient"), change) as gateway:
        assert is_put_off(gateway.with_token("t-good").ask(QUERY))
        assert gateway.with_token(odd.signed(f"{origin}/good")).ask(QUERY).whole()["patient"]


def test_another_client_than_the_accepted_ones_is_refused(
    sandbox: Sandbox, odd: OddIssuers, origin: str, tmp_path: Path
) -> None:
    change = accepting(sandbox, tmp_path, {**asked(origin), "clients": ["portal"]})
    odd.answers |= {"portals": active(client_id="portal"), "others": active()}
    with own_gateway(sandbox, types("Patient"), change) as gateway:
        assert gateway.with_token("portals").ask(QUERY).whole()["patient"]
        assert is_refused(gateway.with_token("others").ask(QUERY))


@pytest.mark.parametrize(("proxies", "is_believed"), [(["127.0.0.1"], True), (["192.0.2.1"], False)])
def test_certificate_header_is_believed_from_a_configured_proxy_alone(
    sandbox: Sandbox, odd: OddIssuers, origin: str, tmp_path: Path, proxies: list[str], is_believed: bool
) -> None:
    own, others = made("own"), made("others")
    odd.answers["bound-here"] = active(cnf={"x5t#S256": thumbprint(own)})

    def behind(written: Json) -> None:
        written["server"]["client_certificate"] = {"proxies": proxies}

    with own_gateway(
        sandbox, types("Patient"), accepting(sandbox, tmp_path, asked(origin)), behind
    ) as gateway:
        caller = gateway.with_token("bound-here")
        body = json.dumps({"query": QUERY}).encode()
        for _ in range(2):
            told = caller.post(body, Client_Cert=as_client_cert(own))
            assert told.whole()["patient"] if is_believed else is_refused(told)
            assert is_refused(caller.post(body, Client_Cert=as_client_cert(others)))
            assert is_refused(caller.post(body))
