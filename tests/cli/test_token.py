"""`clinical-gateway token` against a sandbox's state folder (docs/sandbox.md)."""

import time
from pathlib import Path

import pytest
from joserfc import jwt

from gateway.cli.main import main
from sandbox.issuer.keys import ensure_key, read_key

SETTINGS = """
[[issuers]]
issuer = "http://127.0.0.1:9001"
audience = "https://clinical-gateway.sandbox"
"""


@pytest.fixture
def state(tmp_path: Path) -> Path:
    ensure_key(tmp_path / "issuer-key.json")
    (tmp_path / "gateway.toml").write_text(SETTINGS)
    return tmp_path


def printed(state: Path, capsys: pytest.CaptureFixture[str], *options: str) -> jwt.Token:
    assert main(["token", "--state", str(state), *options]) == 0
    last_line = capsys.readouterr().out.splitlines()[-1]
    key = read_key(state / "issuer-key.json")
    return jwt.decode(last_line, key, ["ES384"])


def test_the_token_is_alone_on_the_last_line_and_signed_by_the_folders_key(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    token = printed(state, capsys, "--scope", "user/*.rs")
    assert token.header["typ"] == "at+jwt"
    assert token.header["kid"] == ensure_key(state / "issuer-key.json").kid
    assert token.claims["iss"] == "http://127.0.0.1:9001"
    assert token.claims["aud"] == "https://clinical-gateway.sandbox"
    assert token.claims["scope"] == "user/*.rs"


def test_it_lasts_an_hour_from_now_and_no_two_are_the_same(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = printed(state, capsys, "--scope", "user/*.rs").claims
    second = printed(state, capsys, "--scope", "user/*.rs").claims
    assert first["exp"] - first["iat"] == 3600
    assert first["nbf"] == first["iat"] <= time.time()
    assert first["jti"] != second["jti"]


def test_every_option_is_a_claim(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--patient", "ehr/Patient/1", "--client", "app", "--user", "Practitioner/7", "--ttl-s", "60"]
    claims = printed(state, capsys, "--scope", "patient/*.rs", *options).claims
    assert (claims["patient"], claims["client_id"], claims["fhirUser"]) == (
        "ehr/Patient/1",
        "app",
        "Practitioner/7",
    )
    assert claims["exp"] - claims["iat"] == 60


def test_patient_and_user_are_absent_where_not_given(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    claims = printed(state, capsys, "--scope", "system/*.rs").claims
    assert not {"patient", "fhirUser"} & set(claims)


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("tenant=north", "tenant", "north"),
        ("aud=https://elsewhere.example", "aud", "https://elsewhere.example"),
        ('cnf={"jkt": "abc"}', "cnf", {"jkt": "abc"}),
        ("exp=1", "exp", 1),
        ("note=a=b", "note", "a=b"),
        ("empty=", "empty", ""),
    ],
)
def test_a_claim_is_added_or_replaced(
    state: Path, capsys: pytest.CaptureFixture[str], text: str, name: str, value: object
) -> None:
    claims = printed(state, capsys, "--scope", "user/*.rs", "--claim", "also=there", "--claim", text).claims
    assert claims[name] == value
    assert claims["also"] == "there"


@pytest.mark.parametrize("text", ["lonely", "=value", ""])
def test_a_claim_without_a_name_or_value_is_a_usage_error(state: Path, text: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["token", "--state", str(state), "--scope", "user/*.rs", "--claim", text])
    assert ended.value.code == 2


@pytest.mark.parametrize("missing", ["issuer-key.json", "gateway.toml"])
def test_outside_a_sandbox_it_refuses_and_prints_no_token(
    state: Path, capsys: pytest.CaptureFixture[str], missing: str
) -> None:
    (state / missing).unlink()
    assert main(["token", "--state", str(state), "--scope", "user/*.rs"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert "not the state folder of a sandbox" in told.err
    assert missing in told.err


@pytest.mark.parametrize("damaged", ["issuer-key.json", "gateway.toml"])
def test_a_damaged_folder_is_refused_with_a_sentence(
    state: Path, capsys: pytest.CaptureFixture[str], damaged: str
) -> None:
    (state / damaged).write_text("{ broken")
    assert main(["token", "--state", str(state), "--scope", "user/*.rs"]) == 1
    assert "not what a sandbox writes" in capsys.readouterr().err


def test_a_file_is_no_state_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["token", "--state", str(tmp_path / "file"), "--scope", "user/*.rs"]) == 1
    assert "not the state folder" in capsys.readouterr().err
