"""Writes sbom.cdx.json (CycloneDX 1.6) from requirements.lock: what a deployment of the gateway contains.

Made from the lock file alone, not from an environment, so it is the same on every machine; it names no index
and carries no time. The digests stay in the lock file: there is one per platform, not one per component.
`tests/house` holds the two equal.
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
SBOM = ROOT / "sbom.cdx.json"

REQUIREMENT = re.compile(r"^(?P<name>[a-z0-9._-]+)==(?P<version>\S+)(?: ; (?P<marker>[^\\]+?))? \\$")
# `# via a` on one line, or `# via` and one `#   a` per line; the project itself with its file in brackets.
REQUIRED_BY = re.compile(r"^    # (?:via|  ) ?(?P<name>\S+(?: \(\S+\))?)$")
OWN_BUILD_GROUP = "clinical-gateway (pyproject.toml:build)"


class Requirement(NamedTuple):
    """One pinned package of a lock file: its environment marker, and what requires it."""

    name: str
    version: str
    marker: str | None
    required_by: list[str]


def read_lock(text: str) -> list[Requirement]:
    """The requirements of a pip-format lock file, in its order."""
    rows: list[Requirement] = []
    for line in text.splitlines():
        if start := REQUIREMENT.match(line):
            rows.append(Requirement(start["name"], start["version"], start["marker"], []))
        elif user := REQUIRED_BY.match(line):
            rows[-1].required_by.append(user["name"])
    return rows


def purl(name: str, version: str) -> str:
    """Package URL (purl-spec, type `pypi`)."""
    return f"pkg:pypi/{name}@{version}"


def bill(lock: str, project: dict[str, Any]) -> dict[str, Any]:
    """The CycloneDX document of these lock-file bytes and this `[project]` table."""
    rows = read_lock(lock)
    own = purl(project["name"], project["version"])
    names = {row.name: purl(row.name, row.version) for row in rows}
    uses: dict[str, set[str]] = {own: set(), **{ref: set() for ref in names.values()}}
    for row in rows:
        for user in row.required_by:
            uses[names.get(user, own)].add(names[row.name])
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": own,
                "name": project["name"],
                "version": project["version"],
                "purl": own,
                "licenses": [{"license": {"id": project["license"]}}],
            }
        },
        "components": [component(row) for row in rows],
        "dependencies": [{"ref": ref, "dependsOn": sorted(parts)} for ref, parts in sorted(uses.items())],
    }


def component(row: Requirement) -> dict[str, Any]:
    """A lock row as a component."""
    ref = purl(row.name, row.version)
    return {
        "type": "library",
        "bom-ref": ref,
        "name": row.name,
        "version": row.version,
        "purl": ref,
        "scope": scope(row),
    }


def scope(row: Requirement) -> str:
    """CycloneDX scope: a build tool is left out of what runs; what only some machines need is optional."""
    if row.required_by == [OWN_BUILD_GROUP]:
        return "excluded"
    return "optional" if row.marker else "required"


def render() -> str:
    """The text that sbom.cdx.json should hold now."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return json.dumps(bill(LOCK.read_text(encoding="utf-8"), project), indent=1) + "\n"


if __name__ == "__main__":
    SBOM.write_text(render(), encoding="utf-8")
