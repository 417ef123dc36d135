"""gateway.toml, read so that mistakes explain themselves."""

from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from pydantic_settings import TomlConfigSettingsSource

from gateway.settings import Settings
from gateway.settings_check import contradictions
from gateway.settings_problems import sentences

ANCHORED: Final = (
    ("audit", "path"),
    ("documents", "folder"),
    ("documents", "manifests"),
    ("identity", "links"),
    ("secrets", "directory"),
    ("telemetry", "path"),
)
"""Settings that are paths: relative ones are relative to the file."""


class SettingsInvalid(Exception):
    """gateway.toml cannot be used. `problems` are sentences for the operator."""

    def __init__(self, file: Path, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(f"{file.name}: {problem}" for problem in problems))
        self.problems = problems


def read_settings(file: Path) -> Settings:
    """The settings in a file; raises `SettingsInvalid`."""
    if not file.is_file():
        raise SettingsInvalid(file, ("there is no such file",))
    try:
        written = TomlConfigSettingsSource(Settings, file)()
    except ValueError as problem:  # TOMLDecodeError, UnicodeDecodeError
        raise SettingsInvalid(file, (f"this is not TOML: {problem}",)) from None
    except OSError as problem:
        raise SettingsInvalid(file, (f"cannot be read: {problem.strerror}",)) from None
    return settings_of(written, file)


def settings_of(written: dict[str, Any], file: Path) -> Settings:
    """Settings from decoded TOML, paths anchored at the file's folder; raises `SettingsInvalid`."""
    try:
        settings = Settings(**_anchored(written, file.resolve().parent))
    except ValidationError as problem:
        raise SettingsInvalid(file, sentences(problem, written, Settings)) from None
    problems = contradictions(settings)
    if problems:
        raise SettingsInvalid(file, problems)
    return settings


def _anchored(written: dict[str, Any], folder: Path) -> dict[str, Any]:
    anchored = dict(written)
    for table, key in ANCHORED:
        value = written.get(table)
        if isinstance(value, dict) and key in value:
            anchored[table] = {**anchored[table], key: _path(value[key], folder)}
    return anchored


def _path(value: Any, folder: Path) -> Any:
    if isinstance(value, list):
        return [_path(one, folder) for one in value]
    return folder / value if isinstance(value, str) else value
