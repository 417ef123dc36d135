"""Scopes with Medplum's router in the hospital's place, which answers more than it is asked for: what is
visible is what the oracle permits."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from sandbox.population.model import Person, Population
from tests.interop.conftest import Sandbox, chosen
from tests.interop.medplum import Medplum, hospital_records
from tests.interop.programs import gateway
from tests.pipeline.asking import Gateway, Told
from tests.pipeline.laboratory import CATEGORIES, LOINC, TYPES, parted
from tests.pipeline.scope_matrix import Case, Matrix
from tests.pipeline.scope_paths import check
from tests.running import free_port

pytestmark = pytest.mark.interop

Json = dict[str, Any]

LAB = f"category={CATEGORIES}|laboratory"
VITAL = f"category={CATEGORIES}|vital-signs"
SCOPES = (
    "patient/*.rs",
    "user/*.rs",
    "user/*.s",
    "patient/*.read user/Practitioner.r",
    "patient/Patient.r patient/Observation.rs user/Encounter.r",
    "user/Observation.rs user/Patient.r",
    f"user/Patient.rs user/Observation.rs?{LAB}",
    f"patient/Patient.rs patient/Observation.rs?{LAB} patient/Observation.rs?{VITAL}",
    f"patient/*.rs user/Observation.rs?{LAB}",
    f"system/Patient.rs system/Observation.rs?code={LOINC}|8867-4",
    f"user/*.rs?{VITAL}",
    "user/Patient.rs user/Observation.sr user/Condition.rs?category:not=x",
)
LIMITS = """
[limits]
max_characters = 200000
max_tokens = 20000
max_aliases = 1000
max_root_fields = 500
"""


@dataclass(frozen=True, slots=True)
class Theirs:
    """A gateway over the peer and the sandbox's practices: a child, and somebody who is not the child."""

    gateway: Gateway
    sandbox: Sandbox
    peer: Medplum
    recorded: Sequence[tuple[str, Json]]
    me: Person
    other: Person

    def ask(self, query: str, scope: str, patient: str | None = None) -> Told:
        grant = {"scope": scope} | ({} if patient is None else {"patient": patient})
        answer = self.sandbox.client.post(f"{self.sandbox.summary['issuer']}/_sandbox/token", json=grant)
        return self.gateway.with_token(answer.raise_for_status().json()["access_token"]).ask(query)

    def id_of(self, person: Person) -> str:
        return str(self.sandbox.summary["patients"][person.index]["id"])

    def records_of(self, person: Person) -> frozenset[str]:
        return frozenset(f"{name}/{person.sources[name]}" for name in ("ehr", "gp"))

    def forget_requests(self) -> None:
        self.peer.take_requests()

    def requests(self) -> Iterator[tuple[str, str, str]]:
        """What the peer was asked, by whichever path."""
        for one in self.peer.take_requests():
            path, _, query = one["url"].partition("?")
            yield from (("ehr", *each) for each in parted(one | {"path": path, "query": query}))


@pytest.fixture(scope="module")
def matrix(
    peer: Medplum,
    sandbox: Sandbox,
    client: httpx.Client,
    population: Population,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Matrix]:
    text = (sandbox.state / "gateway.toml").read_text("utf-8")
    names = ", ".join(f'"{one}"' for one in TYPES)
    text = text.partition('[[upstreams]]\nname = "wearable"')[0].replace('links = "links.ndjson"', "")
    changed = text.replace(sandbox.summary["upstreams"]["ehr"], peer.base_url)
    changed = changed.replace('resources = "default"', f"resources = [{names}]")
    changed = re.sub(r"timeout_s = 5\.0", "timeout_s = 30.0", changed).replace("_s = 10.0", "_s = 60.0")
    settings = sandbox.state / "gateway-medplum-scopes.toml"
    settings.write_text(changed + LIMITS, "utf-8")
    me = next(one for one in population.people if "child" in one.traits)
    other = next(one for one in population.people if "first" in one.traits)
    loaded = hospital_records(population, {one.sources["ehr"] for one in chosen(population)})
    recorded = [("ehr", one) for one in loaded if one["resourceType"] in TYPES]
    recorded += [
        ("gp", one) for held in population.gp.values() for kind in TYPES for one in held.get(kind, ())
    ]
    with gateway(settings, free_port(), tmp_path_factory.mktemp("scopes") / "gateway.log") as url:
        yield Matrix(Theirs(Gateway(url, None, client), sandbox, peer, recorded, me, other))


@pytest.mark.parametrize("scope", SCOPES)
def test_what_is_visible_is_what_the_scopes_permit(matrix: Matrix, scope: str) -> None:
    check(Case(matrix, scope))
