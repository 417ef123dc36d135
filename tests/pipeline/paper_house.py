"""A gateway over a source whose documents name attachments of every kind, in this process, over real HTTP."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from starlette.types import ASGIApp

from sandbox.fhir.profile import Profile
from sandbox.fhir.server import FhirServer
from sandbox.fhir.store import Store
from sandbox.population.model import Population
from tests.pipeline import odd_source
from tests.pipeline.asking import Gateway, Told, told
from tests.pipeline.house import TOKEN, beside
from tests.pipeline.odd_source import Elsewhere, OddSource, Seen
from tests.pipeline.own_gateway import Change, own_gateway, types
from tests.running import Sandbox, served

MAX_BYTES = 100_000
MINE, OTHERS = "p1", "p2"
BINARY = b"%PDF-1.4 made up \x00\xff"

Json = dict[str, Any]

SHOWN = """query Shown($id: ID!) {
  documentReference(id: $id) { id content { attachment { contentType url data } } }
}"""


@dataclass(slots=True)
class PaperHouse:
    """The gateway, its sandbox, the odd source and a host that nobody may call."""

    gateway: Gateway
    sandbox: Sandbox
    odd: OddSource
    elsewhere: Elsewhere
    elsewhere_url: str
    documents: dict[str, Json] = field(default_factory=dict)

    def own(self, scope: str = "patient/*.rs", **grant: Any) -> Gateway:
        """The gateway, asked by the patient whose documents these are."""
        known = {"patient": f"odd/Patient/{MINE}", "client": "patient-app", **grant}
        return self.gateway.with_token(self.sandbox.minted(scope=scope, **known))

    def shown(self, id_: str, gateway: Gateway | None = None) -> Told:
        return (gateway or self.gateway).ask(SHOWN, id=f"odd/DocumentReference/{id_}")

    def url(self, id_: str) -> str:
        """The address that a clinician gets for the document's attachment."""
        document = self.shown(id_).whole()["documentReference"]
        return str(document["content"][0]["attachment"]["url"])

    def fetch(self, url: str, gateway: Gateway | None = None, method: str = "GET", **headers: str) -> Told:
        asked = gateway or self.gateway
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if asked.token is not None:
            sent["Authorization"] = f"Bearer {asked.token}"
        return read(asked.client.request(method, asked.origin + url, headers=sent))

    def asked(self, piece: str = "/Binary") -> list[Seen]:
        return self.odd.asked(piece)


def read(answer: httpx.Response) -> Told:
    """A response, its document read where it is an error."""
    is_json = answer.headers.get("content-type", "").startswith("application/json")
    return told(answer) if is_json else Told(answer.status_code, answer.headers, answer.content)


def document(id_: str, url: object, patient: str = MINE, **more: Any) -> Json:
    attachment = {"contentType": "application/pdf", "title": "made up", "url": url}
    return {
        "resourceType": "DocumentReference",
        "id": id_,
        "status": "current",
        "subject": {"reference": f"Patient/{patient}"},
        "content": [{"attachment": attachment}],
        **more,
    }


def labelled(code: str) -> Json:
    system = "http://terminology.hl7.org/CodeSystem/v3-"
    kind = "Confidentiality" if len(code) == 1 else "ActCode"
    return {"security": [{"system": system + kind, "code": code}]}


@contextmanager
def paper_house(
    sandbox: Sandbox, population: Population, folder: Path, resources: list[Json], *changes: Change
) -> Iterator[PaperHouse]:
    """The house while the block lasts. `{elsewhere}` in a url is the address of the other host, `{base}` the
    source's own."""
    person = next(one for one in population.people if "ehr-only" in one.traits)
    patient = odd_source.records_of(population, person)[0]
    patient["photo"] = [{"contentType": "image/png", "url": "Binary/photo"}]
    other = {"resourceType": "Patient", "id": OTHERS, "birthDate": "1970-01-01", "photo": patient["photo"]}
    secrets = folder / "secrets"
    shutil.copytree(sandbox.state / "secrets", secrets)
    (secrets / "upstream_odd_token").write_text(TOKEN)
    profile = Profile("Odd", dict.fromkeys(("Patient", "DocumentReference", "Practitioner", "Binary")))

    def make(base_url: str) -> ASGIApp:
        placed = [_placed(one, elsewhere_url, base_url) for one in (patient, other, *resources)]
        return FhirServer(Store(placed, base_url), profile)

    odd = OddSource(make, "/fhir")

    def limited(written: Json) -> None:
        written["binary"] = {"max_bytes": MAX_BYTES, "deadline_s": 30.0}
        for one in written["upstreams"]:
            one["timeout_s"] = 1.0

    served_types = types("Patient", "DocumentReference", "Practitioner", "Composition")
    with served(elsewhere := Elsewhere()) as elsewhere_url, served(odd) as origin:
        odd.open(origin)
        with own_gateway(sandbox, served_types, beside(odd, secrets), limited, *changes) as gateway:
            yield PaperHouse(gateway, sandbox, odd, elsewhere, elsewhere_url)


def _placed(value: Any, elsewhere: str, base: str) -> Any:
    if isinstance(value, str):
        return value.replace("{elsewhere}", elsewhere).replace("{base}", base)
    if isinstance(value, list):
        return [_placed(one, elsewhere, base) for one in value]
    if isinstance(value, dict):
        return {name: _placed(one, elsewhere, base) for name, one in value.items()}
    return value
