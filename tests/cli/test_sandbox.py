"""`clinical-gateway sandbox`: what it prints, that it works, and what it says where it cannot start."""

import json
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.cli.main import main
from sandbox.state import hold

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Started:
    """A whole sandbox with the real gateway: what it printed, and its sandbox.json."""

    state: Path
    printed: str
    summary: dict[str, Any]

    def ask(self, query: str, token: str) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {token}"}
        answer = httpx.post(
            self.summary["graphql_url"], json={"query": query}, headers=headers, timeout=PATIENCE_S
        )
        return {"status": answer.status_code, **answer.json()}


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    state = tmp_path_factory.mktemp("cli") / "state"
    command = [sys.executable, "-m", "gateway.cli.main", "sandbox", "--port", "0", "--patients", "20"]
    process = subprocess.Popen(
        [*command, "--state", str(state)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        lines: list[str] = []
        while not lines or (lines[-1] and not lines[-1].startswith("Ctrl-C")):
            lines.append(process.stdout.readline())
        printed = "".join(lines)
        assert process.poll() is None, printed
        yield Started(state, printed, json.loads((state / "sandbox.json").read_text()))
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE_S)


def first_query(printed: str) -> str:
    """The command to copy: from `curl` to the empty line."""
    return printed[printed.index("curl -s") :].split("\n\n")[0]


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
def test_the_printed_curl_shows_one_patient_with_observations_of_every_source(started: Started) -> None:
    ran = subprocess.run(["sh", "-c", first_query(started.printed)], capture_output=True, check=True)
    answer = json.loads(ran.stdout)
    assert "errors" not in answer
    patient = answer["data"]["patient"]
    assert patient["name"][0]["family"]
    assert patient["observations"]["completeness"] == "COMPLETE"
    names = {node["origin"]["name"] for node in patient["observations"]["nodes"]}
    assert names == {"ehr", "gp", "wearable"}


def test_every_address_of_the_summary_is_printed(started: Started) -> None:
    summary = started.summary
    for address in (summary["graphql_url"], summary["issuer"], *summary["upstreams"].values()):
        assert address in started.printed
    assert f"\n{summary['tokens']['clinician']}\n" in started.printed


def test_the_ids_of_the_summary_are_the_gateways_canonical_ids(started: Started) -> None:
    for row in started.summary["patients"]:
        for source, reference in row["sources"].items():
            found = started.ask(
                f'{{ patient(id: "{source}/{reference}") {{ id }} }}', started.summary["tokens"]["partner"]
            )
            assert found["data"] == {"patient": {"id": row["id"]}}, (source, reference, row)


def test_each_token_of_the_summary_is_accepted(started: Started) -> None:
    launched = started.ask("{ me { id } }", started.summary["tokens"]["patient"])
    assert launched["data"]["me"]["id"] in {row["id"] for row in started.summary["patients"]}
    for name in ("clinician", "partner"):
        row = started.summary["patients"][0]
        asked = started.ask(f'{{ patient(id: "{row["id"]}") {{ id }} }}', started.summary["tokens"][name])
        assert asked["data"] == {"patient": {"id": row["id"]}}


def test_a_token_of_the_command_is_accepted_and_an_expired_one_is_not(
    started: Started, capsys: pytest.CaptureFixture[str]
) -> None:
    row = started.summary["patients"][0]
    statuses: list[int] = []
    for ttl_s in ("60", "-600"):
        assert main(["token", "--scope", "user/*.rs", "--ttl-s", ttl_s, "--state", str(started.state)]) == 0
        token = capsys.readouterr().out.splitlines()[-1]
        statuses.append(started.ask(f'{{ patient(id: "{row["id"]}") {{ id }} }}', token)["status"])
    assert statuses == [200, 401]


def test_a_port_in_use_is_told_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["sandbox", "--port", str(port), "--state", str(tmp_path)]) == 1
    told = capsys.readouterr()
    assert told.err == (
        f"clinical-gateway sandbox: Port {port} of 127.0.0.1 is in use or may not be used;"
        " choose another with --port.\n"
    )
    assert told.out == ""


def test_a_state_folder_in_use_is_told_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with hold(tmp_path):
        assert main(["sandbox", "--port", "0", "--state", str(tmp_path)]) == 1
    assert "Another sandbox runs on" in capsys.readouterr().err


def test_a_state_folder_that_cannot_be_made_is_told_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main(["sandbox", "--port", "0", "--state", str(tmp_path / "file" / "state")]) == 1
    assert "clinical-gateway sandbox: " in capsys.readouterr().err
