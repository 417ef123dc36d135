"""A gateway over the sandbox's hospital and an odd source of the test's own, which both know one person."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.population.model import Population
from tests.pipeline import odd_source
from tests.pipeline.asking import Gateway, Told
from tests.pipeline.odd_source import Elsewhere, OddSource
from tests.pipeline.own_gateway import own_gateway, patience, types, upstream
from tests.running import Sandbox, served

TOKEN = "the-odd-sources-own-token"
MAX_BYTES = 4 * odd_source.MEGABYTE
MAX_PAGES = 7

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class House:
    """The gateway, the odd source, a host that nobody may call, and the id of the person."""

    gateway: Gateway
    odd: OddSource
    elsewhere: Elsewhere
    elsewhere_url: str
    person: str

    def ask(self, query: str, **variables: Any) -> Told:
        return self.gateway.ask(query, id=self.person, **variables)


@contextmanager
def house(
    sandbox: Sandbox, population: Population, folder: Path, timeout_s: float, deadline_s: float
) -> Iterator[House]:
    """The house while the block lasts; `folder` takes its secrets."""
    person = next(one for one in population.people if "ehr-only" in one.traits)
    odd = odd_source.fhir_source(population, person)
    secrets = folder / "secrets"
    shutil.copytree(sandbox.state / "secrets", secrets)
    (secrets / "upstream_odd_token").write_text(TOKEN)
    with served(odd) as origin, served(elsewhere := Elsewhere()) as other:
        odd.open(origin)
        changes = (beside(odd, secrets), patience(timeout_s, deadline_s))
        with own_gateway(sandbox, types("Patient", "Observation"), *changes) as gateway:
            yield House(gateway, odd, elsewhere, other, sandbox.summary["patients"][person.index]["id"])


def beside(odd: OddSource, secrets: Path) -> Callable[[Json], None]:
    """The hospital first, then the odd source with a token of its own."""

    def change(written: Json) -> None:
        written["secrets"]["directory"] = str(secrets)
        written["identity"] = {"linking_systems": written["identity"]["linking_systems"]}
        table = {
            "name": "odd",
            "kind": "fhir",
            "base_url": odd.base_url,
            "max_response_bytes": MAX_BYTES,
            "max_pages": MAX_PAGES,
            "credentials": {"kind": "static", "secret": "upstream_odd_token"},
        }
        written["upstreams"] = [upstream(written, "ehr"), table]

    return change
