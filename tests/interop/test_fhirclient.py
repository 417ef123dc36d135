"""An app on npm fhirclient: a SMART standalone launch against the sandbox, and the gateway with its token."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.interop.conftest import Sandbox
from tests.interop.programs import ask_script

pytestmark = pytest.mark.interop

REDIRECT_URI = "http://localhost:3000/callback"
SCOPE = "launch/patient openid fhirUser offline_access patient/*.rs patient/Observation.rs"
DECLINED = "patient/Observation.rs"
QUERY = "{ me { id observations(first: 5) { completeness nodes { id subject { reference } } } } }"

Json = dict[str, Any]


@pytest.fixture(scope="module")
def picked(sandbox: Sandbox) -> Json:
    """Not the first of the list, and known to all sources."""
    known: list[Json] = [one for one in sandbox.summary["patients"] if len(one["sources"]) == 3]
    return known[2]


@pytest.fixture(scope="module")
def launched(node: str, interop: Path, sandbox: Sandbox, picked: Json) -> Json:
    """What the app knows after a launch and a refresh."""
    question = {
        "iss": sandbox.summary["base_url"],
        "app": {"clientId": "patient-app", "redirectUri": REDIRECT_URI, "scope": SCOPE},
        "patient": picked["id"],
        "declined": [DECLINED],
        "query": QUERY,
        "endpoint": sandbox.summary["graphql_url"],
    }
    told: Json = ask_script(node, interop / "fhirclient_launch.mjs", question)
    return told


def test_the_app_finds_the_authorization_server_by_the_gateway_and_uses_pkce(
    launched: Json, sandbox: Sandbox
) -> None:
    assert launched["authorization"].startswith(f"{sandbox.summary['issuer']}/authorize?")
    asked = parse_qs(urlsplit(launched["authorization"]).query)
    assert asked["aud"] == [sandbox.summary["base_url"]]
    assert asked["code_challenge_method"] == ["S256"]
    assert launched["callback"].startswith(f"{REDIRECT_URI}?code=")


def test_the_picker_lists_every_person_of_the_sandbox(launched: Json, sandbox: Sandbox) -> None:
    for person in sandbox.summary["patients"]:
        assert f'value="{person["id"]}"' in launched["people"]


def test_the_app_learns_the_picked_patient_the_user_and_what_was_granted(
    launched: Json, picked: Json
) -> None:
    assert launched["patient"] == picked["id"]
    assert launched["user"] == picked["sources"]["ehr"]
    assert launched["scope"].split() == [word for word in SCOPE.split() if word != DECLINED]


@pytest.mark.parametrize("when", ["at first", "refreshed"])
def test_the_gateway_answers_for_the_picked_patient(launched: Json, picked: Json, when: str) -> None:
    known = launched if when == "at first" else launched["refreshed"]
    assert known["answer"]["status"] == 200
    assert "errors" not in known["answer"]
    me = known["answer"]["data"]["me"]
    assert me["id"] == known["patient"] == picked["id"]
    assert me["observations"]["completeness"] == "COMPLETE"
    assert len(me["observations"]["nodes"]) == 5
    for node in me["observations"]["nodes"]:
        source = node["id"].partition("/")[0]
        assert node["subject"]["reference"].endswith(picked["sources"][source])


def test_a_refresh_gives_another_token(launched: Json) -> None:
    assert launched["refreshed"]["token"] != launched["token"]
    assert launched["refreshed"]["scope"] == launched["scope"]
