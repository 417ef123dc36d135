"""Who is let in: signed tokens of the configured issuer, with scopes that suffice."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from sandbox.issuer.keys import read_key
from tests.pipeline.asking import Gateway
from tests.running import Sandbox

QUERY = '{ patient(id: "ehr/Patient/1001") { id } }'
NEEDED = 'Bearer error="insufficient_scope", scope="system/*.rs user/*.rs patient/*.rs"'

Json = dict[str, Any]


def claims(sandbox: Sandbox, **changed: Any) -> Json:
    now = int(time.time())
    usual = {
        "iss": sandbox.summary["issuer"],
        "aud": sandbox.summary["audience"],
        "sub": "somebody",
        "client_id": "some-app",
        "scope": "user/*.rs",
        "jti": str(uuid.uuid4()),
        "iat": now,
        "nbf": now,
        "exp": now + 600,
    }
    return {name: value for name, value in (usual | changed).items() if value is not None}


def signed(sandbox: Sandbox, header: Json | None = None, key: ECKey | None = None, **changed: Any) -> str:
    """A token by the sandbox's own key, or by another; claims that are None are left out."""
    own = read_key(sandbox.state / "issuer-key.json")
    usual = {"alg": "ES384", "typ": "at+jwt", "kid": own.kid}
    head = {name: value for name, value in (usual | (header or {})).items() if value is not None}
    return jwt.encode(head, claims(sandbox, **changed), key or own, [head["alg"]])


def b64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def unsigned(sandbox: Sandbox) -> str:
    """`alg: none` (RFC 8725 section 3.1)."""
    head = {"alg": "none", "typ": "at+jwt"}
    return ".".join((b64(json.dumps(head).encode()), b64(json.dumps(claims(sandbox)).encode()), ""))


def with_the_public_key_as_secret(sandbox: Sandbox) -> str:
    """HS256 by the issuer's public key, which everybody knows (RFC 8725 section 2.1)."""
    own = read_key(sandbox.state / "issuer-key.json")
    head = {"alg": "HS256", "typ": "at+jwt", "kid": own.kid}
    text = f"{b64(json.dumps(head).encode())}.{b64(json.dumps(claims(sandbox)).encode())}"
    secret = own.as_pem(private=False)
    return f"{text}.{b64(hmac.new(secret, text.encode(), hashlib.sha256).digest())}"


def with_its_own_key(sandbox: Sandbox) -> str:
    """Signed by a key that the token brings itself (RFC 8725 section 3.10)."""
    forged = ECKey.generate_key("P-384")
    return signed(sandbox, {"jwk": forged.as_dict(private=False)}, forged)


def tampered(sandbox: Sandbox) -> str:
    head, _, signature = signed(sandbox, scope="patient/*.rs").split(".")
    return f"{head}.{b64(json.dumps(claims(sandbox)).encode())}.{signature}"


def bad_tokens(sandbox: Sandbox) -> Iterator[tuple[str, str]]:
    now = int(time.time())
    yield "expired", signed(sandbox, exp=now - 3600, iat=now - 7200, nbf=now - 7200)
    yield "not yet valid", signed(sandbox, nbf=now + 3600)
    yield "issued in the future", signed(sandbox, iat=now + 3600)
    yield "without an end", signed(sandbox, exp=None)
    yield "for another audience", signed(sandbox, aud="https://elsewhere.example")
    yield "of another issuer", signed(sandbox, iss="https://elsewhere.example")
    yield "by another key", signed(sandbox, key=ECKey.generate_key("P-384"))
    yield "by an unknown key", signed(sandbox, {"kid": "unknown"}, ECKey.generate_key("P-384"))
    yield "without a key id", signed(sandbox, {"kid": None})
    yield "an ID token", signed(sandbox, {"typ": "JWT"})
    yield "without a type", signed(sandbox, {"typ": None})
    yield "with a critical header", signed(sandbox, {"crit": ["b64"], "b64": True})
    yield "bound to a key (DPoP)", signed(sandbox, cnf={"jkt": "thumbprint"})
    yield "bound to a certificate", signed(sandbox, cnf={"x5t#S256": "thumbprint"})
    yield "without a subject", signed(sandbox, sub=None)
    yield "without a client", signed(sandbox, client_id=None)
    yield "unsigned", unsigned(sandbox)
    yield "signed with the public key", with_the_public_key_as_secret(sandbox)
    yield "tampered with", tampered(sandbox)
    yield "no JWT", "opaque"
    yield "long", "a" * 15_000
    yield "of 100 kB", signed(sandbox, filler="x" * 100_000)
    yield "encrypted", f"{signed(sandbox).split('.')[0]}.a.b.c.d"
    yield "with its key in the header", with_its_own_key(sandbox)
    yield "bound in a way of its own", signed(sandbox, cnf={"jwk": {"kty": "EC"}})


