"""Secrets come from the environment or a directory, and are never shown."""

from pathlib import Path

import pytest

from gateway.secrets import SecretInvalid, Secrets, variable_of


def test_environment_comes_before_the_directory(tmp_path: Path) -> None:
    (tmp_path / "identity_key").write_text("from the file\n")
    assert Secrets(tmp_path, {}).get("identity_key") == "from the file"
    variable = variable_of("identity_key")
    assert variable == "CLINICAL_GATEWAY_SECRET_IDENTITY_KEY"
    assert Secrets(tmp_path, {variable: "from the environment"}).get("identity_key") == "from the environment"


def test_absent_secret_is_none(tmp_path: Path) -> None:
    assert Secrets(tmp_path, {}).get("nothing") is None
    assert Secrets(None, {}).get("nothing") is None


@pytest.mark.parametrize("name", ["../etc/passwd", "/etc/passwd", "a/b", "", "A", "a.b"])
def test_name_is_never_a_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="not the name of a secret"):
        Secrets(tmp_path, {}).get(name)


def test_renewed_secret_is_found(tmp_path: Path) -> None:
    secrets = Secrets(tmp_path, {})
    (tmp_path / "grants").write_text("old")
    assert secrets.get("grants") == "old"
    (tmp_path / "grants").write_text("new")
    assert secrets.get("grants") == "new"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "is missing: set the environment variable"),
        ("xyz", "hexadecimal"),
        ("abcd", "must be 32 bytes"),
    ],
)
def test_key_of_another_shape_is_told_and_not_shown(text: str | None, sentence: str) -> None:
    environment = {} if text is None else {variable_of("cursor_key"): text}
    with pytest.raises(SecretInvalid, match=sentence) as refused:
        Secrets(None, environment).key("cursor_key", 32)
    assert text is None or text not in str(refused.value)


def test_key_is_read_from_hexadecimal() -> None:
    assert Secrets(None, {variable_of("cursor_key"): "AB" * 32}).key("cursor_key", 32) == b"\xab" * 32
