"""`serve`, `schema` and `config`: what they print and how they end."""

import argparse
from pathlib import Path
from types import ModuleType

import pytest

from gateway.cli import config, schema, serve
from tests.gateway.settings_files import GOOD, write_all


def run(command: ModuleType, *arguments: str) -> int:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    code = command.run(parser.parse_args(arguments))
    assert isinstance(code, int)
    return code


def test_config_check_says_that_a_file_is_fine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(config, "check", str(write_all(tmp_path))) == 0
    assert capsys.readouterr().out == "gateway.toml is fine.\n"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("[secrets]", "[secret]"), "`secret` is not a known setting; did you mean `secrets`?"),
        (('directory = "secrets"', ""), "the secret `identity_key` is missing"),
        (('kind = "wearable"', 'kind = "fax"'), "fax"),
        (("[secrets]", '[schema]\nresources = ["Patint"]\n[secrets]'), "Patint"),
        (("[secrets]", '[audit]\nsink = "file"\npath = "none/a"\n[secrets]'), "there is no directory"),
        (
            ("[secrets]", '[store]\nkind = "redis"\nurl_secret = "redis_url"\n[secrets]'),
            "`redis_url` is missing",
        ),
    ],
)
def test_config_check_and_serve_say_what_would_stop_a_start(
    tmp_path: Path, change: tuple[str, str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_all(tmp_path, GOOD.replace(*change, 1))
    assert run(config, "check", str(file)) == 1
    assert sentence in capsys.readouterr().err
    assert run(serve, "--config", str(file)) == 1
    assert sentence in capsys.readouterr().err


def test_config_check_tells_every_missing_secret(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write_all(tmp_path)
    for name in ("identity_key", "cursor_key", "upstream_wearable_grants"):
        (tmp_path / "secrets" / name).unlink()
    assert run(config, "check", str(file)) == 1
    told = capsys.readouterr().err
    assert all(name in told for name in ("identity_key", "cursor_key", "upstream_wearable_grants"))


OPAQUE = """
[[issuers]]
kind = "opaque"
issuer = "http://127.0.0.1:9/opaque"
introspection = { client_id = "gateway", secret = "issuer_secret" }
"""


def test_config_check_online_names_who_does_not_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    away = "http://127.0.0.1:9"
    text = GOOD
    for host in ("issuer", "ehr", "gp", "wearable"):
        text = text.replace(f"https://{host}.test", away)
    assert run(config, "check", str(write_all(tmp_path, text)), "--online") == 1
    told = capsys.readouterr().out
    for name in ("issuer " + away, "upstream ehr", "upstream gp", "upstream wearable"):
        assert f"BAD {name}: " in told


def test_config_check_asks_an_issuer_of_opaque_tokens_and_names_its_missing_secret(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = GOOD.replace("jwks_uri", "#").replace("https://issuer.test", "http://127.0.0.1:9") + OPAQUE
    file = write_all(tmp_path, text)
    assert run(config, "check", str(file)) == 1
    assert "the secret `issuer_secret` is missing" in capsys.readouterr().err
    (tmp_path / "secrets" / "issuer_secret").write_text("hush")
    assert run(config, "check", str(file), "--online") == 1
    assert "BAD issuer http://127.0.0.1:9/opaque: introspection failed: " in capsys.readouterr().out


def test_schema_prints_the_chosen_resource_types(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(schema, "--resources", "Patient,Flag") == 0
    printed = capsys.readouterr().out
    assert "type Flag " in printed
    assert "type Observation " not in printed


def test_schema_check_compares_with_the_committed_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(schema, "--resources", "Patient")
    printed = capsys.readouterr().out
    committed = tmp_path / "schema.graphql"
    monkeypatch.setattr(schema, "COMMITTED", committed)
    committed.write_text(printed)
    assert run(schema, "--resources", "Patient", "--check") == 0
    committed.write_text(printed.replace("birthDate", "birthday"))
    assert run(schema, "--resources", "Patient", "--check") == 1
    assert "make schema" in capsys.readouterr().err


def test_unknown_resource_type_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(schema, "--resources", "Patint") == 2
    assert "Patint" in capsys.readouterr().err
