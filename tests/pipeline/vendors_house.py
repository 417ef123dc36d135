"""A gateway over the sandbox's hospital and over a laboratory, a practice and documents in this process."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clinical.identifiers import NHS_NUMBER_SYSTEM
from sandbox.control import Control
from sandbox.document import app as document
from sandbox.laboratory import app as laboratory
from sandbox.population.laboratory import LaboratoryUser, laboratory_users
from sandbox.population.model import Person, Population
from sandbox.population.practice import PracticeBook, practice_book
from sandbox.practice import app as practice
from sandbox.quota import Quota
from tests.pipeline.asking import Gateway
from tests.pipeline.own_gateway import own_gateway, types, upstream
from tests.running import Sandbox, served

Json = dict[str, Any]
NAMES = ("laboratory", "practice", "papers")
SERVED = (
    "Appointment",
    "Condition",
    "DiagnosticReport",
    "Encounter",
    "Invoice",
    "Observation",
    "Patient",
    "Practitioner",
)
PAPERS = ["Condition", "Encounter", "Observation", "Practitioner"]
PAGE_MAX = 9


@dataclass(frozen=True, slots=True)
class Vendors:
    """The gateway, what the vendors hold, and where they are."""

    gateway: Gateway
    sandbox: Sandbox
    users: dict[str, LaboratoryUser]
    book: PracticeBook
    bundles: dict[str, Json]
    origins: dict[str, str]
    quota: Quota

    def id_of(self, person: Person) -> str:
        return str(self.sandbox.summary["patients"][person.index]["id"])

    def user_of(self, person: Person) -> LaboratoryUser | None:
        return next((one for one in self.users.values() if one.nhs_number == person.nhs_number), None)

    def patient_of(self, person: Person) -> str | None:
        return next((own for own, number in self.book.patients.items() if number == person.nhs_number), None)

    def requests(self, name: str) -> list[Json]:
        """What a vendor was asked since the last look."""
        address = f"{self.origins[name]}/_sandbox/requests"
        lines = self.sandbox.client.get(address).raise_for_status().text.splitlines()
        self.sandbox.client.delete(address)
        return [json.loads(line) for line in lines]

    @contextmanager
    def fault(self, name: str, **fault: Any) -> Iterator[None]:
        address = f"{self.origins[name]}/_sandbox/faults"
        self.sandbox.client.post(address, json=fault).raise_for_status()
        try:
            yield
        finally:
            self.sandbox.client.post(address, json={}).raise_for_status()


@contextmanager
def vendors(sandbox: Sandbox, population: Population, folder: Path) -> Iterator[Vendors]:
    """The house while the block lasts; `folder` takes its secrets, links and orders."""
    users, book = laboratory_users(population), practice_book(population)
    bundles, quota = document.documents(population), Quota(1_000_000)
    apps = {
        "laboratory": laboratory.build_laboratory(users),
        "practice": practice.build_practice(book, quota, PAGE_MAX),
        "papers": document.build_document(bundles),
    }
    _write_files(sandbox, folder, users, book)
    with ExitStack() as stack:
        origins = {name: stack.enter_context(served(Control(app))) for name, app in apps.items()}

        def change(written: Json) -> None:
            written["secrets"]["directory"] = str(folder / "secrets")
            written["identity"]["links"] = str(folder / "links.ndjson")
            written["identity"]["trusted_sources"] = ["ehr", "papers"]
            written["upstreams"] = [upstream(written, "ehr"), *tables(origins, folder)]

        gateway = stack.enter_context(own_gateway(sandbox, types(*SERVED), change))
        yield Vendors(gateway, sandbox, users, book, bundles, origins, quota)


def tables(origins: dict[str, str], folder: Path) -> list[Json]:
    """The `[[upstreams]]` of the vendors."""
    return [
        {
            "name": "laboratory",
            "kind": "laboratory",
            "base_url": origins["laboratory"],
            "timeout_s": 2.0,
            "credentials": {"kind": "static", "header": laboratory.KEY_HEADER, "prefix": ""},
            "options": {"orders": str(folder / "orders.ndjson")},
        },
        {
            "name": "practice",
            "kind": "practice",
            "timeout_s": 2.0,
            "credentials": {"kind": "basic"},
            "locations": [
                {"organization": "uk1", "base_url": origins["practice"]},
                {"organization": "au1", "base_url": "https://au1.practice.invalid"},
            ],
            "options": {
                "currency": "GBP",
                "user_agent": "Clinical Gateway (ops@example.org)",
                "patient_query": "patient_id={id}",
            },
        },
        {
            "name": "papers",
            "kind": "fhir-document",
            "base_url": origins["papers"],
            "timeout_s": 2.0,
            "credentials": {"kind": "static"},
            "capabilities": {"types": PAPERS},
            "options": {"path": "/records/{nhs_number}"},
        },
    ]


def _write_files(
    sandbox: Sandbox, folder: Path, users: dict[str, LaboratoryUser], book: PracticeBook
) -> None:
    shutil.copytree(sandbox.state / "secrets", folder / "secrets")
    secrets = {
        "upstream_laboratory_token": laboratory.KEY,
        "upstream_practice_token": practice.KEY,
        "upstream_papers_token": document.KEY,
        "upstream_papers_id_key": "7c" * 64,
    }
    for name, value in secrets.items():
        (folder / "secrets" / name).write_text(value)
    pairs = [("laboratory", own, one.nhs_number) for own, one in users.items()]
    pairs += [("practice", own, number) for own, number in book.patients.items()]
    links = [
        {"source": source, "patient": own, "system": NHS_NUMBER_SYSTEM, "value": number}
        for source, own, number in pairs
    ]
    (folder / "links.ndjson").write_text("".join(json.dumps(link) + "\n" for link in links))
    (folder / "orders.ndjson").write_bytes(laboratory.order_lines(users))
