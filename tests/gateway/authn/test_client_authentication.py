"""How the gateway shows an issuer who it is."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from gateway.authn.authenticator import Credentials
from gateway.authn.bearer import BearerAuthenticator
from gateway.authn.client_authentication import ClientProof, client_authentication
from gateway.authn.issuer import IntrospectionSettings, OpaqueIssuerSettings
from gateway.authn.issuers import open_issuers
from gateway.secrets import SecretInvalid, Secrets, variable_of
from tests.gateway.issuing import INTROSPECTION, ISSUER, AuthorizationServer

EC, RSA = ECKey.generate_key("P-384", {"kid": "own-1"}), RSAKey.generate_key(2048, {"kid": "own-2"})
OWN_KEYS = json.dumps({"keys": [key.as_dict(private=True) for key in (EC, RSA)]})


def proof(secrets: dict[str, str], **changes: Any) -> ClientProof:
    settings = IntrospectionSettings(**{"client_id": "gate way", **changes})
    given = {variable_of(name): value for name, value in secrets.items()}
    return client_authentication(settings, ISSUER, Secrets(None, given))()


def test_secret_in_the_header_is_form_encoded_first() -> None:
    shown = proof({"issuer_secret": "a:b %"}, secret="issuer_secret")  # RFC 6749 section 2.3.1
    assert shown == ClientProof({"Authorization": "Basic Z2F0ZSt3YXk6YSUzQWIrJTI1"}, {})


def test_secret_in_the_body_leaves_the_header_alone() -> None:
    shown = proof({"issuer_secret": "x"}, secret="issuer_secret", authentication="client_secret_post")
    assert shown == ClientProof({}, {"client_id": "gate way", "client_secret": "x"})


@pytest.mark.parametrize(("key", "algorithm"), [(EC, "ES384"), (RSA, "RS384")])
def test_assertion_is_signed_short_lived_used_once_and_for_the_issuer(key: Any, algorithm: str) -> None:
    chosen = {"authentication": "private_key_jwt", "algorithm": algorithm}
    shown = [proof({"signing_keys": OWN_KEYS}, **chosen).form for _ in range(2)]
    tokens = [jwt.decode(form["client_assertion"], key, algorithms=[algorithm]) for form in shown]
    for form, token in zip(shown, tokens, strict=True):
        assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        claims = token.claims
        assert (claims["iss"], claims["sub"], claims["aud"]) == ("gate way", "gate way", ISSUER)
        assert 0 < claims["exp"] - time.time() <= 300
        assert token.header["kid"] == key.kid  # as it is published
    assert tokens[0].claims["jti"] != tokens[1].claims["jti"]


@pytest.mark.parametrize(
    ("secrets", "chosen", "named"),
    [
        ({}, {"secret": "issuer_secret"}, "issuer_secret"),
        ({}, {"authentication": "private_key_jwt"}, "signing_keys"),
        (
            {"signing_keys": json.dumps(EC.as_dict(private=True))},
            {"authentication": "private_key_jwt", "algorithm": "RS384"},
            "signing_keys",
        ),
    ],
)
def test_what_is_missing_stops_the_start_and_is_named(
    secrets: dict[str, str], chosen: dict[str, Any], named: str
) -> None:
    with pytest.raises(SecretInvalid, match=named):
        proof(secrets, **chosen)


async def test_secret_that_was_renewed_is_used_without_a_restart(tmp_path: Path) -> None:
    server, secret = AuthorizationServer(), tmp_path / "issuer_secret"
    secret.write_text("first\n")
    asked = {"endpoint": INTROSPECTION, "client_id": "gateway", "secret": "issuer_secret", "cache_s": 0}
    settings = OpaqueIssuerSettings(
        kind="opaque", issuer=ISSUER, introspection=IntrospectionSettings(**asked)
    )
    authenticator = BearerAuthenticator(open_issuers([settings], server.client, Secrets(tmp_path, {})))
    shown = Credentials(f"Bearer {server.give('t1')}")
    await authenticator.authenticate(shown)
    secret.write_text("renewed\n")
    await authenticator.authenticate(shown)
    assert [proved for proved, _ in server.proofs] == [
        "Basic Z2F0ZXdheTpmaXJzdA==",
        "Basic Z2F0ZXdheTpyZW5ld2Vk",
    ]
