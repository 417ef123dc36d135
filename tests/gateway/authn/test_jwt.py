"""A token is accepted only when everything about it is right."""

import base64
import hmac
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import RSAKey

from gateway.authn.authenticator import AuthenticationFailed, Credentials, CredentialsMissing, TokenInvalid
from gateway.authn.bearer import BearerAuthenticator
from permissions.scopes import Scope
from tests.gateway.issuing import AUDIENCE, ISSUER, AuthorizationServer, Clock, ec_key


@pytest.fixture
def server() -> AuthorizationServer:
    return AuthorizationServer()


async def principal_of(server: AuthorizationServer, token: str, **settings: Any) -> Any:
    return await server.authenticator(**settings).authenticate(Credentials(f"Bearer {token}"))


async def refusal(server: AuthorizationServer, token: str, **settings: Any) -> str:
    with pytest.raises(TokenInvalid) as refused:
        await principal_of(server, token, **settings)
    assert str(refused.value) == "The access token is not valid."  # the same for all, and no help to a forger
    return refused.value.reason


async def test_good_token_gives_its_principal(server: AuthorizationServer) -> None:
    token = server.token(patient="ehr/Patient/1", fhirUser="Practitioner/2", scope="openid patient/*.rs")
    principal = await principal_of(server, token, patient_source="ehr")
    assert (principal.issuer, principal.client, principal.subject) == (ISSUER, "an-app", "somebody")
    assert principal.scopes == (Scope("patient", "*", "rs"),)
    assert (principal.patient, principal.patient_source) == ("ehr/Patient/1", "ehr")
    assert (principal.fhir_user, principal.token_id) == ("Practitioner/2", "token-1")


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({"typ": None}, "typ"),
        ({"typ": "JWT"}, "typ"),  # an ID token is not an access token (RFC 9068)
        ({"typ": "dpop+jwt"}, "typ"),
        ({"kid": None}, "kid"),
        ({"kid": ""}, "kid"),
        ({"kid": "unknown"}, "kid"),
        ({"crit": ["exp"], "exp": 1}, "header"),
    ],
)
async def test_header_out_of_order_is_refused(
    server: AuthorizationServer, header: dict[str, Any], reason: str
) -> None:
    signed = server.token() if "crit" in header else server.token(header=header)
    if "crit" in header:
        signed = with_header(signed, header)
    assert reason in await refusal(server, signed)


async def test_typ_is_compared_without_case_and_prefix(server: AuthorizationServer) -> None:
    assert await principal_of(server, server.token(header={"typ": "application/AT+JWT"}))
    assert await principal_of(server, server.token(header={"typ": "JWT"}), types=("JWT",))


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://other.test"},
        {"iss": ISSUER + "/"},
        {"iss": 5},
        {"aud": "https://other.test"},
        {"aud": ["https://other.test"]},
        {"aud": {AUDIENCE: True}},
        {"aud": AUDIENCE + "/"},
        {"exp": 1},
        {"exp": "9999999999"},
        {"exp": True},
        {"exp": -1},
        {"nbf": 9_999_999_999},
        {"iat": 9_999_999_999},
        {"sub": ""},
        {"sub": 7},
        {"client_id": ""},
        {"client_id": ["x"]},
        {"scope": 5},
        {"scope": ["user/*.rs", 5]},
        {"patient": {"id": 1}},
        {"fhirUser": ["x"]},
        {"jti": 1},
        {"cnf": {"jkt": "thumbprint"}},  # DPoP (RFC 9449) sent as Bearer
        {"cnf": {"x5t#S256": "thumbprint"}},  # mTLS (RFC 8705) without its certificate
        {"cnf": {}},
    ],
)
async def test_wrong_claim_is_refused(server: AuthorizationServer, claims: dict[str, Any]) -> None:
    await refusal(server, server.token(**claims))


@pytest.mark.parametrize("name", ["iss", "aud", "exp", "sub", "client_id"])
async def test_missing_claim_is_refused(server: AuthorizationServer, name: str) -> None:
    await refusal(server, server.token(without=name))


async def test_audience_may_be_one_of_several(server: AuthorizationServer) -> None:
    assert await principal_of(server, server.token(aud=["https://other.test", AUDIENCE]))


async def test_times_have_a_small_leeway(server: AuthorizationServer) -> None:
    now = time.time()
    token = server.token(exp=now - 10, nbf=now + 10, iat=now + 10)
    assert await principal_of(server, token, leeway_s=30)
    await refusal(server, token, leeway_s=5)


async def test_client_and_scopes_are_found_under_other_issuers_names(server: AuthorizationServer) -> None:
    token = server.token(without="client_id", azp="azp-app", scope=None, scp=["user/*.rs"])
    principal = await principal_of(server, token)
    assert (principal.client, principal.scopes) == ("azp-app", (Scope("user", "*", "rs"),))


