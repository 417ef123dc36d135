"""The sandbox's authorization server, as its clients meet it: over HTTP."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from sandbox.issuer.keys import ensure_key
from sandbox.issuer.tokens import AUDIENCE
from tests.sandbox.launching import EHR, ISSUER, app
from tests.sandbox.launching import SECRET as PROOF

SECRET = PROOF | {"grant_type": "client_credentials"}


@pytest.fixture
async def issuer(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with app(tmp_path).client as client:
        yield client


async def verified(issuer: httpx.AsyncClient, token: str) -> jwt.Token:
    keys = KeySet.import_key_set((await issuer.get("/jwks")).json())
    return jwt.decode(token, keys, algorithms=["ES384"])


async def asked(issuer: httpx.AsyncClient, **form: Any) -> httpx.Response:
    return await issuer.post("/token", data=form)


@pytest.mark.parametrize(
    "name", ["openid-configuration", "oauth-authorization-server", "smart-configuration"]
)
async def test_discovery_names_the_issuer_and_absolute_endpoints(
    issuer: httpx.AsyncClient, name: str
) -> None:
    found = (await issuer.get(f"/.well-known/{name}", headers={"Accept": "text/html"})).json()
    assert found["issuer"] == ISSUER
    assert found["jwks_uri"] == f"{ISSUER}/jwks"
    assert found["token_endpoint"] == f"{ISSUER}/token"
    for endpoint in ("authorization", "introspection", "revocation", "registration"):
        assert found[f"{endpoint}_endpoint"].startswith(f"{ISSUER}/")
    assert {"permission-v1", "permission-v2", "launch-standalone"} <= set(found["capabilities"])
    assert found["code_challenge_methods_supported"] == ["S256"]


async def test_the_published_keys_have_no_private_part(issuer: httpx.AsyncClient) -> None:
    access, identity = (await issuer.get("/jwks")).json()["keys"]
    assert set(access) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
    assert (access["crv"], access["alg"], access["use"]) == ("P-384", "ES384", "sig")
    assert set(identity) == {"kty", "n", "e", "kid", "use", "alg"}
    assert (identity["alg"], identity["use"]) == ("RS256", "sig")


async def test_client_credentials_give_a_token_for_the_clients_audience(issuer: httpx.AsyncClient) -> None:
    answer = await asked(issuer, **SECRET, scope="system/Observation.rs")
    assert answer.headers["cache-control"] == "no-store"
    token = await verified(issuer, answer.json()["access_token"])
    assert token.header["typ"] == "at+jwt"
    assert token.claims["aud"] == EHR
    assert token.claims["iss"] == ISSUER
    assert token.claims["client_id"] == token.claims["sub"] == "gateway"
    assert token.claims["scope"] == answer.json()["scope"] == "system/Observation.rs"
    assert token.claims["exp"] - token.claims["iat"] == answer.json()["expires_in"]


async def test_basic_credentials_are_form_decoded(issuer: httpx.AsyncClient) -> None:
    form = {"grant_type": "client_credentials"}
    answer = await issuer.post("/token", data=form, auth=("gateway", "a%2B+b%3Ac"))
    assert answer.status_code == 200
    assert answer.json()["scope"] == "system/*.rs"


async def test_scopes_beyond_the_clients_own_are_left_out(issuer: httpx.AsyncClient) -> None:
    answer = await asked(issuer, **SECRET, scope="user/*.rs system/Patient.rs system/Patient.cruds")
    assert answer.json()["scope"] == "system/Patient.rs"


@pytest.mark.parametrize(
    ("change", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": "nobody"}, 401, "invalid_client"),
        ({"client_id": ""}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"scope": "user/*.rs"}, 400, "invalid_scope"),
        ({"resource": "http://elsewhere.example"}, 400, "invalid_target"),
        ({"client_id": "patient-app", "client_secret": ""}, 400, "unauthorized_client"),
        ({"client_id": "patient-app"}, 401, "invalid_client"),
    ],
)
async def test_other_requests_are_refused_as_rfc_6749_says(
    issuer: httpx.AsyncClient, change: dict[str, str], status: int, error: str
) -> None:
    answer = await asked(issuer, **(SECRET | change))
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert ("www-authenticate" in answer.headers) == (status == 401)


@pytest.mark.parametrize("header", ["Basic !!!", "Basic Z2F0ZXdheQ==", "Bearer x", "Basic /w=="])
async def test_broken_credentials_are_refused(issuer: httpx.AsyncClient, header: str) -> None:
    form = {"grant_type": "client_credentials"}
    answer = await issuer.post("/token", data=form, headers={"Authorization": header})
    assert answer.status_code == 401


async def test_the_mint_signs_what_it_is_asked_for(issuer: httpx.AsyncClient) -> None:
    grant = {
        "scope": "patient/*.rs launch/patient",
        "patient": "ehr/Patient/1",
        "user": "Practitioner/7",
        "client": "app",
        "ttl_s": 60,
        "claims": {"jti": "known", "cnf": {"jkt": "abc"}},
    }
    token = await verified(issuer, (await issuer.post("/_sandbox/token", json=grant)).json()["access_token"])
    names = ("aud", "scope", "patient", "fhirUser", "client_id", "jti", "cnf")
    told = {name: token.claims[name] for name in names}
    assert told == {
        "aud": AUDIENCE,
        "scope": grant["scope"],
        "patient": "ehr/Patient/1",
        "fhirUser": "Practitioner/7",
        "client_id": "app",
        "jti": "known",
        "cnf": {"jkt": "abc"},
    }
    assert token.claims["exp"] - token.claims["nbf"] == 60


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"scope": 1}', b'{"scope": "a", "scopes": "b"}'])
async def test_the_mint_refuses_what_it_does_not_understand(issuer: httpx.AsyncClient, body: bytes) -> None:
    answer = await issuer.post("/_sandbox/token", content=body)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_the_key_is_made_once_for_a_state_folder_and_kept_private(tmp_path: Path) -> None:
    path = tmp_path / "new" / "issuer-key.json"
    key = ensure_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert ensure_key(path).as_dict(private=True) == key.as_dict(private=True)
    assert ensure_key(tmp_path / "other.json").kid != key.kid