def test_no_token_that_is_not_one_of_ours_is_accepted(gateway: Gateway, sandbox: Sandbox) -> None:
    sandbox.forget_requests()
    for name, token in bad_tokens(sandbox):
        answer = gateway.post(json.dumps({"query": QUERY}).encode(), Authorization=f"Bearer {token}")
        told = (answer.status, answer.codes, answer.headers.get("www-authenticate"))
        assert told == (401, ["UNAUTHENTICATED"], 'Bearer error="invalid_token"'), name
        assert "data" not in answer.document, name
        assert answer.errors[0]["message"] == "The access token is not valid.", "no hint for a forger"
    assert sandbox.requests("ehr") == []
    assert gateway.with_token(signed(sandbox)).ask(QUERY).whole()


def test_no_token_at_all_is_answered_with_a_challenge(gateway: Gateway) -> None:
    answer = gateway.with_token(None).ask(QUERY)
    assert (answer.status, answer.codes) == (401, ["UNAUTHENTICATED"])
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("value", ["Basic dXNlcjpwYXNzd29yZA==", "Bearer", "bearer x y", "Token abc"])
def test_other_credentials_are_refused(gateway: Gateway, value: str) -> None:
    answer = gateway.post(json.dumps({"query": QUERY}).encode(), Authorization=value)
    assert (answer.status, answer.codes) == (401, ["UNAUTHENTICATED"])
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'


def test_a_token_in_the_address_counts_for_nothing(gateway: Gateway) -> None:
    parameters = {"query": QUERY, "access_token": gateway.token}
    answer = gateway.client.get(gateway.url, params=parameters)
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "scope",
    [
        "",
        "openid fhirUser launch/patient",
        "user/Nothing.rs",
        "user/*.sr",
        "user/*.cud",
        "user/*.rs?category:not=laboratory",
        "user/Observation.rs?patient.name=x",
        "everything",
    ],
)
def test_a_token_whose_scopes_permit_no_reading_is_refused(
    gateway: Gateway, sandbox: Sandbox, scope: str
) -> None:
    sandbox.forget_requests()
    answer = gateway.with_token(sandbox.minted(scope=scope, patient="ehr/Patient/1001")).ask(QUERY)
    assert (answer.status, answer.codes, answer.headers["www-authenticate"]) == (403, ["FORBIDDEN"], NEEDED)
    assert "data" not in answer.document
    assert sandbox.requests("ehr") == []


@pytest.mark.parametrize(
    "scope",
    ["user/Observation.rs", "user/Patient.s", "patient/Observation.rs", "user/*.rs?category=laboratory"],
)
def test_a_field_that_the_scopes_do_not_permit_is_null_and_its_source_not_asked(
    gateway: Gateway, sandbox: Sandbox, scope: str
) -> None:
    sandbox.forget_requests()
    answer = gateway.with_token(sandbox.minted(scope=scope, patient="ehr/Patient/1001")).ask(QUERY)
    assert (answer.status, answer.codes) == (200, ["UNAUTHORIZED_FIELD_OR_TYPE"])
    assert answer.data == {"patient": None}
    assert sandbox.requests("ehr") == []


def test_a_patient_scope_without_a_patient_is_refused(gateway: Gateway, sandbox: Sandbox) -> None:
    answer = gateway.with_token(sandbox.minted(scope="patient/*.rs")).ask(QUERY)
    assert (answer.status, answer.codes) == (403, ["FORBIDDEN"])


@pytest.mark.parametrize(
    "scope", ["user/*.rs", "system/*.rs", "user/*.read", "system/*.*", "user/*.r user/*.s"]
)
def test_wide_read_scopes_open_the_door(gateway: Gateway, sandbox: Sandbox, scope: str) -> None:
    assert gateway.with_token(sandbox.minted(scope=scope)).ask(QUERY).whole()["patient"]
