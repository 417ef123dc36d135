"""Starting, watching and ending the sandbox (docs/sandbox.md), with a stub in the gateway's place."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.settings_file import read_settings
from sandbox.issuer.tokens import AUDIENCE

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="watches processes through /proc")
ROOT = Path(__file__).parents[2]
NAMES = {"gateway", "issuer", "ehr", "gp", "wearable"}
PATIENCE_S = 60.0
Start = Callable[..., "Sandbox"]


class Sandbox:
    """A sandbox process with a stub gateway."""

    def __init__(self, state: Path, *options: str, port: int = 0) -> None:
        self.state = state
        self.process = subprocess.Popen(
            [sys.executable, "tests/sandbox/launch_with_stub.py", str(state), str(port), *options],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def summary(self) -> dict[str, Any]:
        """sandbox.json as soon as it is there."""
        until(lambda: (self.state / "sandbox.json").exists() or self.process.poll() is not None)
        return dict(json.loads((self.state / "sandbox.json").read_text()))

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Its exit code and all that it printed."""
        self.process.send_signal(number)
        output, _ = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, output


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def is_gone(pid: int) -> bool:
    """Whether the process has ended; one that nobody has waited for yet (a zombie) has."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Sandbox] = []

    def begin(*options: str, port: int = 0, state: Path = tmp_path / "state") -> Sandbox:
        started.append(Sandbox(state, *options, port=port))
        return started[-1]

    yield begin
    for sandbox in started:
        sandbox.process.kill()
        sandbox.process.communicate()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    sandbox = Sandbox(tmp_path_factory.mktemp("sandbox") / "state")
    yield sandbox
    sandbox.end()


def test_sandbox_json_has_the_documented_keys(running: Sandbox) -> None:
    summary = running.summary()
    assert {"graphql_url", "base_url", "issuer", "upstreams", "tokens", "patients", "pids"} <= set(summary)
    assert summary["graphql_url"] == summary["base_url"] + "/graphql"
    assert set(summary["upstreams"]) == {"ehr", "gp", "wearable"}
    assert set(summary["tokens"]) == {"patient", "clinician", "partner"}
    assert set(summary["pids"]) == NAMES
    assert [place["organization"] for place in summary["locations"]["gp"]] == ["A81001", "B82002"]


def test_a_patients_id_is_sealed_where_there_is_an_nhs_number_and_else_a_records_id(running: Sandbox) -> None:
    patients = running.summary()["patients"]
    assert len(patients) == 20
    for patient in patients:
        assert patient["sources"]
        assert patient["name"]
        assert patient["record_url"].endswith(next(iter(patient["sources"].values())))
        assert all(reference.startswith("Patient/") for reference in patient["sources"].values())
        if patient["nhs_number"]:
            system = "https://fhir.nhs.uk/Id/nhs-number"
            assert patient["id"] == f"person/64.{system}|{patient['nhs_number']}"
        else:
            assert patient["id"] in {f"{name}/{local}" for name, local in patient["sources"].items()}
    assert any(patient["nhs_number"] is None for patient in patients)


def test_every_process_answers_at_its_url(running: Sandbox) -> None:
    summary = running.summary()
    urls = [
        summary["upstreams"]["ehr"] + "/metadata",
        summary["issuer"] + "/jwks",
        summary["base_url"] + "/readyz",
    ]
    assert [httpx.get(url).status_code for url in urls] == [200, 200, 200]
    place = summary["locations"]["gp"][0]
    found = httpx.get(place["base_url"] + "/Patient", headers=place["headers"])
    assert found.json()["resourceType"] == "Bundle"


def test_the_gateways_client_gets_a_token_that_the_ehr_accepts(running: Sandbox) -> None:
    summary = running.summary()
    settings = tomllib.loads((running.state / "gateway.toml").read_text())
    [ehr] = [upstream for upstream in settings["upstreams"] if upstream["name"] == "ehr"]
    secret = (running.state / "secrets" / "upstream_ehr_client_secret").read_text()
    form = {
        "grant_type": "client_credentials",
        "client_id": ehr["credentials"]["client_id"],
        "client_secret": secret,
    }
    token = httpx.post(ehr["credentials"]["token_url"], data=form).json()["access_token"]
    answer = httpx.get(ehr["base_url"] + "/Patient", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    clinician = {"Authorization": f"Bearer {summary['tokens']['clinician']}"}
    assert httpx.get(ehr["base_url"] + "/Patient", headers=clinician).status_code == 401


def test_links_and_grants_name_every_account_of_the_wearable(running: Sandbox) -> None:
    summary = running.summary()
    links = [json.loads(line) for line in (running.state / "links.ndjson").read_text().splitlines()]
    linked = {link["value"]: f"Patient/{link['patient']}" for link in links}
    known = {
        p["nhs_number"]: p["sources"]["wearable"] for p in summary["patients"] if "wearable" in p["sources"]
    }
    assert linked == known
    assert {(link["source"], link["system"]) for link in links} == {
        ("wearable", "https://fhir.nhs.uk/Id/nhs-number")
    }
    grants = json.loads((running.state / "secrets" / "upstream_wearable_grants").read_text())
    assert {f"Patient/{user}" for user in grants} == set(known.values())
    headers = {"Authorization": f"Bearer {grants[links[0]['patient']]}"}
    answer = httpx.post(
        summary["upstreams"]["wearable"] + "/measure", data={"action": "getmeas"}, headers=headers
    )
    assert answer.json()["status"] == 0


def test_the_wearables_limit_lets_a_walk_of_everybody_pass_and_its_requests_are_logged(
    running: Sandbox,
) -> None:
    origin = running.summary()["upstreams"]["wearable"]
    grants = json.loads((running.state / "secrets" / "upstream_wearable_grants").read_text())
    headers = {"Authorization": f"Bearer {next(iter(grants.values()))}"}
    with httpx.Client(base_url=origin, headers=headers) as client:
        client.delete("/_sandbox/requests")
        answers = [client.post("/measure", data={"action": "getmeas"}).json()["status"] for _ in range(150)]
        logged = client.get("/_sandbox/requests").text.splitlines()
    assert set(answers) == {0}
    assert len(logged) == 150
    assert json.loads(logged[0])["body"] == "action=getmeas"


def test_gateway_toml_says_what_the_sandbox_is(running: Sandbox) -> None:
    summary = running.summary()
    settings = tomllib.loads((running.state / "gateway.toml").read_text())
    assert settings["issuers"][0]["issuer"] == summary["issuer"]
    assert settings["issuers"][0]["audience"] == AUDIENCE
    assert [upstream["name"] for upstream in settings["upstreams"]] == ["ehr", "gp", "wearable"]
    gp = settings["upstreams"][1]
    for place, told in zip(gp["locations"], summary["locations"]["gp"], strict=True):
        [(header, secret)] = place.pop("secret_headers").items()
        assert (running.state / "secrets" / secret).read_text() == told["headers"][header]
        assert place == {name: told[name] for name in ("organization", "base_url")}
    assert gp["capabilities"]["page_size_max"] == 50
    assert gp["fan_out"][0]["values"]
    (tier,) = settings["ratelimit"]["tiers"]
    assert (tier["max_query_cost"], tier["capacity"], tier["restore_per_s"]) == (10_000, 20_000, 500)


def test_the_gateway_reads_gateway_toml_without_a_complaint(running: Sandbox) -> None:
    running.summary()
    settings = read_settings(running.state / "gateway.toml")
    assert [(source.name, source.kind) for source in settings.upstreams] == [
        ("ehr", "fhir"),
        ("gp", "fhir"),
        ("wearable", "wearable"),
    ]
    assert settings.identity.links == running.state / "links.ndjson"


def test_secrets_are_the_owners_alone(running: Sandbox) -> None:
    running.summary()
    private = [
        *(running.state / "secrets").iterdir(),
        running.state / "issuer-key.json",
        running.state / "issuer-id-token-key.json",
        running.state / "clients.json",
    ]
    assert {path.stat().st_mode & 0o777 for path in private} == {0o600}
    assert running.state.stat().st_mode & 0o777 == 0o700
    assert len(bytes.fromhex((running.state / "secrets" / "identity_key").read_text())) == 64
    assert len(bytes.fromhex((running.state / "secrets" / "cursor_key").read_text())) == 32


def test_a_second_sandbox_on_the_same_folder_is_refused(running: Sandbox, start: Start) -> None:
    before = running.summary()
    second = start(state=running.state)
    output, _ = second.process.communicate(timeout=PATIENCE_S)
    assert second.process.returncode == 1
    assert "Another sandbox runs" in output
    assert running.summary() == before


def test_a_port_in_use_is_told_before_anything_starts(start: Start) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        sandbox = start(port=taken.getsockname()[1])
        output, _ = sandbox.process.communicate(timeout=PATIENCE_S)
    assert sandbox.process.returncode == 1
    assert "--port" in output
    assert not (sandbox.state / "logs").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_everything_and_the_summary_goes(start: Start, number: signal.Signals) -> None:
    sandbox = start()
    pids = sandbox.summary()["pids"].values()
    code, output = sandbox.end(number)
    assert code == 0
    assert "curl -s" in output
    assert all(map(is_gone, pids))
    assert not (sandbox.state / "sandbox.json").exists()


def test_stopped_and_stubborn_processes_are_ended_too(start: Start) -> None:
    sandbox = start("--stubborn")
    pids = sandbox.summary()["pids"]
    os.kill(pids["ehr"], signal.SIGSTOP)
    code, _ = sandbox.end()
    assert code == 0
    assert all(map(is_gone, pids.values()))


def test_processes_end_with_a_launcher_that_is_killed(start: Start) -> None:
    sandbox = start("--stubborn")
    pids = sandbox.summary()["pids"].values()
    sandbox.process.kill()
    until(lambda: all(map(is_gone, pids)))


def test_a_hang_up_ends_everything(start: Start) -> None:
    sandbox = start()
    pids = sandbox.summary()["pids"]
    assert sandbox.end(signal.SIGHUP)[0] == 0
    assert all(map(is_gone, pids.values()))


def test_a_hang_up_that_the_caller_ignores_ends_nothing(start: Start) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        sandbox = start()
    finally:
        signal.signal(signal.SIGHUP, before)
    pids = sandbox.summary()["pids"]
    sandbox.process.send_signal(signal.SIGHUP)
    assert httpx.get(f"{sandbox.summary()['base_url']}/readyz").status_code == 200
    os.kill(pids["gp"], signal.SIGKILL)
    assert sandbox.process.stdout is not None
    until(lambda: "gp has ended" in sandbox.process.stdout.readline())


def test_a_signal_during_the_start_ends_it(start: Start) -> None:
    sandbox = start()
    until((sandbox.state / "logs").exists)
    code, output = sandbox.end()
    assert (code, "Traceback" in output) == (0, False)


def test_a_source_that_dies_is_told_and_the_rest_goes_on(start: Start) -> None:
    sandbox = start()
    summary = sandbox.summary()
    os.kill(summary["pids"]["gp"], signal.SIGKILL)
    assert sandbox.process.stdout is not None
    until(lambda: "gp has ended" in sandbox.process.stdout.readline())
    assert httpx.get(summary["base_url"] + "/readyz").status_code == 200


def test_a_gateway_that_does_not_come_up_is_told_with_its_last_words(start: Start) -> None:
    sandbox = start("--broken")
    output, _ = sandbox.process.communicate(timeout=PATIENCE_S)
    assert sandbox.process.returncode == 1
    assert "gateway ended with code 1" in output
    assert "not to my liking" in output


def test_a_gateway_that_dies_ends_the_sandbox(start: Start) -> None:
    sandbox = start()
    pids = sandbox.summary()["pids"]
    os.kill(pids["gateway"], signal.SIGKILL)
    output, _ = sandbox.process.communicate(timeout=PATIENCE_S)
    assert sandbox.process.returncode == 1
    assert "gateway ended" in output
    assert all(map(is_gone, pids.values()))


def test_a_folder_used_again_keeps_keys_secrets_and_addresses(start: Start) -> None:
    first = start()
    before = first.summary()
    first.end()
    second = start()
    after = second.summary()
    for name in ("issuer", "upstreams", "patients"):
        assert after[name] == before[name]
    keys = httpx.get(after["issuer"] + "/jwks").json()["keys"]
    files = ("issuer-key.json", "issuer-id-token-key.json")
    assert [key["kid"] for key in keys] == [
        json.loads((second.state / one).read_text())["kid"] for one in files
    ]


def test_apps_of_every_registered_address_may_ask_gateway_and_issuer(running: Sandbox) -> None:
    summary = running.summary()
    clients = json.loads((running.state / "clients.json").read_text())
    allowed = tomllib.loads((running.state / "gateway.toml").read_text())["server"]["allowed_origins"]
    origins = {address.rpartition("/")[0] for address in clients["patient-app"]["redirect_uris"]}
    assert origins <= set(allowed)
    for origin in origins:
        answer = httpx.get(f"{summary['issuer']}/jwks", headers={"Origin": origin})
        assert answer.headers["access-control-allow-origin"] == origin
