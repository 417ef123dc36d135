"""The policy file: read, checked, refused in sentences that name the file and the place."""

from importlib import resources
from pathlib import Path

import pytest

from gateway.policy_file import read_policy
from permissions.policy import default_policy
from permissions.rules import PolicyInvalid
from schema.build import DEFAULT_RESOURCES, build_schema

TIGHTER = """
[[rules]]
coordinates = ["Patient.telecom", "Patient.address", "Patient.contact"]
reason = "Only for those who visit."
scopes = [["patient/Patient.r"], ["user/Patient.r", "contact.read"]]
purposes = ["TREAT"]
"""


def refusal(path: Path, content: str | bytes) -> list[str]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(PolicyInvalid) as refused:
        read_policy(path)
    return str(refused.value).split("\n")


def default_text() -> str:
    return resources.files("permissions").joinpath("policy.toml").read_text("utf-8")


def test_no_file_is_no_policy_of_its_own() -> None:
    assert read_policy(None) is None


def test_a_copy_of_the_gateways_own_policy_is_the_same_policy(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(default_text(), "utf-8")
    copied = read_policy(path)
    assert copied == default_policy()
    assert build_schema(DEFAULT_RESOURCES, copied).sdl == build_schema(DEFAULT_RESOURCES).sdl


def test_a_file_may_tighten_rows(tmp_path: Path) -> None:
    first = '["Patient.telecom", "Patient.address", "Patient.contact"]'
    path = tmp_path / "policy.toml"
    head, _, rest = default_text().partition(f"[[rules]]\ncoordinates = {first}")
    path.write_text(head + TIGHTER + rest.partition("\n\n")[2], "utf-8")
    made = build_schema(("Patient", "DiagnosticReport", "Condition"), read_policy(path))
    found = made.rules.of("Patient.telecom")
    assert found is not None
    assert ("user/Patient.r", "contact.read") in found.required()
    assert found.purposes == {"TREAT"}


def test_a_file_that_is_not_there_or_not_text_is_told(tmp_path: Path) -> None:
    gone = tmp_path / "gone.toml"
    with pytest.raises(PolicyInvalid, match=r"the policy .*gone\.toml cannot be read: FileNotFoundError"):
        read_policy(gone)
    with pytest.raises(PolicyInvalid, match="cannot be read: IsADirectoryError"):
        read_policy(tmp_path)
    assert refusal(tmp_path / "p.toml", b"\xff\xfe") == [
        f"the policy {tmp_path / 'p.toml'} cannot be read: UnicodeDecodeError"
    ]


def test_a_file_that_is_not_toml_is_told(tmp_path: Path) -> None:
    (told,) = refusal(tmp_path / "p.toml", "[[rules]\n")
    assert told.startswith(f"the policy {tmp_path / 'p.toml'} is not TOML: ")


def test_every_wrong_row_is_told_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    told = refusal(
        path,
        '[[rules]]\ncoordinates = ["Patient"]\nreason = "r"\n'
        '[[rules]]\ncoordinates = ["Patient.telecom"]\nreason = "r"\nscopes = [["user/Patient.sr"]]\n'
        "[glass]\nbreaks = true\n",
    )
    write = "`Patient` is no coordinate: write Type.field, with * for any name"
    assert told == [
        f"the policy {path}, rules.0.coordinates.0: {write}",
        f"the policy {path}, rules.1: `user/Patient.sr` is no scope",
        f"the policy {path}, glass: Extra inputs are not permitted",
    ]


def test_a_row_of_a_file_that_names_nothing_stops_the_start(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text(default_text() + '\n[[rules]]\ncoordinates = ["Patient.phone"]\nreason = "r"\n', "utf-8")
    with pytest.raises(PolicyInvalid, match=r"the rule for `Patient\.phone` names no field of the schema"):
        build_schema(DEFAULT_RESOURCES, read_policy(path))


def test_a_file_without_a_row_for_a_fetching_field_stops_the_start(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text("", "utf-8")
    with pytest.raises(PolicyInvalid) as refused:
        build_schema(("Patient",), read_policy(path))
    told = str(refused.value).split("\n")
    assert "no rule covers `Query.node`: write a row for it in the policy" in told
    assert "no rule covers `Patient.records`: write a row for it in the policy" in told
