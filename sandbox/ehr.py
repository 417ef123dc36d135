"""`python -m sandbox.ehr`: the hospital's FHIR server, or one over any folder of resources (`--data`)."""

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sandbox.control import Control
from sandbox.fhir.bearer import Bearer
from sandbox.fhir.load import load_folder
from sandbox.fhir.profile import Profile
from sandbox.fhir.server import FhirServer
from sandbox.fhir.store import Store
from sandbox.fhir.tables import served_types
from sandbox.population.build import build
from sandbox.population.model import EHR_BASE
from sandbox.serving import HOST, serve

PAGE_TTL_S = 300


def ehr_app(
    resources: Iterable[dict[str, Any]], base_url: str, state: Path, page_ttl_s: int = PAGE_TTL_S
) -> Control:
    """The hospital's server over these resources, at this base URL; `state` holds the issuer's key."""
    store = Store(resources, base_url, placeholder=EHR_BASE)
    types = dict.fromkeys(sorted({*served_types(), *store.types()}))
    bearer = Bearer(state / "issuer-key.json", audience=base_url)
    return Control(FhirServer(store, Profile("Sandbox hospital", types), bearer, page_ttl_s))


def main() -> None:
    """Reads or builds the resources and serves them until it is told to stop."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.ehr", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--patients", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--state", type=Path, default=Path(".sandbox"), help="the sandbox's state folder")
    parser.add_argument("--data", type=Path, help="serve the resources of this folder, not the population")
    parser.add_argument("--page-ttl-s", type=int, default=PAGE_TTL_S, help="how long a next link is good for")
    args = parser.parse_args()
    resources = load_folder(args.data) if args.data else _held(args.patients, args.seed)
    serve(ehr_app(resources, f"http://{HOST}:{args.port}/fhir", args.state, args.page_ttl_s), args.port)


def _held(patients: int, seed: int) -> Iterable[dict[str, Any]]:
    return (resource for held in build(patients, seed).ehr.values() for resource in held)


if __name__ == "__main__":
    main()
