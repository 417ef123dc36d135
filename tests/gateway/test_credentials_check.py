"""Credentials that cannot work with the rest of the settings explain themselves, before anything starts."""

from pathlib import Path
from typing import Any

import pytest

from gateway.keys import SIGNING_KEYS
from gateway.secrets import Secrets
from gateway.settings_file import SettingsInvalid
from gateway.start_check import start_problems
from tests.gateway.settings_files import settings, write_secrets

TOKEN_URL = "https://vendor.test/token"
HERE = "https://issuer.test"
REDIS = {"kind": "redis", "url_secret": "redis_url"}


def grants(**more: Any) -> dict[str, Any]:
    return {"kind": "patient_grant", **more}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"upstreams__0__credentials": {"kind": "forward", "trusted_issuer": "https://x.test"}},
            "upstream ehr trusts callers of https://x.test, which is no issuer here (there are: https://iss",
        ),
        (
            {
                "upstreams__0__credentials": {"kind": "forward", "trusted_issuer": HERE},
                "upstreams__0__base_url": "http://ehr.test/fhir",
            },
            "upstream ehr would send people's tokens to http://ehr.test/fhir in the clear: use https",
        ),
        (
            {
                "upstreams__0__credentials": {"kind": "mtls"},
                "upstreams__0__base_url": "http://127.0.0.1:1/fhir",
            },
            "upstream ehr shows a certificate, which http://127.0.0.1:1/fhir cannot ask for: use https",
        ),
        (
            {
                "upstreams__0__credentials": {
                    "kind": "client_credentials",
                    "client_id": "g",
                    "token_url": "http://issuer.test/token",
                }
            },
            "upstream ehr would send its proof and its tokens to http://issuer.test/token in the clear",
        ),
        (
            {"upstreams__2__credentials": grants(token_url=TOKEN_URL, client_id="g")},
            'upstream wearable renews grants (`credentials.token_url`), and `store.kind` is "memory"',
        ),
        (
            {"upstreams__2__credentials": grants(token_url=TOKEN_URL)},
            "`upstreams[2] (wearable).credentials`: `token_url` needs `client_id`",
        ),
        (
            {"upstreams__0__credentials": grants()},
            'credentials of kind "patient_grant" are for vendor accounts',
        ),
        (
            {"upstreams__0__credentials": {"kind": "basic", "user": "u", "password": "hush"}},
            "looks like a secret, which does not belong in this file",
        ),
        (
            {"upstreams__0__credentials": {"kind": "basic", "user": "a:b"}},
            "`upstreams[0] (ehr).credentials.user`: string should match pattern",
        ),
        ({"upstreams__0__credentials": {"kind": "forward"}}, "credentials.trusted_issuer` is missing"),
        ({"upstreams__0__purposes": []}, "`upstreams[0] (ehr).purposes` is empty: at least one is needed"),
        ({"upstreams__0__purposes": ["treat"]}, "`upstreams[0] (ehr).purposes[0]`: string should match"),
        ({"purposes__default": "treat"}, "`purposes.default`: string should match pattern"),
        (
            {"upstreams__0__restricted_patients": "no"},
            "`upstreams[0] (ehr).restricted_patients`: input should",
        ),
    ],
)
def test_a_mistake_is_told_in_a_sentence(tmp_path: Path, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        settings(tmp_path, **changes)
    told = str(refused.value)
    assert sentence in told
    assert told.count("\n") == 0
    assert "hush" not in told


@pytest.mark.parametrize(
    "changes",
    [
        {"upstreams__0__credentials": {"kind": "forward", "trusted_issuer": HERE}},
        {
            "upstreams__0__credentials": {"kind": "forward", "trusted_issuer": HERE},
            "upstreams__0__base_url": "http://127.0.0.1:1/fhir",
        },
        {"upstreams__2__credentials": grants(token_url=TOKEN_URL, client_id="g"), "store": REDIS},
        {"upstreams__0__purposes": ["TREAT"], "purposes__default": "PATRQT"},
    ],
)
def test_what_can_work_is_taken(tmp_path: Path, changes: dict[str, Any]) -> None:
    settings(tmp_path, **changes)


@pytest.mark.parametrize(
    ("credentials", "secrets", "sentence"),
    [
        (
            {"kind": "private_key_jwt", "token_url": TOKEN_URL, "client_id": "g"},
            {},
            "upstream 'ehr': private_key_jwt needs a key for ES384 of the gateway's own: put one into",
        ),
        (
            {"kind": "private_key_jwt", "token_url": TOKEN_URL, "client_id": "g"},
            {SIGNING_KEYS: "nonsense"},
            "the secret `signing_keys` holds neither JWKs nor private keys in PEM",
        ),
        ({"kind": "basic", "user": "u"}, {}, "the secret 'upstream_ehr_password' is missing"),
        ({"kind": "mtls"}, {}, "the secret 'upstream_ehr_certificate' is missing"),
        (
            {"kind": "mtls"},
            {"upstream_ehr_certificate": "x", "upstream_ehr_key": "y"},
            "the secret 'upstream_ehr_certificate' is neither PEM nor the absolute path of a PEM file",
        ),
        (
            {"kind": "token_exchange", "token_url": TOKEN_URL, "client_id": "g"},
            {},
            "the secret 'upstream_ehr_client_secret' is missing",
        ),
    ],
)
def test_what_a_secret_lacks_is_told_once_and_before_the_start(
    tmp_path: Path, credentials: dict[str, Any], secrets: dict[str, str], sentence: str
) -> None:
    write_secrets(tmp_path)
    for name, text in secrets.items():
        (tmp_path / "secrets" / name).write_text(text)
    read = settings(tmp_path, schema__resources=["Patient"], upstreams__0__credentials=credentials)
    told = start_problems(read, Secrets(tmp_path / "secrets", {}))
    assert len([one for one in told if sentence in one and "schema" not in one]) == 1, told


def test_grants_that_are_renewed_need_their_key(tmp_path: Path) -> None:
    write_secrets(tmp_path)
    (tmp_path / "secrets" / "redis_url").write_text("redis://127.0.0.1:1")
    credentials = grants(token_url=TOKEN_URL, client_id="g")
    read = settings(tmp_path, upstreams__2__credentials=credentials, store=REDIS)
    told = start_problems(read, Secrets(tmp_path / "secrets", {}))
    assert any("the secret 'grant_key' is missing" in one for one in told)
