"""sandbox.json: what a running sandbox tells programs (docs/sandbox.md)."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from clinical.identifiers import NHS_NUMBER_SYSTEM
from sandbox.addresses import UPSTREAMS, Addresses
from sandbox.issuer.keys import read_key
from sandbox.issuer.tokens import AUDIENCE, Grant, mint
from sandbox.population.model import Person, Population, Resource
from sandbox.settings import gp_locations
from sandbox.state import State

PersonId = Callable[[str, str], str]
"""(identifier system, value) -> the gateway's canonical id of the person."""

TOKEN_TTL_S = 24 * 3600


def describe(
    state: State,
    addresses: Addresses,
    population: Population,
    person_id: PersonId,
    pids: Mapping[str, int],
    accounts: Iterable[tuple[str, str, str]] = (),
) -> dict[str, Any]:
    """The content of sandbox.json. `accounts`: (source, account, NHS number) of further vendors."""
    patients = _patients(addresses, population, person_id)
    for source, account, number in accounts:
        for patient in patients:
            if patient["nhs_number"] == number:
                patient["sources"][source] = f"Patient/{account}"
    return {
        "graphql_url": addresses.graphql,
        "base_url": addresses.origin("gateway"),
        "issuer": addresses.issuer,
        "audience": AUDIENCE,
        "upstreams": addresses.upstreams,
        "locations": {"gp": gp_locations(addresses, population)},
        "tokens": _tokens(state, addresses, population),
        "clinician": _practitioner(addresses, population),
        "patients": patients,
        "pids": dict(pids),
    }


def _launch_patient(population: Population) -> Person:
    """The first whom all sources know; in a population without such, whoever is first."""
    known = (person for person in population.people if set(person.sources) >= set(UPSTREAMS))
    return next(known, population.people[0])


def _patients(addresses: Addresses, population: Population, person_id: PersonId) -> list[dict[str, Any]]:
    records = _records(addresses, population)
    return [_patient(person, addresses, records, person_id) for person in population.people]


def _patient(
    person: Person, addresses: Addresses, records: Mapping[str, Resource], person_id: PersonId
) -> dict[str, Any]:
    """A person, as the hospital or else the practice records it: one of both has everybody."""
    url = _record_url(person, addresses)
    record = records[url]
    name = record["name"][0]
    return {
        "id": _canonical_id(person, person_id),
        "nhs_number": person.nhs_number,
        "name": " ".join(filter(None, (*name.get("given", ()), name.get("family")))),
        "birth_date": record.get("birthDate", "unknown"),
        "record_url": url,
        "sources": dict(person.sources),
    }


def _records(addresses: Addresses, population: Population) -> dict[str, Resource]:
    """Every Patient by its URL."""
    held = {addresses.upstreams["ehr"]: population.ehr}
    held |= {
        addresses.origin("gp") + practice.path: population.gp[practice.organization]
        for practice in population.practices
    }
    return {
        f"{place}/Patient/{one['id']}": one
        for place, kinds in held.items()
        for one in kinds.get("Patient", ())
    }


def _record_url(person: Person, addresses: Addresses) -> str:
    if "ehr" in person.sources:
        return f"{addresses.upstreams['ehr']}/{person.sources['ehr']}"
    return f"{addresses.origin('gp')}/{person.practice}/fhir/{person.sources['gp']}"


def _canonical_id(person: Person, person_id: PersonId) -> str:
    if person.nhs_number is not None:
        return person_id(NHS_NUMBER_SYSTEM, person.nhs_number)
    return _record_id(person)


def _record_id(person: Person) -> str:
    """The id of the person's record in the first source that has one: `ehr/Patient/1001`."""
    return next(f"{name}/{person.sources[name]}" for name in UPSTREAMS if name in person.sources)


def _tokens(state: State, addresses: Addresses, population: Population) -> dict[str, str]:
    key = read_key(state.issuer_key)
    grants = {
        "patient": Grant(
            scope="patient/*.rs launch/patient",
            client="patient-app",
            patient=_record_id(_launch_patient(population)),
            ttl_s=TOKEN_TTL_S,
        ),
        "clinician": Grant(
            scope="user/*.rs",
            client="clinician-app",
            user=_practitioner(addresses, population),
            ttl_s=TOKEN_TTL_S,
        ),
        "partner": Grant(scope="system/*.rs", client="partner", ttl_s=TOKEN_TTL_S),
    }
    return {name: mint(key, addresses.issuer, AUDIENCE, grant) for name, grant in grants.items()}


def _practitioner(addresses: Addresses, population: Population) -> str:
    """A clinician of the hospital, as SMART's `fhirUser`: an absolute URL."""
    practitioners = population.ehr.get("Practitioner", [])
    local_id = practitioners[0]["id"] if practitioners else "1"
    return f"{addresses.upstreams['ehr']}/Practitioner/{local_id}"
