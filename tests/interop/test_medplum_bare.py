"""Medplum's router and nothing else as a source: no statement, no links; settings say what it can do."""

from collections.abc import Iterator
from pathlib import Path
from string import Template

import httpx
import pytest

from sandbox.population.model import Population
from tests.interop.conftest import Sandbox, chosen
from tests.interop.endpoint import Endpoint
from tests.interop.medplum import Medplum, loaded
from tests.interop.programs import gateway
from tests.running import free_port

pytestmark = pytest.mark.interop

SETTINGS = Template("""
[server]
request_deadline_s = 60.0

[schema]
resources = ["Patient", "Observation", "Condition", "Encounter", "Practitioner"]

[identity]
trusted_sources = ["ehr"]

[secrets]
directory = "secrets"

[[issuers]]
issuer = "${issuer}"
audience = "${audience}"
patient_source = "ehr"

[[upstreams]]
name = "ehr"
kind = "fhir"
base_url = "${ehr}"
timeout_s = 30.0

[upstreams.capabilities]
is_discovered = false
types = ["Patient", "Observation", "Condition", "Encounter", "Practitioner"]
batch = "bundle"
id_lists = true
page_size_max = 100

[upstreams.capabilities.parameters]
Patient = ["_id", "identifier", "birthdate", "gender"]
Observation = ["_id", "patient", "code", "category", "status", "encounter"]
Condition = ["_id", "patient", "clinical-status"]
Encounter = ["_id", "patient", "date"]
Practitioner = ["_id"]
""")


@pytest.fixture(scope="module")
def bare(
    peer: Medplum, sandbox: Sandbox, client: httpx.Client, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Endpoint]:
    settings: Path = sandbox.state / "gateway-medplum-bare.toml"
    issuer, audience = sandbox.summary["issuer"], sandbox.summary["audience"]
    settings.write_text(SETTINGS.substitute(issuer=issuer, audience=audience, ehr=peer.bare_url), "utf-8")
    with gateway(settings, free_port(), tmp_path_factory.mktemp("bare") / "gateway.log") as url:
        yield Endpoint(url, sandbox.summary["tokens"]["clinician"], client)


def test_a_persons_observations_are_what_was_loaded(bare: Endpoint, population: Population) -> None:
    for person in chosen(population):
        own = f"ehr/{person.sources['ehr']}"
        pages = bare.observation_pages(own, first=20)
        assert {page["completeness"] for page in pages} == {"COMPLETE"}
        found = {row["id"] for page in pages for row in page["nodes"]}
        assert found == loaded("Observation", person, population)


def test_a_page_that_is_not_all_is_told_as_partial(bare: Endpoint) -> None:
    observations = bare.data("{ observations { completeness sources { source status } nodes { id } } }")
    assert observations["observations"]["sources"] == [{"source": "ehr", "status": "PARTIAL"}]
    assert observations["observations"]["completeness"] == "PARTIAL"
    assert observations["observations"]["nodes"]


def test_exact_parameters_that_settings_leave_out_are_evaluated_by_the_gateway(
    bare: Endpoint, population: Population
) -> None:
    person = chosen(population)[0]
    query = """query Q($id: ID!) { patient(id: $id) {
      coded: observations(first: 100, valueConcept: ["x"]) { completeness nodes { id } }
      ambulatory: encounters(first: 100, class: ["AMB"]) { completeness nodes { id class { code } } }
    } }"""
    patient = bare.data(query, id=f"ehr/{person.sources['ehr']}")["patient"]
    assert patient["coded"] == {"completeness": "COMPLETE", "nodes": []}
    assert patient["ambulatory"]["completeness"] == "COMPLETE"
    own = loaded("Encounter", person, population)
    expected = {
        f"ehr/Encounter/{one['id']}" for one in population.ehr["Encounter"] if one["class"]["code"] == "AMB"
    }
    assert {row["id"] for row in patient["ambulatory"]["nodes"]} == expected & own != set()


def test_dates_that_the_peer_takes_too_widely_are_exact_where_settings_leave_them_to_the_gateway(
    bare: Endpoint, peer: Medplum, population: Population
) -> None:
    own = chosen(population)[0].sources["ehr"]
    vague = next(
        one["effectiveDateTime"]
        for one in population.ehr["Observation"]
        if one["subject"]["reference"] == own and len(one.get("effectiveDateTime", "")) == len("2021")
    )
    month = f"{vague}-02"
    # A year is not within one of its months (R4 search.html 3.1.1.4.7); the peer takes what overlaps.
    held = peer.search(f"Observation?patient={own}&date={month}&_count=1000")
    assert vague in {one.get("effectiveDateTime") for one in held}
    query = """query Q($id: ID!, $month: FHIRDateTime!) { patient(id: $id) {
      observations(first: 100, date: {eq: $month}) { completeness nodes { effectiveDateTime } }
    } }"""
    observations = bare.data(query, id=f"ehr/{own}", month=month)["patient"]["observations"]
    assert observations["completeness"] == "COMPLETE"
    assert {row["effectiveDateTime"][: len(month)] for row in observations["nodes"]} == {month}
