"""How the gateway shows sources who asks: real gateways, real token endpoints, and what reached whom."""

from __future__ import annotations

import base64
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from sandbox.population.model import Population
from tests.pipeline import odd_source
from tests.pipeline.asking import Gateway, Told
from tests.pipeline.house import beside
from tests.pipeline.odd_source import Elsewhere, OddSource, Seen, fixed, observation, searchset
from tests.pipeline.own_gateway import own_gateway, types, upstream
from tests.redis_socket import redis_socket
from tests.running import Sandbox, eventually, served

LIST = """query List($id: ID!) { patient(id: $id) { observations(first: 50) {
  completeness sources { source status } nodes { id derivedFrom { resource { ... on Observation { id } } } }
} } }"""

Json = dict[str, Any]


@dataclass(slots=True)
class House:
    """A gateway over the hospital and an odd source with credentials of the test's own."""

    gateway: Gateway
    odd: OddSource
    elsewhere: Elsewhere
    elsewhere_url: str
    person: str

    def ask(self, token: str | None = None) -> Told:
        gateway = self.gateway if token is None else self.gateway.with_token(token)
        return gateway.ask(LIST, id=self.person)

    def statuses(self, told: Told) -> dict[str, str]:
        rows = told.data["patient"]["observations"]["sources"]
        return {row["source"]: row["status"] for row in rows}

    def shown(self) -> set[str | None]:
        """What the odd source was shown, but for what the gateway asks of its own accord."""
        return {one.headers.get("authorization") for one in self.asked()}

    def asked(self) -> list[Seen]:
        return [one for one in self.odd.seen if not one.path.endswith("/metadata")]


@contextmanager
def house(
    sandbox: Sandbox,
    population: Population,
    folder: Path,
    credentials: Json,
    secrets: dict[str, str] | None = None,
    change: Callable[[Json], None] = lambda _: None,
    **of_source: Any,
) -> Iterator[House]:
    person = next(one for one in population.people if "ehr-only" in one.traits)
    odd = odd_source.fhir_source(population, person)
    lying = folder / "secrets"
    shutil.copytree(sandbox.state / "secrets", lying)
    for name, text in (secrets or {}).items():
        (lying / name).write_text(text)

    def credentialed(written: Json) -> None:
        upstream(written, "odd").update(credentials=credentials, **of_source)

    with served(odd) as origin, served(elsewhere := Elsewhere()) as other:
        odd.open(origin)
        changes = (types("Patient", "Observation"), beside(odd, lying), credentialed, change)
        with own_gateway(sandbox, *changes) as gateway:
            known = sandbox.summary["patients"][person.index]["id"]
            yield House(gateway, odd, elsewhere, other, known)


@dataclass(slots=True)
class TokenServer:
    """Gives T1, T2, ... to whom `check` lets in."""

    check: Callable[[Json], str | None] = lambda form: None
    forms: list[Json] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/token", self.token, methods=["POST"])])

    async def token(self, request: Request) -> Response:
        form = dict(httpx.QueryParams((await request.body()).decode()))
        with self.lock:
            self.forms.append(form)
            number = len(self.forms)
        if error := self.check(form):
            return JSONResponse({"error": error}, 400)
        return JSONResponse({"access_token": f"T{number}", "token_type": "Bearer", "expires_in": 300})


# ------------------------------------------------------------ forward


