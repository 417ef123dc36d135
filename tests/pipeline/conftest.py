"""The sandbox of all pipeline tests: started once, by the command that a newcomer types."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.population.build import build
from sandbox.population.model import Population
from tests import running
from tests.pipeline import house as houses
from tests.pipeline.asking import Gateway
from tests.pipeline.house import House
from tests.running import Sandbox

PATIENTS, SEED = 20, 1


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running.sandbox(tmp_path_factory.mktemp("pipeline"), PATIENTS, SEED) as started:
        yield started


@pytest.fixture(scope="session")
def population() -> Population:
    """The people and records that the sandbox serves."""
    return build(PATIENTS, SEED)


@pytest.fixture(scope="session")
def gateway(sandbox: Sandbox) -> Gateway:
    """The sandbox's gateway, asked as a clinician."""
    return Gateway(sandbox.url, sandbox.token("clinician"), sandbox.client)


@pytest.fixture(scope="session")
def house(
    sandbox: Sandbox, population: Population, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    """A gateway that gives its odd source a second."""
    folder = tmp_path_factory.mktemp("house")
    with houses.house(sandbox, population, folder, timeout_s=3.0, deadline_s=10.0) as built:
        yield built


@pytest.fixture(scope="session")
def patient_house(
    sandbox: Sandbox, population: Population, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    """A gateway that waits for its sources longer than any test does."""
    folder = tmp_path_factory.mktemp("house")
    with houses.house(sandbox, population, folder, timeout_s=60.0, deadline_s=60.0) as built:
        yield built
