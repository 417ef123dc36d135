"""Documents as an ASGI application: `GET /records/{nhs_number}` and `/accounts/{id}`, one `collection` each.

The Bundles hold what a practice holds of the person: no fullUrl, no search, ids and relative references that
count inside them only.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from clinical.compartment import patient_references
from sandbox.population.model import Person, Population

KEY = "sandbox-document-token"
SHARED = ("Practitioner", "Organization", "Location", "PractitionerRole", "Medication")
_ENCODER = msgspec.json.Encoder(decimal_format="number")
Json = dict[str, Any]


def documents(population: Population) -> dict[str, Json]:
    """A Bundle by NHS number for everybody whom a practice knows by a verified one."""
    known = [one for one in population.people if one.nhs_number and one.practice and "gp" in one.sources]
    return {one.nhs_number or "": _document(population, one) for one in known}


def build_document(bundles: Mapping[str, Json], accounts: Mapping[str, str] | None = None) -> Starlette:
    """The source over Bundles by NHS number; `accounts`: NHS numbers by the source's own account ids."""
    by_account = {account: bundles[number] for account, number in (accounts or {}).items()}

    def answer(held: Mapping[str, Json], name: str) -> Route:
        async def given(request: Request) -> Response:
            if request.headers.get("authorization") != f"Bearer {KEY}":
                return Response(b'{"error":"unauthorized"}', 401, media_type="application/json")
            bundle = held.get(request.path_params["whose"])
            if bundle is None:
                return Response(b'{"error":"not found"}', 404, media_type="application/json")
            return Response(_ENCODER.encode(bundle), media_type="application/fhir+json")

        return Route(f"/{name}/{{whose}}", given, methods=["GET"])

    return Starlette(routes=[answer(bundles, "records"), answer(by_account, "accounts")])


def _document(population: Population, person: Person) -> Json:
    held = population.gp[person.practice or ""]
    own = person.sources["gp"]
    rows = [row for kind in held.values() for row in kind if own in patient_references(row)]
    rows += [row for name in SHARED for row in held.get(name, ())]
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": row} for row in rows]}
