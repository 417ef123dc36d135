"""`clinical-gateway sandbox --vendors`: the further vendors run, are linked, and are served."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import running
from tests.pipeline.asking import Gateway
from tests.running import Sandbox

QUERY = """query V($id: ID!) {
  patient(id: $id) {
    records { origin { name } }
    observations(first: 100) { completeness sources { source status } }
    diagnosticReports(first: 100) { nodes { origin { name } } }
    appointments(first: 100) { nodes { origin { name } } }
  }
}"""
VENDORS = {"laboratory", "practice", "document"}


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running.sandbox(tmp_path_factory.mktemp("vendors"), 8, 1, "--vendors") as started:
        yield started


def test_further_vendors_are_served_beside_the_usual_sources(sandbox: Sandbox) -> None:
    assert set(sandbox.summary["upstreams"]) == {"ehr", "gp", "wearable", *VENDORS}
    known = next(
        one for one in sandbox.summary["patients"] if {"gp", "laboratory", "practice"} <= set(one["sources"])
    )
    gateway = Gateway(sandbox.url, sandbox.token("clinician"), sandbox.client)
    sandbox.forget_requests()
    told = gateway.ask(QUERY, id=known["id"]).whole()["patient"]
    assert {one["origin"]["name"] for one in told["records"]} >= VENDORS
    assert told["observations"]["completeness"] == "COMPLETE"
    assert "laboratory" in {one["origin"]["name"] for one in told["diagnosticReports"]["nodes"]}
    assert "practice" in {one["origin"]["name"] for one in told["appointments"]["nodes"]}
    for name in VENDORS:
        assert sandbox.requests(name)
        with sandbox.fault(name, status=500):
            sources = gateway.ask(QUERY, id=known["id"]).document["data"]["patient"]["observations"][
                "sources"
            ]
        failed = {one["source"] for one in sources if one["status"] == "UNAVAILABLE"}
        assert failed == ({name} - {"practice"})  # it holds no Observations
