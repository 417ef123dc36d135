"""What the gateway needs to know of the sandbox: its clients, the vendor's accounts, and gateway.toml."""

import json
from collections.abc import Mapping
from pathlib import Path
from string import Template

import msgspec

from clinical.identifiers import NHS_NUMBER_SYSTEM
from sandbox.addresses import Addresses
from sandbox.files import write_private
from sandbox.issuer.clients import Client
from sandbox.issuer.registration import APP_SCOPES
from sandbox.issuer.tokens import AUDIENCE
from sandbox.population.model import Account, Population
from sandbox.state import State
from sandbox.vendors import Vendors, vendor_tables

KEY_HEADER = "X-Practice-Key"
TEMPLATE = Path(__file__).with_name("gateway.template.toml")

APP_ADDRESSES = tuple(
    f"http://{host}:{port}/{path}"
    for host in ("localhost", "127.0.0.1")
    for port in (3000, 5173, 8080)
    for path in ("", "callback")
)
"""Where apps under development are usually served; any other registers itself with the issuer."""


class GpLocation(msgspec.Struct, frozen=True):
    """One practice's FHIR server: its ODS code, its base URL, the headers it demands."""

    organization: str
    base_url: str
    headers: dict[str, str]


def register_clients(state: State, addresses: Addresses) -> None:
    """Writes clients.json for the issuer: the gateway is a client of the ehr, a partner's backend a client of
    the gateway, and so are two public apps, one for patients and one for clinicians."""
    gateway_secret = state.secret("upstream_ehr_client_secret").read_text()
    clients = {
        "gateway": Client(gateway_secret, addresses.upstreams["ehr"], ("system/*.rs",)),
        "partner": Client(state.partner_secret.read_text(), AUDIENCE, ("system/*.rs",)),
        "patient-app": Client(None, AUDIENCE, _without("user/*"), APP_ADDRESSES),
        "clinician-app": Client(None, AUDIENCE, APP_SCOPES, APP_ADDRESSES),
    }
    write_private(state.clients, msgspec.json.encode(clients))


def _without(scope: str) -> tuple[str, ...]:
    return tuple(one for one in APP_SCOPES if one != scope)


def link_accounts(state: State, accounts: Mapping[str, Account], vendors: Vendors | None = None) -> None:
    """Writes the vendors' links (account to NHS number) and the tokens of the wearable's users."""
    links = [_link(account) for account in accounts.values()] + (vendors.links if vendors else [])
    write_private(state.links, b"".join(msgspec.json.encode(link) + b"\n" for link in links))
    tokens = {user_id: account.token for user_id, account in accounts.items()}
    write_private(state.secret("upstream_wearable_grants"), msgspec.json.encode(tokens))


def write_settings(state: State, addresses: Addresses, population: Population, budget: int) -> None:
    """Writes the gateway.toml that serves this sandbox, and the practices' keys beside it. `budget`: what a
    client may spend at once; half of it for one operation, and a fortieth comes back in a second."""
    for practice in population.practices:
        write_private(state.secret(_key_secret(practice.organization)), practice.key.encode())
    text = Template(TEMPLATE.read_text("utf-8")).substitute(
        gateway_port=addresses.ports["gateway"],
        issuer=addresses.issuer,
        audience=AUDIENCE,
        ehr=addresses.upstreams["ehr"],
        wearable=addresses.upstreams["wearable"],
        capacity=budget,
        max_query_cost=max(1, budget // 2),
        restore_per_s=max(1, budget // 40),
        gp_locations="".join(map(_location, gp_locations(addresses, population))),
        gp_categories=json.dumps(_categories(population)),
        trusted_sources=json.dumps(["ehr", "gp", *(["document"] if "document" in addresses.ports else [])]),
    )
    if "document" in addresses.ports:
        text += vendor_tables(state, addresses)
    write_private(state.settings, text.encode())


def gp_locations(addresses: Addresses, population: Population) -> list[GpLocation]:
    """The places of the gp source: each practice with its base URL and its header."""
    origin = addresses.origin("gp")
    return [
        GpLocation(practice.organization, origin + practice.path, {KEY_HEADER: practice.key})
        for practice in population.practices
    ]


def _location(location: GpLocation) -> str:
    return f"""
[[upstreams.locations]]
organization = {json.dumps(location.organization)}
base_url = {json.dumps(location.base_url)}
secret_headers = {{ {KEY_HEADER} = {json.dumps(_key_secret(location.organization))} }}
"""


def _key_secret(organization: str) -> str:
    """The name of the secret that holds a practice's key."""
    return f"upstream_gp_key_{organization.lower()}"


def _link(account: Account) -> dict[str, str]:
    return {
        "source": "wearable",
        "patient": account.user_id,
        "system": NHS_NUMBER_SYSTEM,
        "value": account.nhs_number,
    }


def _categories(population: Population) -> list[str]:
    """Every category that the practices record, so that a fan-out over them is exhaustive."""
    recorded = sorted(
        {
            coding["code"]
            for held in population.gp.values()
            for observation in held.get("Observation", [])
            for category in observation.get("category", [])
            for coding in category.get("coding", [])
        }
    )
    return recorded or ["vital-signs", "laboratory"]
