"""What `/.well-known/smart-configuration` says follows from the issuer, as far as SMART allows it."""

import asyncio
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from gateway import discovery
from gateway.authn.metadata import MetadataUnavailable, discovery_urls
from gateway.discovery import SmartConfiguration, configuration
from tests.gateway.issuing import INTROSPECTION, ISSUER, JWKS_URI, AuthorizationServer

TOKEN = f"{ISSUER}/token"
PATH = "/.well-known/smart-configuration"


@pytest.fixture
def server() -> AuthorizationServer:
    made = AuthorizationServer()
    made.documents[discovery_urls(ISSUER)[0]] = {"issuer": ISSUER, "token_endpoint": TOKEN}
    return made


async def asked(issuer: Any, accept: str = "text/html") -> httpx.Response:
    app = Starlette(routes=[Route(PATH, SmartConfiguration(issuer).publish)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway") as client:
        return await client.get(PATH, headers={"Accept": accept})


async def test_members_that_smart_requires_are_there_for_either_kind(server: AuthorizationServer) -> None:
    for issuer in (server.issuer(), server.opaque_issuer()):
        answer = await asked(issuer)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
        told = answer.json()
        assert (told["issuer"], told["token_endpoint"]) == (ISSUER, TOKEN)
        assert told["code_challenge_methods_supported"] == ["S256"]
        assert told["grant_types_supported"]
        assert {"permission-v1", "permission-v2"} <= set(told["capabilities"])
        assert {"system/*.rs", "user/*.rs", "patient/*.rs"} <= set(told["scopes_supported"])


async def test_configured_addresses_go_before_published_ones(server: AuthorizationServer) -> None:
    assert (await asked(server.issuer())).json()["jwks_uri"] == JWKS_URI
    told = (await asked(server.opaque_issuer())).json()
    assert told["introspection_endpoint"] == INTROSPECTION
    assert "jwks_uri" not in told  # nobody said where it is, and nobody needs it


def test_what_the_issuer_publishes_is_taken_over_as_far_as_it_can_be_used() -> None:
    published = {
        "issuer": "https://evil.test",
        "token_endpoint": TOKEN,
        "authorization_endpoint": "/authorize",
        "revocation_endpoint": "http://issuer.test/revoke",
        "registration_endpoint": 5,
        "jwks_uri": JWKS_URI,
        "code_challenge_methods_supported": ["plain", "S256"],
        "grant_types_supported": ["client_credentials", 5],
        "token_endpoint_auth_methods_supported": ["private_key_jwt", "client_secret_post", "none"],
        "scopes_supported": ["openid", "launch/patient", "user/*.rs"],
        "capabilities": ["launch-standalone", None],
        "secret_of_the_issuer": "x",
    }
    assert configuration(published, ISSUER) == {
        "issuer": ISSUER,
        "token_endpoint": TOKEN,
        "jwks_uri": JWKS_URI,
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt", "client_secret_post", "none"],
        "scopes_supported": ["system/*.rs", "user/*.rs", "patient/*.rs", "openid", "launch/patient"],
        "code_challenge_methods_supported": ["S256"],
        "capabilities": [
            "launch-standalone",
            "client-confidential-asymmetric",
            "client-confidential-symmetric",
            "client-public",
            "permission-patient",
            "permission-user",
            "permission-v1",
            "permission-v2",
        ],
    }


@pytest.mark.parametrize("published", [{}, {"token_endpoint": "/token"}, {"token_endpoint": None}])
def test_without_a_token_endpoint_there_is_nothing_to_say(published: dict[str, Any]) -> None:
    with pytest.raises(MetadataUnavailable):
        configuration(published, ISSUER)


async def test_issuer_that_is_slow_or_says_nothing_useful_is_an_answer_all_the_same(
    server: AuthorizationServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery, "WAIT_MAX_S", 0.05)
    server.delay_s = 60.0
    async with asyncio.timeout(5):
        answer = await asked(server.issuer())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    server.delay_s = 0.0
    server.documents[discovery_urls(ISSUER)[0]] = {"issuer": ISSUER}
    assert (await asked(server.issuer())).status_code == 503
