"""A SMART standalone launch against the sandbox's authorization server, step by step, over HTTP."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import KeySet

from sandbox.issuer.tokens import AUDIENCE
from tests.sandbox.launching import (
    ALL,
    APP,
    BEN,
    CLINICIAN,
    GATEWAY,
    ISSUER,
    VERIFIER,
    App,
    app,
    challenge,
    told,
)


@pytest.fixture
async def launch(tmp_path: Path) -> AsyncIterator[App]:
    opened = app(tmp_path)
    async with opened.client:
        yield opened


async def claims(launch: App, token: str) -> dict[str, Any]:
    published = KeySet.import_key_set((await launch.client.get("/jwks")).json())
    return dict(jwt.decode(token, published, algorithms=["ES384", "RS256"]).claims)


async def test_a_launch_gives_a_token_for_the_picked_patient_and_the_gateway(launch: App) -> None:
    answer = await launch.launched()
    assert answer["patient"] == "person/anna"
    assert answer["need_patient_banner"] is True
    assert answer["scope"] == ALL
    assert answer["token_type"] == "Bearer"
    said = await claims(launch, answer["access_token"])
    assert {name: said[name] for name in ("iss", "aud", "client_id", "patient", "scope")} == {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "client_id": "patient-app",
        "patient": "person/anna",
        "scope": ALL,
    }
    assert said["exp"] - said["iat"] == answer["expires_in"] == 3600


async def test_the_id_token_is_for_the_app_and_names_the_patient_as_user(launch: App) -> None:
    answer = await launch.launched(nonce="n-1", patient="gp/Patient/7")
    said = await claims(launch, answer["id_token"])
    assert (said["iss"], said["aud"], said["nonce"]) == (ISSUER, "patient-app", "n-1")
    assert said["fhirUser"] == said["sub"] == BEN["record_url"]
    assert said["exp"] > said["iat"]


async def test_a_clinicians_app_has_a_clinician_as_user_and_the_patient_in_context(launch: App) -> None:
    answer = await launch.launched(scope="launch/patient user/*.rs openid fhirUser")
    assert answer["patient"] == "person/anna"
    assert (await claims(launch, answer["access_token"]))["fhirUser"] == CLINICIAN
    assert (await claims(launch, answer["id_token"]))["fhirUser"] == CLINICIAN


async def test_without_openid_and_offline_access_there_is_neither_id_token_nor_refresh_token(
    launch: App,
) -> None:
    answer = await launch.launched(scope="launch/patient patient/*.rs")
    assert not {"id_token", "refresh_token"} & set(answer)


async def test_without_a_scope_that_needs_one_no_patient_is_asked_for_or_told(launch: App) -> None:
    page = await launch.authorize(scope="user/*.rs")
    assert "Anna" not in page.text
    code = told(await launch.submit(page, decision="allow"))["code"]
    assert "patient" not in (await launch.redeem(code)).json()


async def test_the_page_lists_people_safely_and_may_not_be_framed(launch: App) -> None:
    page = await launch.authorize(state='"><script>')
    assert "Anna &lt;b&gt;O&#x27;Neil&lt;/b&gt;" in page.text
    assert "9990439885" in page.text
    assert "<script>" not in page.text
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-store"
    answer = await launch.submit(page, patient="person/anna", decision="allow")
    assert told(answer)["state"] == '"><script>'


async def test_state_and_issuer_go_back_to_the_registered_address(launch: App) -> None:
    page = await launch.authorize(redirect_uri=f"{APP}?of=mine")
    answer = await launch.submit(page, patient="person/anna", decision="allow")
    assert urlsplit(answer.headers["location"])._replace(query="").geturl() == APP
    back = told(answer)
    assert (back["of"], back["state"], back["iss"]) == ("mine", "a state", ISSUER)


async def test_a_user_may_grant_less_than_was_asked_for(launch: App) -> None:
    page = await launch.authorize()
    kept = ["launch/patient", "patient/Patient.rs", "user/*.rs"]
    code = told(await launch.submit(page, patient="person/anna", granted=kept, decision="allow"))["code"]
    answer = (await launch.redeem(code)).json()
    assert answer["scope"] == "launch/patient patient/Patient.rs", "never more than was asked for"
    assert not {"id_token", "refresh_token"} & set(answer)


async def test_who_denies_or_grants_nothing_sends_the_app_away(launch: App) -> None:
    page = await launch.authorize()
    for filled in ({"decision": "deny"}, {"decision": "allow", "granted": [], "patient": "person/anna"}):
        back = told(await launch.submit(page, **filled))
        assert (back["error"], back["state"]) == ("access_denied", "a state")


@pytest.mark.parametrize("patient", [{}, {"patient": "person/nobody"}, {"patient": ""}])
async def test_without_a_patient_the_page_comes_again(launch: App, patient: dict[str, str]) -> None:
    page = await launch.submit(await launch.authorize(), decision="allow", **patient)
    assert page.status_code == 400
    assert "Pick a patient." in page.text
    assert "code" in told(await launch.submit(page, patient="person/anna", decision="allow"))


async def test_a_get_never_decides(launch: App) -> None:
    answer = await launch.authorize(decision="allow", granted="patient/Patient.rs", patient="person/anna")
    assert answer.status_code == 200
    assert "location" not in answer.headers


async def test_a_login_hint_picks_beforehand_and_with_prompt_none_alone(launch: App) -> None:
    page = await launch.authorize(login_hint="9990439885")
    assert 'value="person/anna" checked' in page.text
    back = told(await launch.authorize(login_hint="gp/Patient/7", prompt="none"))
    assert (await launch.redeem(back["code"])).json()["patient"] == "gp/Patient/7"
    assert told(await launch.authorize(prompt="none"))["error"] == "login_required"


async def test_an_authorization_request_may_be_posted(launch: App) -> None:
    page = await launch.client.post("/authorize", data=launch.asking())
    assert "code" in told(await launch.submit(page, patient="person/anna", decision="allow"))


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "nobody"},
        {"client_id": None},
        {"client_id": "gateway"},
        {"redirect_uri": None},
        {"redirect_uri": f"{APP}/"},
        {"redirect_uri": "http://localhost:3001/callback"},
        {"redirect_uri": "https://elsewhere.example/callback"},
        {"redirect_uri": "javascript:alert(1)"},
    ],
)
async def test_nobody_is_sent_to_an_address_that_is_not_registered(
    launch: App, changes: dict[str, str | None]
) -> None:
    answer = await launch.authorize(**changes)
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/html")
    assert "location" not in answer.headers


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"aud": None}, "invalid_request"),
        ({"aud": "https://elsewhere.example"}, "invalid_request"),
        ({"scope": None}, "invalid_scope"),
        ({"scope": "system/*.rs everything"}, "invalid_scope"),
        ({"request": "eyJ"}, "request_not_supported"),
        ({"request_uri": "https://elsewhere.example"}, "request_uri_not_supported"),
    ],
)
async def test_other_faults_are_told_to_the_app(
    launch: App, changes: dict[str, str | None], error: str
) -> None:
    back = told(await launch.authorize(**changes))
    assert (back["error"], back["state"], back["iss"]) == (error, "a state", ISSUER)
    assert "code" not in back


async def test_a_missing_state_and_a_repeated_parameter_are_told_to_the_app(launch: App) -> None:
    assert told(await launch.authorize(state=None)) == {
        "error": "invalid_request",
        "error_description": "state is missing: SMART demands one.",
        "iss": ISSUER,
    }
    pairs = [*launch.asking().items(), ("scope", "user/*.rs")]
    answer = await launch.client.get("/authorize", params=httpx.QueryParams(pairs))
    assert told(answer)["error"] == "invalid_request"


@pytest.mark.parametrize("aud", [GATEWAY, f"{GATEWAY}/", f"{GATEWAY}/graphql", AUDIENCE])
async def test_the_gateway_may_be_named_in_each_of_its_ways(launch: App, aud: str) -> None:
    assert (await launch.authorize(aud=aud)).status_code == 200


async def test_before_the_sandbox_is_ready_apps_are_asked_to_wait(launch: App, tmp_path: Path) -> None:
    (tmp_path / "sandbox.json").unlink()
    assert told(await launch.authorize())["error"] == "temporarily_unavailable"


@pytest.mark.parametrize(
    "changes",
    [
        {"code_verifier": None},
        {"code_verifier": "another-verifier-of-at-least-forty-three-characters"},
        {"code_verifier": challenge(VERIFIER)},
        {"redirect_uri": None},
        {"redirect_uri": f"{APP}?of=mine"},
        {"client_id": "other-app"},
        {"code": "unknown"},
        {"code": None},
    ],
)
async def test_a_code_is_bound_to_client_address_and_challenge(
    launch: App, changes: dict[str, str | None]
) -> None:
    answer = await launch.redeem(**({"code": await launch.code()} | changes))  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()) == (400, {"error": "invalid_grant"})


async def test_a_code_is_good_for_a_minute(launch: App) -> None:
    early, late = await launch.code(), await launch.code()
    launch.clock.now += 59
    assert (await launch.redeem(early)).status_code == 200
    launch.clock.now += 2
    assert (await launch.redeem(late)).json()["error"] == "invalid_grant"


async def test_a_code_shown_twice_ends_what_came_of_it(launch: App) -> None:
    code = await launch.code()
    answer = (await launch.redeem(code)).json()
    assert (await launch.introspected(answer["access_token"]))["active"] is True
    assert (await launch.redeem(code)).json() == {"error": "invalid_grant"}
    assert await launch.introspected(answer["access_token"]) == {"active": False}
    assert (await launch.refresh(answer["refresh_token"])).json() == {"error": "invalid_grant"}


async def test_a_failed_attempt_spends_the_code(launch: App) -> None:
    code = await launch.code()
    await launch.redeem(code, code_verifier=None)
    assert (await launch.redeem(code)).json() == {"error": "invalid_grant"}


async def test_a_refresh_keeps_the_context_and_changes_the_refresh_token(launch: App) -> None:
    first = await launch.launched()
    second = (await launch.refresh(first["refresh_token"])).json()
    assert (second["patient"], second["scope"]) == (first["patient"], first["scope"])
    assert second["refresh_token"] != first["refresh_token"]
    assert second["access_token"] != first["access_token"]
    third = (await launch.refresh(second["refresh_token"], scope="patient/Patient.rs")).json()
    assert third["scope"] == "patient/Patient.rs"
    assert (await launch.refresh(third["refresh_token"])).json()["scope"] == ALL


async def test_a_refresh_token_shown_twice_ends_the_authorization(launch: App) -> None:
    first = await launch.launched()
    second = (await launch.refresh(first["refresh_token"])).json()
    assert (await launch.refresh(first["refresh_token"])).json() == {"error": "invalid_grant"}
    assert (await launch.refresh(second["refresh_token"])).json() == {"error": "invalid_grant"}
    assert await launch.introspected(second["access_token"]) == {"active": False}


async def test_another_client_cannot_use_or_spoil_a_refresh_token(launch: App) -> None:
    token = (await launch.launched())["refresh_token"]
    assert (await launch.refresh(token, client_id="other-app")).json() == {"error": "invalid_grant"}
    assert (await launch.refresh(token)).status_code == 200


async def test_a_public_app_need_not_name_itself_to_refresh(launch: App) -> None:
    first = await launch.launched()
    second = (await launch.refresh(first["refresh_token"], client_id=None)).json()
    assert second["patient"] == first["patient"]
    assert (await launch.refresh(first["refresh_token"], client_id=None)).json() == {"error": "invalid_grant"}
    assert (await launch.refresh("unknown", client_id=None)).json() == {"error": "invalid_client"}


async def test_a_refresh_never_widens(launch: App) -> None:
    token = (await launch.launched())["refresh_token"]
    answer = await launch.refresh(token, scope=f"{ALL} user/*.rs")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")


@pytest.mark.parametrize(("scope", "days"), [("online_access", 8 / 24), ("offline_access", 30)])
async def test_refreshing_ends_with_a_working_day_or_a_month(launch: App, scope: str, days: float) -> None:
    token = (await launch.launched(scope=f"launch/patient patient/*.rs {scope}"))["refresh_token"]
    launch.clock.now += days * 86400 - 1
    token = (await launch.refresh(token)).json()["refresh_token"]
    launch.clock.now += 2
    assert (await launch.refresh(token)).json() == {"error": "invalid_grant"}


@given(verifier=st.text("abcXYZ019-._~", min_size=43, max_size=128), other=st.text(max_size=130))
async def test_only_the_verifier_itself_opens_its_challenge(
    tmp_path_factory: pytest.TempPathFactory, verifier: str, other: str
) -> None:
    launch = app(tmp_path_factory.mktemp("launch"))
    silent = {"code_challenge": challenge(verifier), "prompt": "none", "login_hint": "person/anna"}
    for tried, status in ((other, 200 if other == verifier else 400), (verifier, 200)):
        code = told(await launch.authorize(**silent))["code"]
        assert (await launch.redeem(code, code_verifier=tried)).status_code == status
