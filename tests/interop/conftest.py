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
from sandbox.population.model import Population
from tests.interop.endpoint import Endpoint
from tests.interop.programs import running, until

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
    with httpx.Client(timeout=30.0) as opened:
        yield opened


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory, client: httpx.Client) -> Iterator[Sandbox]:
    folder = tmp_path_factory.mktemp("interop")
    state = folder / "state"
    options = ["--port", "0", "--patients", str(PATIENTS), "--seed", str(SEED), "--state", str(state)]
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
