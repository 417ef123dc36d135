"""What the gateway needs to know of the sandbox's further vendors: accounts, keys, orders, settings."""

import json
from dataclasses import dataclass
from pathlib import Path
from string import Template

from clinical.identifiers import NHS_NUMBER_SYSTEM
from sandbox.addresses import Addresses
from sandbox.document import app as document
from sandbox.files import write_private
from sandbox.laboratory import app as laboratory
from sandbox.population.laboratory import LaboratoryUser, laboratory_users
from sandbox.population.model import Population
from sandbox.population.practice import practice_book
from sandbox.practice import app as practice
from sandbox.state import State

TEMPLATE = Path(__file__).with_name("vendors.template.toml")


@dataclass(frozen=True, slots=True)
class Vendors:
    """The laboratory's users, and the practice's patients with their NHS numbers."""

    users: dict[str, LaboratoryUser]
    patients: dict[str, str]

    @property
    def accounts(self) -> list[tuple[str, str, str]]:
        """(source, account, NHS number) of every account."""
        held = [("laboratory", own, one.nhs_number) for own, one in self.users.items()]
        return held + [("practice", own, number) for own, number in self.patients.items()]

    @property
    def links(self) -> list[dict[str, str]]:
        """The lines of the link table."""
        return [
            {"source": source, "patient": own, "system": NHS_NUMBER_SYSTEM, "value": number}
            for source, own, number in self.accounts
        ]


def vendors_of(population: Population, seed: int) -> Vendors:
    """The vendors that know a population."""
    return Vendors(laboratory_users(population, seed), practice_book(population, seed).patients)


def write_vendors(state: State, vendors: Vendors) -> None:
    """Writes the orders that webhooks told of, and the vendors' keys."""
    write_private(state.orders, laboratory.order_lines(vendors.users))
    keys = {"laboratory": laboratory.KEY, "practice": practice.KEY, "document": document.KEY}
    for name, key in keys.items():
        write_private(state.secret(f"upstream_{name}_token"), key.encode())


def vendor_tables(state: State, addresses: Addresses) -> str:
    """Their tables of gateway.toml."""
    urls = addresses.upstreams
    return Template(TEMPLATE.read_text("utf-8")).substitute(
        laboratory=urls["laboratory"],
        practice=urls["practice"],
        document=urls["document"],
        orders=json.dumps(str(state.orders)),
    )
