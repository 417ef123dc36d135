"""The gateway's own keys: read from a secret as operators have them, published without what is private."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey

from gateway.keys import SigningKeys, algorithm_of, read_keys
from gateway.secrets import SecretInvalid, Secrets

EC = [ECKey.generate_key("P-384", {"kid": f"e{n}"}) for n in range(3)]
RSA = [RSAKey.generate_key(2048, {"kid": f"r{n}"}) for n in range(2)]
PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "k", "oth"}


def read(text: str) -> SigningKeys:
    return read_keys(Secrets(None, {"CLINICAL_GATEWAY_SECRET_SIGNING_KEYS": text}))


def pem(key: ECKey | RSAKey) -> str:
    return bytes(key.as_pem(private=True)).decode()


def jwks(*keys: Any) -> str:
    return json.dumps({"keys": [key.as_dict(private=True) for key in keys]})


def test_without_the_secret_there_is_none() -> None:
    keys = read_keys(Secrets(None, {}))
    assert keys.published() == {"keys": []}
    assert keys.signing_key("ES384") is None


@given(st.permutations([*EC, *RSA]), st.integers(1, 5))
@settings(max_examples=30)
def test_the_first_of_an_algorithm_signs_and_all_are_published_without_what_is_private(
    order: list[ECKey | RSAKey], count: int
) -> None:
    chosen = order[:count]
    keys = read(jwks(*chosen))
    published = keys.published()["keys"]
    assert [one["kid"] for one in published] == [key.kid for key in chosen]
    assert all(PRIVATE.isdisjoint(one) for one in published)
    for algorithm in ("ES384", "RS384"):
        expected = next((key.kid for key in chosen if algorithm_of(key) == algorithm), None)
        signing = keys.signing_key(algorithm)  # type: ignore[arg-type]
        assert (signing.kid if signing else None) == expected
        if signing is not None:
            signed = jwt.encode({"alg": algorithm, "kid": signing.kid}, {"a": 1}, signing, [algorithm])
            verifying = KeySet.import_key_set({"keys": published})
            assert jwt.decode(signed, verifying, [algorithm]).claims == {"a": 1}


@pytest.mark.parametrize("text", [pem(EC[0]), f"\n{pem(EC[0])}\n", json.dumps(EC[0].as_dict(private=True))])
def test_a_key_may_be_pem_or_a_jwk(text: str) -> None:
    (one,) = read(text).published()["keys"]
    assert {name: one[name] for name in ("kty", "crv", "use", "alg")} == {
        "kty": "EC",
        "crv": "P-384",
        "use": "sig",
        "alg": "ES384",
    }


def test_keys_in_pem_are_known_by_their_thumbprints_one_after_the_other() -> None:
    made = ec.generate_private_key(ec.SECP384R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    parameters = "-----BEGIN EC PARAMETERS-----\nBgUrgQQAIg==\n-----END EC PARAMETERS-----\n"
    text = parameters + made.decode() + pem(RSA[0])
    first, second = read(text).published()["keys"]
    assert (first["alg"], second["alg"]) == ("ES384", "RS384")
    assert first["kid"] == ECKey.import_key(made).thumbprint()
    assert read(text).published() == read(text).published()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nonsense", "neither JWKs nor private keys"),
        ("{", "not JSON"),
        ('{"keys": []}', "no JWK Set"),
        ('{"keys": [1]}', "no JWK Set"),
        ('{"kty": "EC"}', "cannot be read"),
        (jwks(OctKey.generate_key(256)), "neither EC on P-384 nor RSA"),
        (jwks(ECKey.generate_key("P-256")), "another curve than P-384"),
        (jwks(EC[0], EC[0]), "two keys of one `kid`"),
        (json.dumps(EC[0].as_dict(private=False)), "public key"),
        (bytes(RSA[0].as_pem(private=False)).decode(), "public key"),
        ("-----BEGIN {0}-----\nAAAA\n-----END {0}-----".format("PRIVATE KEY"), "cannot be read"),
    ],
)
def test_what_cannot_sign_is_told_in_a_sentence_and_not_shown(text: str, told: str) -> None:
    with pytest.raises(SecretInvalid, match=told) as refused:
        read(text)
    assert "`signing_keys`" in str(refused.value)
    assert str(EC[0].as_dict(private=True)["d"]) not in str(refused.value)
