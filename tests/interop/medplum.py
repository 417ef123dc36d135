"""Medplum's FHIR router as somebody else's server: started, and loaded by its own REST interface."""

from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from clinical.codec import encode_json
from sandbox.population.model import EHR_BASE, Person, Population, Resource
from tests.running import running, until

BUNDLE_ENTRIES = 500


@dataclass(frozen=True, slots=True)
class Medplum:
    """A running peer: `/fhir` with CapabilityStatement and links, `/bare` without, over one store."""

    origin: str
    client: httpx.Client

    @property
    def base_url(self) -> str:
        return f"{self.origin}/fhir"

    @property
    def bare_url(self) -> str:
        return f"{self.origin}/bare"

    def load(self, resources: list[Resource]) -> None:
        """Writes the resources by batch Bundles."""
        for start in range(0, len(resources), BUNDLE_ENTRIES):
            entries = [
                {"resource": one, "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"}}
                for one in resources[start : start + BUNDLE_ENTRIES]
            ]
            body = encode_json({"resourceType": "Bundle", "type": "batch", "entry": entries})
            answer = self.client.post(
                self.base_url,
                content=body.replace(EHR_BASE.encode(), self.base_url.encode()),
                headers={"Content-Type": "application/fhir+json"},
            )
            assert {entry["response"]["status"] for entry in answer.json()["entry"]} == {"200"}

    def resource(self, reference: str) -> Resource:
        """A resource as the peer holds it."""
        found: Resource = self.client.get(f"{self.base_url}/{reference}").raise_for_status().json()
        return found

    def search(self, query: str) -> list[Resource]:
        """What the peer finds by itself."""
        bundle = self.client.get(f"{self.base_url}/{query}").raise_for_status().json()
        return [entry["resource"] for entry in bundle.get("entry", ())]

    def take_requests(self) -> list[dict[str, Any]]:
        """What it was asked since this was last called."""
        asked: list[dict[str, Any]] = self.client.delete(f"{self.origin}/_peer/requests").json()
        return asked


@contextmanager
def medplum(node: str, script: Path, log: Path, client: httpx.Client) -> Iterator[Medplum]:
    """The peer on a free port."""
    with running([node, str(script)], log) as process:
        until(lambda: log.read_text().endswith("\n"), process, log)
        yield Medplum(log.read_text().split()[0], client)


def hospital_records(population: Population, patients: Container[str]) -> list[Resource]:
    """What the hospital has, with the histories of these patients only (`Patient/1001`): the peer needs most
    of a millisecond to look at a resource."""
    records = [_plain(resource) for held in population.ehr.values() for resource in held]
    return [one for one in records if (subject := _subject(one)) is None or subject in patients]


def loaded(kind: str, person: Person, population: Population) -> set[str]:
    """The ids of what the hospital recorded of the person and has not withdrawn."""
    own = person.sources["ehr"]
    return {
        f"ehr/{kind}/{one['id']}"
        for one in population.ehr[kind]
        if one.get("status") != "entered-in-error"
        and own in one["subject"]["reference"].removeprefix(f"{EHR_BASE}/").partition("/_history/")
    }


def _plain(resource: Resource) -> Resource:
    """With the patient by a plain relative reference, as servers keep references to their own records: the
    peer compares references as text."""
    found = {name: resource[name] for name in ("subject", "patient") if name in resource}
    return resource | {name: held | {"reference": _relative(held)} for name, held in found.items() if held}


def _relative(reference: dict[str, str]) -> str:
    return reference.get("reference", "").removeprefix(f"{EHR_BASE}/").partition("/_history/")[0]


def _subject(resource: Resource) -> str | None:
    return next((resource[name]["reference"] for name in ("subject", "patient") if name in resource), None)
