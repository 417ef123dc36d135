"""What a source recorded is what the response holds: digits, units, codes, partial dates."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from sandbox.population.model import Population
from tests.pipeline.asking import Gateway

QUANTITIES = """query Quantities($ids: [ID!]!) {
  nodes(ids: $ids) {
    ... on Observation {
      id
      valueQuantity { value valueText comparator unit system code }
      component { valueQuantity { value valueText comparator unit system code } }
      referenceRange { low { value unit } high { value unit } }
    }
  }
}"""

Json = dict[str, Any]
Quantity = tuple[str | None, ...]
PARTS = ("value", "comparator", "unit", "system", "code")


def recorded(population: Population) -> Iterator[tuple[str, Json]]:
    """Every FHIR observation with its global id."""
    for one in population.ehr["Observation"]:
        yield f"ehr/Observation/{one['id']}", one
    for held in population.gp.values():
        for one in held["Observation"]:
            yield f"gp/Observation/{one['id']}", one


@pytest.fixture(scope="module")
def shown(gateway: Gateway, population: Population) -> dict[str, Json]:
    """Every FHIR observation by its id, as the gateway gives it."""
    ids = [id_ for id_, _ in recorded(population)]
    found: dict[str, Json] = {}
    for start in range(0, len(ids), 100):
        nodes = gateway.ask(QUANTITIES, ids=ids[start : start + 100]).whole()["nodes"]
        found |= {node["id"]: node for node in nodes}
    assert list(found) == ids
    return found


def parts(quantity: Json | None) -> Quantity | None:
    """A quantity, its value by its digits."""
    return None if quantity is None else tuple(as_text(quantity.get(name)) for name in PARTS)


def as_text(value: Any) -> str | None:
    return None if value is None else str(value)


@pytest.mark.parametrize("text", ["5.10", "7.0"])
def test_digits_in_a_source_are_the_digits_in_the_response_bytes(
    gateway: Gateway, population: Population, text: str
) -> None:
    has = [id_ for id_, one in recorded(population) if str(one.get("valueQuantity", {}).get("value")) == text]
    assert has
    for id_ in has[:5]:
        answer = gateway.ask("query Q($id: ID!) { observation(id: $id) { valueQuantity { value } } }", id=id_)
        assert f'"value":{text}}}'.encode() in answer.content


def test_every_value_is_given_with_its_digits(shown: dict[str, Json], population: Population) -> None:
    texts = set()
    for id_, one in recorded(population):
        expected, got = one.get("valueQuantity"), shown[id_]["valueQuantity"]
        if expected is not None:
            assert as_text(got["value"]) == got["valueText"] == str(expected["value"])
            texts.add(str(expected["value"]))
    assert any(text.endswith("0") and "." in text for text in texts)


def test_units_are_given_as_recorded(shown: dict[str, Json], population: Population) -> None:
    units = set()
    for id_, one in recorded(population):
        got = shown[id_]
        assert parts(got["valueQuantity"]) == parts(one.get("valueQuantity"))
        components = [part.get("valueQuantity") for part in one.get("component", ())]
        given = [part["valueQuantity"] for part in got["component"] or ()]
        assert list(map(parts, given)) == list(map(parts, components))
        units |= {part["code"] for part in (one.get("valueQuantity"), *components) if part}
    assert {"mg/dL", "mmol/L", "{beats}/min", "/min"} <= units


def test_a_decimal_is_a_number_and_not_a_text(shown: dict[str, Json]) -> None:
    values = [row["valueQuantity"]["value"] for row in shown.values() if row["valueQuantity"]]
    assert values
    assert all(isinstance(value, int | Decimal) for value in values)


def test_vendor_values_are_scaled_without_a_binary_fraction(gateway: Gateway, population: Population) -> None:
    query = """query Q($id: ID!, $after: String) { patient(id: $id) { observations(
      first: 100, after: $after, code: ["http://loinc.org|29463-7"]) {
        pageInfo { hasNextPage endCursor }
        nodes { origin { name } identifier { value } valueQuantity { value unit } } } } }"""
    checked = 0
    for user, account in population.wearable.items():
        pages = gateway.pages(query, ("patient", "observations"), id=f"wearable/Patient/{user}")
        rows = [row for page in pages for row in page["nodes"] if row["origin"]["name"] == "wearable"]
        weights = {
            f"{group['grpid']}:1": Decimal(one["value"]).scaleb(one["unit"])
            for group in account.measuregrps
            for one in group["measures"]
            if one["type"] == 1 and group["category"] == 1
        }
        got = {row["identifier"][0]["value"]: row["valueQuantity"]["value"] for row in rows}
        assert {key: str(value) for key, value in got.items()} == {k: str(v) for k, v in weights.items()}
        checked += len(got)
    assert checked


def test_partial_dates_stay_partial(gateway: Gateway, population: Population) -> None:
    onsets = {one["id"]: one.get("onsetDateTime", "") for one in population.ehr["Condition"]}
    partial = {id_: onset for id_, onset in onsets.items() if re.fullmatch(r"\d{4}(-\d{2})?", onset)}
    assert partial
    query = """query Q($ids: [ID!]!) { nodes(ids: $ids) {
      ... on Condition { origin { fhirId } onsetDateTime } } }"""
    nodes = gateway.ask(query, ids=[f"ehr/Condition/{one}" for one in partial]).whole()["nodes"]
    assert {node["origin"]["fhirId"]: node["onsetDateTime"] for node in nodes} == partial


def test_a_primitives_extension_is_beside_it(gateway: Gateway, population: Population) -> None:
    born = next(one for one in population.ehr["Patient"] if "_birthDate" in one)
    query = """query Q($id: ID!) { patient(id: $id) {
      birthDate _birthDate { extension(url: "http://hl7.org/fhir/StructureDefinition/patient-birthTime") {
        url valueDateTime } } } }"""
    got = gateway.ask(query, id=f"ehr/Patient/{born['id']}").whole()["patient"]
    assert got == {"birthDate": born["birthDate"], "_birthDate": born["_birthDate"]}


def test_every_coding_of_a_concept_is_given_in_the_recorded_order(
    gateway: Gateway, population: Population
) -> None:
    several = {
        one["id"]: one["code"]["coding"]
        for one in population.ehr["Condition"]
        if len(one["code"].get("coding", ())) > 1
    }
    assert several
    query = """query Q($ids: [ID!]!) { nodes(ids: $ids) { ... on Condition {
      origin { fhirId } code { coding { system code display } } } } }"""
    nodes = gateway.ask(query, ids=[f"ehr/Condition/{one}" for one in several]).whole()["nodes"]
    got = {node["origin"]["fhirId"]: node["code"]["coding"] for node in nodes}
    assert got == {
        id_: [{name: one.get(name) for name in ("system", "code", "display")} for one in codings]
        for id_, codings in several.items()
    }


def test_a_restricted_record_is_not_filled_in_from_another(gateway: Gateway, population: Population) -> None:
    person = next(one for one in population.people if "restricted" in one.traits)
    assert {"ehr", "gp"} <= set(person.sources)
    query = """query Q($id: ID!) { patient(id: $id) { origin { name }
      address { line } telecom { value } generalPractitioner { display } meta { security { code } } } }"""
    for source, reference in person.sources.items():
        got = gateway.ask(query, id=f"{source}/{reference}").whole()["patient"]
        assert got == {
            "origin": {"name": "ehr"},
            "address": None,
            "telecom": None,
            "generalPractitioner": None,
            "meta": {"security": [{"code": "R"}]},
        }
