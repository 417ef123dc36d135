"""The example package under examples: installed by pip, found by its entry point, served by a gateway."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from clinical.identifiers import NHS_NUMBER_SYSTEM
from sandbox.population.model import Population
from tests.house.tree import ROOT
from tests.pipeline.asking import Gateway
from tests.running import Sandbox, free_port, running, until

EXAMPLE = ROOT / "examples" / "diary"
LINES = (
    "account,taken_at,litres_per_minute\nd1,2026-10-01T07:30:00+01:00,385.50\nd1,2026-10-02T07:30:00,420\n"
)
QUERY = """query Diary($id: ID!) {
  patient(id: $id) {
    observations(first: 100, code: ["http://loinc.org|33452-4"]) {
      completeness sources { source status }
      nodes { origin { name fhirId } effectiveDateTime valueQuantity { valueText unit } }
    }
  }
}"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package alone, as pip puts it there; the sources are copied, so that nothing is left
    in the tree by the build."""
    folder = tmp_path_factory.mktemp("plugin")
    source, target = folder / "source", folder / "site"
    for file in EXAMPLE.rglob("*"):
        if file.is_file() and "__pycache__" not in file.parts:
            copy = source / file.relative_to(EXAMPLE)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(target), str(source)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return target


@pytest.fixture
def gateway(sandbox: Sandbox, population: Population, installed: Path, tmp_path: Path) -> Iterator[Gateway]:
    """A gateway process with the sandbox's settings and a diary beside its sources."""
    (tmp_path / "diary.csv").write_text(LINES)
    number = next(one.nhs_number for one in population.people if len(one.sources) == 3)
    link = {"source": "diary", "patient": "d1", "system": NHS_NUMBER_SYSTEM, "value": number}
    known = (sandbox.state / "links.ndjson").read_text()
    (tmp_path / "links.ndjson").write_text(known + json.dumps(link) + "\n")
    written = (sandbox.state / "gateway.toml").read_text()
    written = written.replace('resources = "default"', 'resources = ["Patient", "Observation"]')
    written = written.replace('"secrets"', json.dumps(str(sandbox.state / "secrets")))
    table = f"""
[[upstreams]]
name = "diary"
kind = "diary"
base_url = "https://diary.example.org"
timezone = "Europe/London"

[upstreams.options]
file = {json.dumps(str(tmp_path / "diary.csv"))}
"""
    port = free_port()
    written = re.sub(r"(?m)^port = \d+$", f"port = {port}", written) + table
    (tmp_path / "gateway.toml").write_text(written)
    arguments = ["serve", "--config", str(tmp_path / "gateway.toml")]
    log = tmp_path / "gateway.log"
    with running([sys.executable, "-m", "gateway.cli.main", *arguments], log, [installed]) as process:
        url = f"http://127.0.0.1:{port}"
        until(lambda: answers(sandbox, f"{url}/readyz"), process, log)
        yield Gateway(f"{url}/graphql", sandbox.token("clinician"), sandbox.client)


def answers(sandbox: Sandbox, url: str) -> bool:
    try:
        return sandbox.client.get(url).status_code == 200
    except httpx.TransportError:
        return False


def test_the_example_is_served_beside_the_other_sources(
    gateway: Gateway, sandbox: Sandbox, population: Population
) -> None:
    person = next(one for one in population.people if len(one.sources) == 3)
    id_ = sandbox.summary["patients"][person.index]["id"]
    told = gateway.ask(QUERY, id=id_).whole()["patient"]["observations"]
    assert told["completeness"] == "COMPLETE"
    assert {one["source"]: one["status"] for one in told["sources"]}["diary"] == "OK"
    rows = [row for row in told["nodes"] if row["origin"]["name"] == "diary"]
    assert [row["valueQuantity"] for row in rows] == [
        {"valueText": "420", "unit": "L/min"},
        {"valueText": "385.50", "unit": "L/min"},
    ]
    assert rows[0]["effectiveDateTime"] == "2026-10-02T07:30:00+01:00"


def test_the_example_keeps_the_contract_as_its_author_would_check_it(installed: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(installed), str(ROOT)))}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull]
    command += ["--rootdir", str(tmp_path), str(EXAMPLE / "tests")]
    ended = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert ended.returncode == 0, ended.stdout[-3000:]
    assert "12 passed" in ended.stdout
