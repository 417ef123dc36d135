"""A gateway.toml that works, to be bent in one place by each test."""

import copy
import tomllib
from pathlib import Path
from typing import Any

from gateway.settings import Settings
from gateway.settings_file import settings_of

GOOD = """
[secrets]
directory = "secrets"

[[issuers]]
issuer = "https://issuer.test"
audience = "https://gateway.test"
jwks_uri = "https://issuer.test/jwks"
patient_source = "ehr"

[[upstreams]]
name = "ehr"
kind = "fhir"
base_url = "https://ehr.test/fhir"

[[upstreams]]
name = "gp"
kind = "fhir"
[[upstreams.locations]]
organization = "A81001"
base_url = "https://gp.test/A81001/fhir"
headers = { "X-Practice" = "A81001" }

[[upstreams]]
name = "wearable"
kind = "wearable"
base_url = "https://wearable.test"
[upstreams.credentials]
kind = "patient_grant"
"""


def written(**changes: Any) -> dict[str, Any]:
    """The decoded file with some places changed: `server__port=0`, `upstreams__0__timeout=3`."""
    made = tomllib.loads(GOOD)
    for name, value in changes.items():
        *way, last = name.split("__")
        place: Any = made
        for step in way:
            place = place[int(step)] if step.isdecimal() else place.setdefault(step, {})
        place[int(last) if last.isdecimal() else last] = copy.deepcopy(value)
    return made


def settings(folder: Path, **changes: Any) -> Settings:
    return settings_of(written(**changes), folder / "gateway.toml")


def write_secrets(folder: Path) -> None:
    (folder / "secrets").mkdir()
    (folder / "secrets" / "identity_key").write_text("ab" * 64 + "\n")
    (folder / "secrets" / "cursor_key").write_text("cd" * 32 + "\n")
    (folder / "secrets" / "upstream_wearable_grants").write_text("{}")


def write_all(folder: Path, text: str = GOOD) -> Path:
    """A folder that `serve` could use; the file's path."""
    write_secrets(folder)
    file = folder / "gateway.toml"
    file.write_text(text)
    return file
