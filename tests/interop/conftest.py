"""The sandbox, started once for all interop tests, and the endpoint of its gateway."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from sandbox.population.build import build
from sandbox.population.model import Person, Population
from tests.interop.endpoint import Endpoint
from tests.interop.medplum import Medplum, hospital_records, medplum
from tests.interop.programs import gateway
from tests.running import BUDGET, free_port, running, until

PATIENTS, SEED = 20, 1


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A running sandbox: its folder, what sandbox.json says, and its sources' faults."""

    state: Path
    summary: dict[str, Any]
    client: httpx.Client

    @contextmanager
    def fault(self, source: str, fault: dict[str, Any]) -> Iterator[None]:
        """The source has this fault until the end of the block."""
        parts = urlsplit(self.summary["upstreams"][source])
        address = f"{parts.scheme}://{parts.netloc}/_sandbox/faults"
        self.client.post(address, json=fault).raise_for_status()
        try:
            yield
        finally:
            self.client.post(address, json={}).raise_for_status()


@pytest.fixture(scope="session")
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=60.0, trust_env=False) as opened:
        yield opened


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory, client: httpx.Client) -> Iterator[Sandbox]:
    folder = tmp_path_factory.mktemp("interop")
    state = folder / "state"
    options = ["--port", "0", "--patients", str(PATIENTS), "--seed", str(SEED), "--state", str(state)]
    options += ["--budget", str(BUDGET)]
    log = folder / "sandbox.log"
    with running([sys.executable, "-m", "gateway.cli.main", "sandbox", *options], log) as process:
        until((state / "sandbox.json").exists, process, log)
        yield Sandbox(state, json.loads((state / "sandbox.json").read_text()), client)


@pytest.fixture(scope="session")
def endpoint(sandbox: Sandbox, client: httpx.Client) -> Endpoint:
    return Endpoint(sandbox.summary["graphql_url"], sandbox.summary["tokens"]["clinician"], client)


@pytest.fixture(scope="session")
def population() -> Population:
    """The people and records that the sandbox serves."""
    return build(PATIENTS, SEED)


@pytest.fixture(scope="session")
def peer(
    node: str,
    interop: Path,
    population: Population,
    client: httpx.Client,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Medplum]:
    """Somebody else's FHIR server, with what the hospital holds of a few people."""
    log = tmp_path_factory.mktemp("medplum") / "medplum.log"
    histories = {person.sources["ehr"] for person in chosen(population)}
    with medplum(node, interop / "medplum.mjs", log, client) as running_peer:
        running_peer.load(hospital_records(population, histories))
        yield running_peer


def chosen(population: Population) -> list[Person]:
    """The people whose histories the peer has: among them two with one name and birth date, and a child."""
    wanted = {"first", "same-name", "child"}
    return [person for person in population.people if wanted & person.traits and "ehr" in person.sources]


@pytest.fixture(scope="session")
def people(sandbox: Sandbox, population: Population) -> list[tuple[str, Person]]:
    """The people whose histories the peer has, each with the gateway's id."""
    ids = [one["id"] for one in sandbox.summary["patients"]]
    return [(ids[population.people.index(person)], person) for person in chosen(population)]


@pytest.fixture(scope="session")
def theirs(
    peer: Medplum, sandbox: Sandbox, client: httpx.Client, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Endpoint]:
    """A gateway with the sandbox's settings, but for the address of `ehr`."""
    text = (sandbox.state / "gateway.toml").read_text("utf-8")
    ehr = sandbox.summary["upstreams"]["ehr"]
    assert text.count(f'base_url = "{ehr}"') == 1
    settings = sandbox.state / "gateway-medplum.toml"
    # The peer searches one resource after another: a machine that is busy with other tests may need longer.
    slower = text.replace("timeout_s = 5.0", "timeout_s = 30.0").replace("_s = 10.0", "_s = 60.0")
    settings.write_text(slower.replace(ehr, peer.base_url), "utf-8")
    with gateway(settings, free_port(), tmp_path_factory.mktemp("theirs") / "gateway.log") as url:
        yield Endpoint(url, sandbox.summary["tokens"]["clinician"], client)
