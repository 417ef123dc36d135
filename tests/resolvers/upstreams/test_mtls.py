"""Mutual TLS against real servers on loopback: for the source, and for its tokens (RFC 8705 section 2.1)."""

import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec

from resolvers.upstreams.errors import UpstreamUnavailable
from resolvers.upstreams.exchange import Exchange, Question
from resolvers.upstreams.secret_source import SecretInvalid, SecretMissing
from resolvers.upstreams.settings import UpstreamSettings
from resolvers.upstreams.wiring import Wiring
from tests.resolvers.upstreams.authority import Authority, Certified, pem
from tests.resolvers.upstreams.sources import call

TRUSTED, STRANGE = Authority(), Authority("elsewhere.test")
CLIENT = TRUSTED.client("gateway.test")
SECRETS = {
    "upstream_ehr_certificate": CLIENT.certificate,
    "upstream_ehr_key": CLIENT.key,
    "own_ca": TRUSTED.certificate,
}


@dataclass
class Server:
    """Asks every client for a certificate of `TRUSTED`. `clients`: who came; `tokens`: what was in force
    then."""

    url: str = ""
    clients: list[str] = field(default_factory=list)
    shown: list[str | None] = field(default_factory=list)
    forms: list[dict[str, str]] = field(default_factory=list)

    async def resource(self, request: web.Request) -> web.Response:
        self._note(request)
        return web.json_response({"resourceType": "Patient", "id": "1"})

    async def token(self, request: web.Request) -> web.Response:
        self._note(request)
        self.forms.append({name: str(value) for name, value in (await request.post()).items()})
        return web.json_response({"access_token": "bound", "token_type": "Bearer", "expires_in": 300})

    def _note(self, request: web.Request) -> None:
        assert request.transport is not None
        told = request.transport.get_extra_info("peercert") or {}
        self.clients += [value for (((_, value),),) in [told.get("subject", ())]]
        self.shown.append(request.headers.get("authorization"))


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Server]:
    server = Server()
    app = web.Application()
    app.router.add_post("/token", server.token)
    app.router.add_get("/{rest:.*}", server.resource)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=_asking(TRUSTED.server(), folder))
    await site.start()
    server.url = f"https://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()


def _asking(certified: Certified, folder: Path) -> ssl.SSLContext:
    files = {"server.pem": certified.certificate, "server.key": certified.key}
    for name, text in files.items():
        (folder / name).write_text(text)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=TRUSTED.certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    return context


def exchange(server: Server, secrets: Mapping[str, str], **credentials: Any) -> Exchange:
    table = UpstreamSettings.model_validate(
        {
            "name": "ehr",
            "kind": "fhir",
            "base_url": f"{server.url}/fhir",
            "credentials": {"kind": "mtls", "ca_secret": "own_ca", **credentials},
        }
    )
    return Wiring(secrets).exchange(table)


async def ask(one: Exchange, server: Server) -> int:
    await one.start()
    try:
        return (await one.send(Question("read", f"{server.url}/fhir/Patient/1", {}), call())).status
    finally:
        await one.close()


async def test_the_source_sees_our_certificate(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        assert await ask(exchange(server, SECRETS), server) == 200
        assert (server.clients, server.shown) == (["gateway.test"], [None])


async def test_tokens_are_had_and_shown_with_the_certificate(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        tokens = {"token_url": f"{server.url}/token", "client_id": "gateway", "scope": "system/*.rs"}
        assert await ask(exchange(server, SECRETS, **tokens), server) == 200
        assert server.forms == [
            {"grant_type": "client_credentials", "scope": "system/*.rs", "client_id": "gateway"}
        ]
        assert server.clients == ["gateway.test"] * 2
        assert server.shown == [None, "Bearer bound"]


async def test_certificate_and_key_may_lie_in_files(tmp_path: Path) -> None:
    paths = {}
    for name, text in SECRETS.items():
        (tmp_path / name).write_text(text)
        paths[name] = str(tmp_path / name)
    async with serving(tmp_path) as server:
        assert await ask(exchange(server, paths), server) == 200


@pytest.mark.parametrize("secrets", [SECRETS | {"own_ca": STRANGE.certificate}])
async def test_a_server_of_a_strange_authority_is_not_asked(
    tmp_path: Path, secrets: Mapping[str, str]
) -> None:
    async with serving(tmp_path) as server:
        with pytest.raises(UpstreamUnavailable):
            await ask(exchange(server, secrets), server)
        assert server.clients == []


async def test_the_systems_authorities_count_where_none_is_named(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        with pytest.raises(UpstreamUnavailable):
            await ask(exchange(server, SECRETS, ca_secret=None), server)


async def test_a_strangers_certificate_does_not_help(tmp_path: Path) -> None:
    stranger = STRANGE.client("gateway.test")
    secrets = SECRETS | {
        "upstream_ehr_certificate": stranger.certificate,
        "upstream_ehr_key": stranger.key,
    }
    async with serving(tmp_path) as server:
        with pytest.raises(UpstreamUnavailable):
            await ask(exchange(server, secrets), server)
        assert server.clients == []


LOCKED = pem(ec.generate_private_key(ec.SECP256R1()), b"open sesame")


@pytest.mark.parametrize(
    ("changed", "problem", "told"),
    [
        ({"upstream_ehr_certificate": ""}, SecretMissing, "upstream_ehr_certificate"),
        ({"upstream_ehr_key": ""}, SecretMissing, "upstream_ehr_key"),
        ({"own_ca": ""}, SecretMissing, "own_ca"),
        ({"upstream_ehr_key": "nonsense"}, SecretInvalid, "upstream_ehr_key"),
        ({"upstream_ehr_key": "/nowhere/at/all"}, SecretInvalid, "cannot be read"),
        (
            {"upstream_ehr_key": TRUSTED.client("other.test").key},
            SecretInvalid,
            "not a certificate and its key",
        ),
        ({"upstream_ehr_key": LOCKED}, SecretInvalid, "no passphrase"),
        ({"upstream_ehr_certificate": CLIENT.key}, SecretInvalid, "not a certificate and its key"),
        ({"own_ca": CLIENT.key}, SecretInvalid, "own_ca"),
    ],
)
def test_secrets_that_make_no_certificate_are_told_and_not_shown(
    changed: Mapping[str, str], problem: type[Exception], told: str
) -> None:
    with pytest.raises(problem, match=told) as refused:
        exchange(Server("https://127.0.0.1:9"), SECRETS | changed)
    assert "BEGIN" not in str(refused.value)
    assert json.dumps(CLIENT.key)[40:60] not in str(refused.value)