@pytest.fixture(scope="module")
def forwarding(
    sandbox: Sandbox, population: Population, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    credentials = {"kind": "forward", "trusted_issuer": sandbox.summary["issuer"]}
    with house(sandbox, population, tmp_path_factory.mktemp("forward"), credentials) as built:
        yield built


def test_each_callers_own_token_reaches_the_source_that_trusts_their_issuer(
    forwarding: House, sandbox: Sandbox
) -> None:
    forwarding.odd.seen.clear()
    for who in ("clinician", "partner"):
        forwarding.odd.seen.clear()
        assert forwarding.statuses(forwarding.ask(sandbox.token(who))) == {"ehr": "OK", "odd": "OK"}
        assert forwarding.shown() == {f"Bearer {sandbox.token(who)}"}


def test_what_the_gateway_asks_for_itself_shows_no_callers_token(forwarding: House) -> None:
    forwarding.gateway.client.get(f"{forwarding.gateway.origin}/readyz")
    own = [one for one in forwarding.odd.seen if one.path.endswith("/metadata")]
    assert {one.headers.get("authorization") for one in own} == {None}


@pytest.mark.parametrize("way", ["next link", "redirect", "redirect of the next link", "reference"])
def test_a_callers_token_never_reaches_another_host(forwarding: House, way: str) -> None:
    """Neither does anything else: the other host is not called at all."""
    away = f"{forwarding.elsewhere_url}/fhir"
    linking = {**observation(1), "derivedFrom": [{"reference": f"{away}/Observation/o9"}]}
    odd: dict[str, ASGIApp] = {
        "next link": fixed(200, searchset([observation(1)], next=f"{away}/Observation?page=2")),
        "redirect": fixed(307, b"", location=f"{away}/Observation"),
        "redirect of the next link": odd_source.paging(
            lambda page: searchset([observation(page + 1)], next=f"{away}/x?page={page}")
        ),
        "reference": fixed(200, searchset([linking])),
    }
    with forwarding.odd.doing(odd[way]):
        told = forwarding.ask()
    assert told.status == 200
    assert forwarding.shown() == {f"Bearer {forwarding.gateway.token}"}
    assert forwarding.elsewhere.seen == []


def test_callers_of_an_issuer_that_the_source_does_not_trust_are_denied_uncalled(
    sandbox: Sandbox, population: Population, tmp_path: Path
) -> None:
    other = "https://other.example"

    def trusting(written: Json) -> None:
        written["issuers"].append(
            {"issuer": other, "audience": "https://x.example", "jwks_uri": f"{other}/jwks"}
        )

    credentials = {"kind": "forward", "trusted_issuer": other}
    with house(sandbox, population, tmp_path, credentials, change=trusting) as built:
        told = built.ask()
        assert built.statuses(told) == {"ehr": "OK", "odd": "DENIED"}
        assert built.asked() == []
        by_id = built.gateway.ask('{ observation(id: "odd/Observation/o1") { id } }')
        assert (by_id.data, by_id.codes) == ({"observation": None}, ["FORBIDDEN"])
        assert by_id.errors[0]["extensions"]["source"] == "odd"
        assert built.asked() == []


# ------------------------------------------------------------ purposes of use


def test_a_source_is_asked_for_its_purposes_of_use_only(
    sandbox: Sandbox, population: Population, tmp_path: Path
) -> None:
    def claiming(written: Json) -> None:
        written["issuers"][0]["claims"] = {"purposes": "purpose"}

    kind = {"kind": "static", "secret": "upstream_odd_token"}
    with house(
        sandbox, population, tmp_path, kind, {"upstream_odd_token": "x"}, claiming, purposes=["TREAT"]
    ) as built:
        for claims, status in (
            ({}, "DENIED"),
            ({"purpose": "PATRQT"}, "DENIED"),
            ({"purpose": "TREAT"}, "OK"),
        ):
            built.odd.seen.clear()
            token = sandbox.minted(scope="user/*.rs", claims=claims)
            told = built.ask(token)
            assert built.statuses(told)["odd"] == status, claims
            assert bool(built.asked()) == (status == "OK")
            found = built.gateway.with_token(token).ask("{ sources { source status } }")
            assert found.data["sources"][1] == {"source": "odd", "status": status}


def test_a_default_purpose_of_use_counts_for_tokens_that_state_none(
    sandbox: Sandbox, population: Population, tmp_path: Path
) -> None:
    def default(written: Json) -> None:
        written["purposes"] = {"default": "TREAT"}

    with house(sandbox, population, tmp_path, {"kind": "none"}, change=default, purposes=["TREAT"]) as built:
        assert built.statuses(built.ask())["odd"] == "OK"


# ------------------------------------------------------------ the gateway's own key


def test_a_token_endpoint_verifies_the_gateways_proof_by_what_the_gateway_publishes(
    sandbox: Sandbox, population: Population, tmp_path: Path
) -> None:
    origins: list[str] = []
    seen: set[str] = set()

    def verify(form: Json) -> str | None:
        if not origins:
            return "invalid_client"
        published = httpx.get(f"{origins[0]}/.well-known/jwks.json", trust_env=False)
        keys = KeySet.import_key_set(published.json())
        claims = jwt.decode(form["client_assertion"], keys, ["ES384"]).claims
        is_good = (
            claims["iss"] == claims["sub"] == "gateway"
            and claims["aud"] == f"{issuer}/token"
            and 0 < claims["exp"] - time.time() <= 300
            and claims["jti"] not in seen
        )
        seen.add(claims["jti"])
        return None if is_good else "invalid_client"

    server = TokenServer(verify)
    keys = [ECKey.generate_key("P-384", {"kid": f"k{n}"}) for n in range(2)]
    secret = json.dumps({"keys": [key.as_dict(private=True) for key in keys]})
    with served(server.app()) as issuer:
        credentials = {"kind": "private_key_jwt", "token_url": f"{issuer}/token", "client_id": "gateway"}
        with house(sandbox, population, tmp_path, credentials, {"signing_keys": secret}) as built:
            origins.append(built.gateway.origin)
            # What the gateway asked before it could itself be asked for its keys was refused; it asks again.
            eventually(lambda: built.statuses(built.ask())["odd"] == "OK" or None)
            assert len(built.shown()) == 1
            published = built.gateway.client.get(f"{built.gateway.origin}/.well-known/jwks.json")
    assert published.headers["cache-control"] == "public, max-age=3600"
    assert [key["kid"] for key in published.json()["keys"]] == ["k0", "k1"]
    assert {name for key in published.json()["keys"] for name in key} == {
        "kty", "crv", "x", "y", "kid", "use", "alg",
    }  # fmt: skip


# ------------------------------------------------------------ token exchange


def test_callers_tokens_are_exchanged_once_each_and_never_mixed_up(
    sandbox: Sandbox, population: Population, tmp_path: Path
) -> None:
    server = TokenServer()
    with served(server.app()) as issuer:
        credentials = {"kind": "token_exchange", "token_url": f"{issuer}/token", "client_id": "gateway"}
        secrets = {"upstream_odd_client_secret": "s3cret"}
        with house(sandbox, population, tmp_path, credentials, secrets) as built:
            callers = [sandbox.token("clinician"), sandbox.token("partner")]
            with ThreadPoolExecutor(8) as pool:
                told = list(pool.map(built.ask, callers * 8))
            assert {built.statuses(one)["odd"] for one in told} == {"OK"}
            assert sorted(form["subject_token"] for form in server.forms) == sorted(callers)
            assert built.shown() == {"Bearer T1", "Bearer T2"}
            built.odd.seen.clear()
            built.ask(callers[0])
            number = [form["subject_token"] for form in server.forms].index(callers[0]) + 1
            assert built.shown() == {f"Bearer T{number}"}


# ------------------------------------------------------------ patients' grants


@pytest.fixture
def redis_url(redis_server: str, tmp_path: Path) -> Iterator[str]:
    with redis_socket(redis_server, tmp_path) as url:
        yield url


@dataclass(slots=True)
class Vendor:
    """The wearable vendor's token endpoint: a refresh token is good once; access tokens are the sandbox's."""

    tokens: dict[str, str]
    good: dict[str, str]
    used: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    async def token(self, request: Request) -> Response:
        form = httpx.QueryParams((await request.body()).decode())
        with self.lock:
            refresh = form["refresh_token"]
            self.used.append(refresh)
            account = self.good.pop(refresh, None)
            if account is None or form["client_secret"] != "s3cret":
                return JSONResponse({"error": "invalid_grant"}, 400)
            following = f"{refresh}+"
            self.good[following] = account
        return JSONResponse(
            {
                "access_token": self.tokens[account],
                "token_type": "Bearer",
                "expires_in": 3600,
                "refresh_token": following,
            }
        )


WEARABLE = """query W($id: ID!) { patient(id: $id) {
  sources { source status }
  observations(first: 50) { completeness sources { source status } nodes { id } }
} }"""


def test_two_gateways_on_one_store_renew_a_patients_grant_once_and_drop_a_revoked_one(
    sandbox: Sandbox, population: Population, tmp_path: Path, redis_url: str
) -> None:
    tokens = {account.user_id: account.token for account in population.wearable.values()}
    kept, revoked, none = sorted(tokens)[:3]
    vendor = Vendor(tokens, {f"{kept}-R": kept})
    secrets = tmp_path / "secrets"
    shutil.copytree(sandbox.state / "secrets", secrets)
    grants = {one: {"refresh_token": f"{one}-R"} for one in (kept, revoked)}
    texts = {
        "upstream_wearable_grants": json.dumps(grants),
        "upstream_wearable_client_secret": "s3cret",
        "grant_key": base64.b16encode(b"k" * 32).decode(),
        "redis_url": redis_url,
    }
    for name, text in texts.items():
        (secrets / name).write_text(text)

    def change(written: Json) -> None:
        written["secrets"]["directory"] = str(secrets)
        written["store"] = {"kind": "redis", "url_secret": "redis_url"}
        upstream(written, "wearable")["credentials"] = {
            "kind": "patient_grant",
            "token_url": f"{issuer}/token",
            "client_id": "gateway",
        }

    def person(account: str) -> str:
        return next(
            str(one["id"])
            for one in sandbox.summary["patients"]
            if one["sources"].get("wearable") == f"Patient/{account}"
        )

    def statuses(rows: list[Json]) -> str:
        return next(str(row["status"]) for row in rows if row["source"] == "wearable")

    app = Starlette(routes=[Route("/token", vendor.token, methods=["POST"])])
    with served(app) as issuer:
        changes = (types("Patient", "Observation"), change)
        with own_gateway(sandbox, *changes) as one, own_gateway(sandbox, *changes) as other:

            def ask(gateway: Gateway, account: str) -> tuple[str, str, str, int]:
                told = gateway.ask(WEARABLE, id=person(account)).whole()["patient"]
                listed = told["observations"]
                rows = [node for node in listed["nodes"] if node["id"].startswith("wearable/")]
                return (
                    statuses(told["sources"]),
                    statuses(listed["sources"]),
                    str(listed["completeness"]),
                    len(rows),
                )

            with ThreadPoolExecutor(8) as pool:
                found = set(pool.map(lambda gateway: ask(gateway, kept), [one, other] * 10))
            ((linked, listed, completeness, count),) = found
            assert (linked, listed, completeness) == ("OK", "OK", "COMPLETE")
            assert count > 0
            assert vendor.used == [f"{kept}-R"], "used once, by one of them"
            for gateway in (one, other, one):
                assert ask(gateway, revoked)[1:] == ("NOT_LINKED", "COMPLETE", 0)
                assert ask(gateway, revoked) == ("NOT_LINKED", "NOT_LINKED", "COMPLETE", 0)
            assert vendor.used == [f"{kept}-R", f"{revoked}-R"]
            assert ask(one, none) == ("NOT_LINKED", "NOT_LINKED", "COMPLETE", 0)
    assert vendor.used == [f"{kept}-R", f"{revoked}-R"]
