"""Introspection, revocation and registration at the sandbox's authorization server, and who may read it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.issuer.tokens import AUDIENCE
from tests.sandbox.launching import GATEWAY, ISSUER, SECRET, App, app, told

OTHER = {"client_id": "other-gateway", "client_secret": "other"}


@pytest.fixture
async def launch(tmp_path: Path) -> AsyncIterator[App]:
    opened = app(tmp_path)
    async with opened.client:
        yield opened


async def revoke(launch: App, token: str, **who: str) -> int:
    form = (who or {"client_id": "patient-app"}) | {"token": token}
    return (await launch.client.post("/revoke", data=form)).status_code


async def test_introspection_tells_the_launch_context(launch: App) -> None:
    answer = await launch.launched()
    said = await launch.introspected(answer["access_token"])
    assert said["active"] is True
    assert (said["client_id"], said["scope"], said["patient"]) == (
        "patient-app",
        answer["scope"],
        "person/anna",
    )
    assert (said["iss"], said["aud"], said["token_type"]) == (ISSUER, AUDIENCE, "Bearer")
    assert said["exp"] > said["iat"]
    assert said["fhirUser"] == said["sub"]


async def test_introspection_knows_refresh_tokens(launch: App) -> None:
    said = await launch.introspected((await launch.launched())["refresh_token"])
    assert (said["active"], said["client_id"]) == (True, "patient-app")
    assert {"scope", "exp"} <= set(said)


async def test_introspection_says_nothing_of_a_token_that_is_not_good(launch: App) -> None:
    answer = await launch.launched()
    minted = await launch.client.post("/_sandbox/token", json={"scope": "user/*.rs", "ttl_s": -5})
    for token in (
        "",
        "opaque",
        answer["access_token"][:-4],
        answer["id_token"],
        minted.json()["access_token"],
    ):
        assert await launch.introspected(token) == {"active": False}


@pytest.mark.parametrize("who", [{}, {"client_id": "patient-app"}, SECRET | {"client_secret": "wrong"}])
async def test_only_confidential_clients_may_introspect(launch: App, who: dict[str, str]) -> None:
    token = (await launch.launched())["access_token"]
    answer = await launch.client.post("/introspect", data=who | {"token": token})
    assert (answer.status_code, answer.json()) == (401, {"error": "invalid_client"})


async def test_a_revoked_access_token_goes_alone(launch: App) -> None:
    answer = await launch.launched()
    assert await revoke(launch, answer["access_token"]) == 200
    assert await launch.introspected(answer["access_token"]) == {"active": False}
    assert (await launch.refresh(answer["refresh_token"])).status_code == 200


async def test_a_revoked_refresh_token_takes_the_access_tokens_with_it(launch: App) -> None:
    answer = await launch.launched()
    assert await revoke(launch, answer["refresh_token"]) == 200
    assert await launch.introspected(answer["access_token"]) == {"active": False}
    assert (await launch.refresh(answer["refresh_token"])).json() == {"error": "invalid_grant"}
    assert await revoke(launch, answer["refresh_token"]) == 200, "as good as revoked"


async def test_a_client_revokes_its_own_tokens_only(launch: App) -> None:
    answer = await launch.launched()
    for token in (answer["access_token"], answer["refresh_token"]):
        assert await revoke(launch, token, client_id="other-app") == 400
        assert await revoke(launch, token, client_id="nobody") == 401
        assert (await launch.introspected(token))["active"] is True


async def test_a_confidential_client_revokes_what_it_was_issued(launch: App) -> None:
    form = SECRET | {"grant_type": "client_credentials"}
    token = (await launch.token(**form)).json()["access_token"]
    assert await revoke(launch, token, **OTHER) == 400
    assert (await launch.introspected(token, **OTHER))["active"] is True
    assert await revoke(launch, token, **SECRET) == 200
    assert (await launch.introspected(token))["active"] is False


async def test_an_app_registers_and_launches(launch: App) -> None:
    address = "http://127.0.0.1:4711/back"
    asked = {"redirect_uris": [address], "client_name": "Mine", "contacts": ["a@example.org"]}
    answer = await launch.client.post("/register", json=asked)
    assert answer.status_code == 201
    registered = answer.json()
    assert (registered["redirect_uris"], registered["client_name"]) == ([address], "Mine")
    mine = {"client_id": registered["client_id"], "redirect_uri": address}
    page = await launch.authorize(**mine)
    code = told(await launch.submit(page, patient="person/anna", decision="allow"))["code"]
    assert (await launch.redeem(code, **mine)).json()["patient"] == "person/anna"


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, "invalid_client_metadata"),
        ([], "invalid_client_metadata"),
        ({"redirect_uris": "https://a.example"}, "invalid_client_metadata"),
        (
            {"redirect_uris": ["https://a.example"], "token_endpoint_auth_method": "client_secret_basic"},
            "invalid_client_metadata",
        ),
        ({"redirect_uris": []}, "invalid_redirect_uri"),
        ({"redirect_uris": ["http://a.example/"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://a.example/#part"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://user:word@a.example/"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["javascript:alert(1)"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["http://[broken"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["http://localhost:1/", "/relative"]}, "invalid_redirect_uri"),
    ],
)
async def test_an_app_with_an_unsafe_address_is_not_registered(launch: App, body: Any, error: str) -> None:
    answer = await launch.client.post("/register", json=body)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


@pytest.mark.parametrize("origin", ["http://localhost:3000", "http://127.0.0.1:5173", "https://localhost"])
async def test_pages_of_this_machine_may_use_all_but_the_picker_and_the_mint(
    launch: App, origin: str
) -> None:
    headers = {"Origin": origin}
    answer = await launch.client.post("/token", headers=headers)
    assert answer.headers["access-control-allow-origin"] == origin
    asked = {
        **headers,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    assert (await launch.client.options("/token", headers=asked)).status_code == 200
    for path in ("/authorize", "/_sandbox/token"):
        assert "access-control-allow-origin" not in (await launch.client.post(path, headers=headers)).headers


@pytest.mark.parametrize("origin", ["http://elsewhere.example", "http://localhost.example", "null"])
async def test_other_pages_may_read_nothing(launch: App, origin: str) -> None:
    answer = await launch.client.get("/jwks", headers={"Origin": origin})
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("path", ["/token", "/introspect", "/revoke"])
async def test_repeated_and_endless_parameters_are_refused(launch: App, path: str) -> None:
    twice = f"client_id=patient-app&token={GATEWAY}&token=b"
    for body in (twice, "a=b&" * 600):
        answer = await launch.client.post(
            path, content=body, headers={"Content-Type": "application/x-www-form-urlencoded"}
        )
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
