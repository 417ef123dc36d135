"""The whole gateway, built from a settings file, with its sources away."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.app import Outside, build
from gateway.audit.sink import SinkUnavailable
from gateway.authn.metadata import discovery_urls
from gateway.persisted.manifests import TrustedDocumentsInvalid
from gateway.secrets import SecretInvalid, Secrets
from gateway.start_check import start_problems
from resolvers.upstreams.registry import UpstreamInvalid
from resolvers.upstreams.wiring import Wiring
from tests.gateway.front_door import code_of
from tests.gateway.issuing import ISSUER, JWKS_URI, AuthorizationServer
from tests.gateway.settings_files import settings, write_secrets

SMALL = {
    "schema__resources": ["Patient", "Observation"],
    "upstreams__1__locations__0__base_url": "http://127.0.0.1:9/fhir",
}
AWAY = {"upstreams__0__base_url": "http://127.0.0.1:9/fhir", "upstreams__2__base_url": "http://127.0.0.1:9"}


@pytest.fixture
def issuer() -> AuthorizationServer:
    return AuthorizationServer()


@asynccontextmanager
async def gateway(
    folder: Path, issuer: AuthorizationServer, **changes: Any
) -> AsyncIterator[httpx.AsyncClient]:
    write_secrets(folder)
    secrets = Secrets(folder / "secrets", {})
    app = build(
        settings(folder, **SMALL, **AWAY, **changes), secrets, Outside(issuer.client, Wiring(secrets))
    )
    async with lifespan(app):
        yield httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway")


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[None]:
    messages: asyncio.Queue[Any] = asyncio.Queue()
    sent: asyncio.Queue[Any] = asyncio.Queue()
    running = asyncio.create_task(app({"type": "lifespan", "state": {}}, messages.get, sent.put))
    messages.put_nowait({"type": "lifespan.startup"})
    assert (await sent.get())["type"] == "lifespan.startup.complete"
    yield
    messages.put_nowait({"type": "lifespan.shutdown"})
    assert (await sent.get())["type"] == "lifespan.shutdown.complete"
    await running


async def test_gateway_serves_while_its_sources_are_away(tmp_path: Path, issuer: AuthorizationServer) -> None:
    async with gateway(tmp_path, issuer) as client:
        ready = await client.get("/readyz")
        assert ready.status_code == 200
        down = {"up": False, "code": "UPSTREAM_UNAVAILABLE"}
        assert ready.json() == {"status": "ready", "upstreams": {"ehr": down, "gp": down, "wearable": down}}
        assert (await client.get("/healthz")).text == "ok\n"
        headers = issuer.bearer() | {"Accept": "application/graphql-response+json"}
        response = await client.post(
            "/graphql", json={"query": "{ sources { source status } }"}, headers=headers
        )
        assert response.status_code == 200
        assert [one["status"] for one in response.json()["data"]["sources"]] == ["UNAVAILABLE"] * 3


async def test_requests_are_recorded_where_the_settings_say(
    tmp_path: Path, issuer: AuthorizationServer
) -> None:
    place = {"sink": "file", "path": "audit.jsonl"}
    async with gateway(tmp_path, issuer, audit=place) as client:
        await client.post("/graphql", json={"query": "{ __typename }"}, headers=issuer.bearer())
        await client.post("/graphql", json={"query": "{ __typename }"})
    lines = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert [line["outcome"] for line in lines] == ["OK", "UNAUTHENTICATED"]


async def test_production_defaults_show_no_schema_and_no_page(
    tmp_path: Path, issuer: AuthorizationServer
) -> None:
    async with gateway(tmp_path, issuer) as client:
        assert (await client.get("/schema.graphql")).status_code == 404
        assert (await client.get("/graphiql/page.js")).status_code == 404
        assert (await client.get("/graphql", headers={"Accept": "text/html"})).status_code == 406
        response = await client.post(
            "/graphql", json={"query": "{__schema{types{name}}}"}, headers=issuer.bearer()
        )
        assert code_of(response) == "OPERATION_NOT_ALLOWED"


async def test_switches_show_schema_and_page(tmp_path: Path, issuer: AuthorizationServer) -> None:
    async with gateway(tmp_path, issuer, server__introspection=True, server__graphiql=True) as client:
        served = (await client.get("/schema.graphql")).text
        assert "type Observation" in served
        assert '  ): ObservationConnection @cost(weight: "15")' in served  # of its own three sources
        assert (await client.get("/graphiql/page.js")).status_code == 200


async def test_smart_configuration_says_where_tokens_are_had(
    tmp_path: Path, issuer: AuthorizationServer
) -> None:
    issuer.documents[discovery_urls(ISSUER)[0]] = {
        "issuer": ISSUER,
        "token_endpoint": f"{ISSUER}/token",
        "grant_types_supported": ["client_credentials"],
        "capabilities": ["client-confidential-asymmetric"],
    }
    async with gateway(tmp_path, issuer) as client:
        response = await client.get("/.well-known/smart-configuration", headers={"Accept": "text/html"})
        assert response.headers["content-type"] == "application/json"
        told = response.json()
    assert (told["issuer"], told["jwks_uri"], told["token_endpoint"]) == (ISSUER, JWKS_URI, f"{ISSUER}/token")
    assert told["code_challenge_methods_supported"] == ["S256"]
    assert {"permission-v1", "permission-v2", "client-confidential-asymmetric"} <= set(told["capabilities"])


async def test_smart_configuration_waits_for_an_issuer_that_is_down(
    tmp_path: Path, issuer: AuthorizationServer
) -> None:
    issuer.is_down = True
    async with gateway(tmp_path, issuer) as client:
        for _ in range(10):
            assert (await client.get("/.well-known/smart-configuration")).status_code == 503
    assert len(issuer.asked) == 2  # once each place, then a pause


def test_gateway_does_not_start_without_its_keys(tmp_path: Path) -> None:
    with pytest.raises(SecretInvalid, match="_key` is missing"):
        build(settings(tmp_path, **SMALL), Secrets(None, {}), None)


def test_gateway_does_not_start_where_it_could_not_record(tmp_path: Path) -> None:
    write_secrets(tmp_path)
    place = {"sink": "file", "path": "none/audit.jsonl"}
    with pytest.raises(SinkUnavailable, match="No such file or directory"):
        build(settings(tmp_path, **SMALL, audit=place))


def test_gateway_does_not_start_with_a_source_of_an_unknown_kind(tmp_path: Path) -> None:
    write_secrets(tmp_path)
    with pytest.raises(UpstreamInvalid, match="fax"):
        build(settings(tmp_path, **SMALL, upstreams__0__kind="fax"))


async def test_trusted_documents_are_served_and_told_of(tmp_path: Path, issuer: AuthorizationServer) -> None:
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "up.graphql").write_text("query Up { sources { source } }\n")
    async with gateway(tmp_path, issuer, documents__folder="documents", documents__mode="require") as client:
        told = (await client.get("/readyz")).json()["documents"]
        assert told == {"trusted": 1, "isCurrent": True, "reloadsFailed": 0}
        answer = await client.get("/graphql", params={"documentId": "up"}, headers=issuer.bearer())
        assert [one["source"] for one in answer.json()["data"]["sources"]] == ["ehr", "gp", "wearable"]
        other = await client.post("/graphql", json={"query": "{ __typename }"}, headers=issuer.bearer())
        assert code_of(other) == "OPERATION_NOT_ALLOWED"


def test_bad_trusted_documents_stop_the_start(tmp_path: Path, issuer: AuthorizationServer) -> None:
    write_secrets(tmp_path)
    (tmp_path / "bad.json").write_text('{"up": "{ nothing }"}')
    read = settings(tmp_path, **SMALL, **AWAY, documents__manifests=["bad.json"])
    secrets = Secrets(tmp_path / "secrets", {})
    with pytest.raises(TrustedDocumentsInvalid, match=r"bad.json, document up: Cannot query field"):
        build(read, secrets, Outside(issuer.client, Wiring(secrets)))
    (problem,) = start_problems(read, secrets)
    assert "bad.json, document up: Cannot query field 'nothing'" in problem