async def test_user_scopes_need_fhir_user_where_the_issuer_says_so(server: AuthorizationServer) -> None:
    token = server.token(scope="user/*.rs system/*.rs")
    principal = await principal_of(server, token, fhir_user_required=True)
    assert principal.scopes == (Scope("system", "*", "rs"),)


async def test_token_without_signature_is_refused(server: AuthorizationServer) -> None:
    header, claims, _ = server.token().split(".")
    unsigned = encoded({"alg": "none", "typ": "at+jwt", "kid": "k1"})
    await refusal(server, f"{unsigned}.{claims}.")
    await refusal(server, f"{header}.{claims}.")
    await refusal(server, f"{header}.{claims}")


async def test_public_key_used_as_a_shared_secret_is_refused(server: AuthorizationServer) -> None:
    claims = server.token().split(".")[1]
    signed = f"{encoded({'alg': 'HS256', 'typ': 'at+jwt', 'kid': 'k1'})}.{claims}"
    signature = hmac.digest(server.keys[0].as_pem(private=False), signed.encode(), "sha256")
    await refusal(server, f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}")


async def test_key_in_the_header_is_never_used(server: AuthorizationServer) -> None:
    forger = ec_key("k1")
    token = server.token(
        header={"jwk": forger.as_dict(private=False), "jku": "https://evil.test"}, key=forger
    )
    await refusal(server, token)
    assert all("evil" not in url for url in server.asked)


async def test_algorithm_must_be_accepted_and_fit_the_key(server: AuthorizationServer) -> None:
    rsa = RSAKey.generate_key(2048, {"kid": "rsa"})
    server.keys.append(rsa)
    token = server.token(header={"alg": "RS384"}, key=rsa)
    assert "alg" in await refusal(server, token)
    assert await principal_of(server, token, algorithms=("RS384",))


async def test_altered_claims_are_refused(server: AuthorizationServer) -> None:
    header, _, signature = server.token().split(".")
    claims = jwt.decode(server.token(), server.keys[0], algorithms=["ES384"]).claims
    await refusal(server, f"{header}.{encoded({**claims, 'scope': 'system/*.cruds'})}.{signature}")


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic dTpw",
        "DPoP x.y.z",
        "Bearer é.e.e",
        "Bearer " + "a" * 20_000,
        "Bearer a.b.c",
    ],
)
async def test_anything_that_is_no_token_is_refused(server: AuthorizationServer, authorization: str) -> None:
    with pytest.raises(TokenInvalid):
        await server.authenticator().authenticate(Credentials(authorization))
    assert server.asked == []


async def test_no_credentials_are_told_apart_from_bad_ones(server: AuthorizationServer) -> None:
    with pytest.raises(CredentialsMissing) as refused:
        await server.authenticator().authenticate(Credentials(None))
    assert refused.value.challenge == "Bearer"  # RFC 6750 section 3: no error code without credentials


@given(
    st.text(max_size=200) | st.binary(max_size=200).map(lambda b: base64.b64encode(b).decode() + ".e30.e30")
)
async def test_any_text_is_refused_and_nothing_else_is_raised(text: str) -> None:
    server = AuthorizationServer(KEY)
    with pytest.raises(AuthenticationFailed):
        await server.authenticator().authenticate(Credentials("Bearer " + text))


KEY = ec_key("k1")


async def test_verified_token_is_remembered_until_it_expires(server: AuthorizationServer) -> None:
    clock = Clock(time.time())
    authenticator = BearerAuthenticator([server.issuer()], clock)
    authorization = Credentials(f"Bearer {server.token()}")
    assert authenticator.at_once(authorization) is None
    first = await authenticator.authenticate(authorization)
    assert await authenticator.authenticate(authorization) is first
    assert authenticator.at_once(authorization) is first
    for other in (None, "", "Bearer", f"{authorization.authorization}x"):
        assert authenticator.at_once(Credentials(other)) is None
    clock.now += 700
    assert authenticator.at_once(authorization) is None
    with pytest.raises(TokenInvalid):
        await authenticator.authenticate(authorization)


async def test_retired_key_takes_its_remembered_tokens_with_it(server: AuthorizationServer) -> None:
    server.cache_control = "max-age=0"
    authenticator = server.authenticator()
    authorization = Credentials(f"Bearer {server.token()}")
    await authenticator.authenticate(authorization)
    server.keys = [ec_key("k1")]  # the same kid, another key
    (issuer,) = authenticator._signing.values()
    issuer.keys._next_fetch_at = 0.0
    assert authenticator.at_once(authorization) is None
    with pytest.raises(TokenInvalid):
        await authenticator.authenticate(authorization)


def encoded(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def with_header(token: str, header: dict[str, Any]) -> str:
    known = json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))
    return ".".join([encoded({**known, **header}), *token.split(".")[1:]])
