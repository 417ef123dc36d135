"""The synthetic population: the same for everybody, valid, and as awkward as real records."""

import hashlib
import re
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class

from clinical.codec import encode_json
from clinical.compartment import patient_references
from clinical.identifiers import NHS_NUMBER_SYSTEM, is_nhs_number
from clinical.references import parse_reference
from sandbox.fhir.tables import gp_parameters, served_types
from sandbox.population.build import build
from sandbox.population.model import EHR_BASE, Person, Resource
from sandbox.population.tables import table

POPULATION = build(60, 1)
PLACES = {"ehr": POPULATION.ehr} | POPULATION.gp


def resources(place: str, resource_type: str) -> list[Resource]:
    return PLACES[place].get(resource_type, [])


def with_trait(trait: str) -> list[Person]:
    return [person for person in POPULATION.people if trait in person.traits]


def local_subjects(resource: Resource) -> set[str]:
    return {parse_reference(text).local or text for text in patient_references(resource)}


def observations_of(person: Person) -> list[Resource]:
    held = []
    for source, place in (("ehr", "ehr"), ("gp", person.practice or "")):
        if source in person.sources:
            mine = person.sources[source]
            held += [one for one in resources(place, "Observation") if mine in local_subjects(one)]
    return held


def digest(patients: int, seed: int) -> str:
    population = build(patients, seed)
    held = [population.ehr, population.gp]
    return hashlib.sha256(encode_json(held) + repr(population.wearable).encode()).hexdigest()


DIGEST = """
import hashlib
from clinical.codec import encode_json
from sandbox.population.build import build
population = build(12, 3)
held = encode_json([population.ehr, population.gp]) + repr(population.wearable).encode()
print(hashlib.sha256(held).hexdigest())
"""


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_the_same_seed_gives_the_same_bytes_in_another_process(hash_seed: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", DIGEST],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": ":".join(sys.path)},
    )
    assert run.stdout.strip() == digest(12, 3)


def test_another_seed_gives_other_people() -> None:
    assert digest(12, 3) != digest(12, 4)


@pytest.mark.parametrize("place", sorted(PLACES))
def test_more_patients_leave_the_earlier_ones_as_they_were(place: str) -> None:
    fewer = build(25, 1)
    held = ({"ehr": fewer.ehr} | fewer.gp)[place]
    for resource_type, rows in held.items():
        assert resources(place, resource_type)[: len(rows)] == rows
    assert POPULATION.people[:25] == fewer.people


@pytest.mark.parametrize("place", sorted(PLACES))
def test_every_type_of_resource_validates_as_r4b(place: str) -> None:
    for resource_type, rows in PLACES[place].items():
        model = get_fhir_model_class(resource_type)
        for resource in rows[:40]:
            model.model_validate_json(encode_json(resource))


def test_the_hospital_holds_all_the_types_it_serves_but_those_of_practices() -> None:
    only_at_practices = {"MedicationStatement", "MedicationDispense"}
    assert set(served_types()) - set(POPULATION.ehr) == only_at_practices


@pytest.mark.parametrize("place", sorted(POPULATION.gp))
def test_a_practice_serves_all_the_types_it_holds(place: str) -> None:
    assert set(PLACES[place]) <= set(gp_parameters())


@pytest.mark.parametrize("place", sorted(PLACES))
def test_ids_are_unique_within_a_place(place: str) -> None:
    for resource_type, rows in PLACES[place].items():
        assert len({row["id"] for row in rows}) == len(rows), resource_type


def test_ids_of_the_practices_never_collide_but_patient_ids_of_hospital_and_practice_do() -> None:
    patients = {place: {row["id"] for row in rows["Patient"]} for place, rows in PLACES.items()}
    first, second = sorted(POPULATION.gp)
    assert not patients[first] & patients[second]
    assert patients["ehr"] & patients[first]
    same_person = {p.sources["ehr"] for p in POPULATION.people if p.sources.get("ehr") == p.sources.get("gp")}
    assert len(patients["ehr"] & (patients[first] | patients[second])) > len(same_person)


@pytest.mark.parametrize("place", sorted(PLACES))
def test_clinical_resources_refer_to_a_patient_of_their_own_place(place: str) -> None:
    patients = {f"Patient/{row['id']}" for row in resources(place, "Patient")}
    for rows in PLACES[place].values():
        for resource in rows:
            assert local_subjects(resource) <= patients


def test_every_person_has_between_30_and_150_observations() -> None:
    counts = [len(observations_of(person)) for person in POPULATION.people]
    assert min(counts) >= 30
    assert max(counts) <= 150


def test_nhs_numbers_are_of_the_test_range_valid_and_different() -> None:
    numbers = [person.nhs_number for person in POPULATION.people if person.nhs_number]
    assert all(is_nhs_number(number) and number.startswith("999") for number in numbers)
    assert len(set(numbers)) == len(numbers)


def recorded_numbers(person: Person) -> set[str]:
    found = set()
    for source, reference in person.sources.items():
        place = {"ehr": "ehr", "gp": person.practice or ""}.get(source)
        for resource in resources(place, "Patient") if place else []:
            if f"Patient/{resource['id']}" == reference:
                found |= {i["value"] for i in resource["identifier"] if i["system"] == NHS_NUMBER_SYSTEM}
    return found


def test_both_records_of_a_person_carry_the_same_nhs_number() -> None:
    for person in POPULATION.people:
        if person.nhs_number:
            assert recorded_numbers(person) == {person.nhs_number}


def test_two_different_people_carry_one_wrong_number() -> None:
    first, second = with_trait("wrong-check-digit")
    assert recorded_numbers(first) == recorded_numbers(second) != set()
    assert not any(map(is_nhs_number, recorded_numbers(first)))
    assert first.nhs_number is second.nhs_number is None


def test_two_different_people_share_name_and_birth_date() -> None:
    first, second = (
        next(row for row in resources("ehr", "Patient") if f"Patient/{row['id']}" == person.sources["ehr"])
        for person in with_trait("same-name")
    )
    assert (first["name"], first["birthDate"]) == (second["name"], second["birthDate"])
    assert first["identifier"] != second["identifier"]


def test_people_are_known_to_one_two_or_three_sources() -> None:
    known = Counter(frozenset(person.sources) for person in POPULATION.people)
    all_three = frozenset(("ehr", "gp", "wearable"))
    pairs = {frozenset(("ehr", "gp")), frozenset(("ehr", "wearable"))}
    assert set(known) == {all_three, frozenset(("ehr",)), frozenset(("gp",))} | pairs
    assert known[all_three] > len(POPULATION.people) / 2


def test_a_mother_asserts_her_childs_allergies() -> None:
    (mother,), (child,) = with_trait("mother"), with_trait("child")
    asserted = [
        one
        for one in resources("ehr", "AllergyIntolerance")
        if one.get("asserter", {}).get("reference") == mother.sources["ehr"]
    ]
    assert asserted
    assert all(one["patient"]["reference"] == child.sources["ehr"] for one in asserted)


def test_a_restricted_record_withholds_at_the_hospital_what_the_practice_tells() -> None:
    (person,) = with_trait("restricted")
    at_hospital, at_practice = (
        next(row for row in resources(place, "Patient") if f"Patient/{row['id']}" == person.sources[source])
        for source, place in (("ehr", "ehr"), ("gp", person.practice or ""))
    )
    assert at_hospital["meta"]["security"][0]["code"] == "R"
    assert not {"address", "telecom", "generalPractitioner"} & at_hospital.keys()
    assert {"address", "telecom"} <= at_practice.keys()


def test_names_are_spelled_differently_between_sources() -> None:
    for person in with_trait("spelling"):
        if {"ehr", "gp"} <= person.sources.keys():
            names = [
                row["name"][0]["family"]
                for source, place in (("ehr", "ehr"), ("gp", person.practice or ""))
                for row in resources(place, "Patient")
                if f"Patient/{row['id']}" == person.sources[source]
            ]
            assert names[0] != names[1]


def every(place: str, resource_type: str, pattern: str) -> int:
    return sum(bool(re.search(pattern, encode_json(one).decode())) for one in resources(place, resource_type))


@pytest.mark.parametrize(
    ("place", "resource_type", "pattern"),
    [
        ("ehr", "Observation", r'"status":"entered-in-error"'),
        ("ehr", "Condition", r'"code":"entered-in-error"'),
        ("ehr", "Observation", r'"value":5\.10[,}]'),
        ("ehr", "Observation", r'"value":7\.0[,}]'),
        ("ehr", "Observation", r'"effectiveDateTime":"\d{4}"'),
        ("A81001", "Observation", r'"effectiveDateTime":"\d{4}-\d{2}"'),
        ("ehr", "Condition", r'"onsetDateTime":"\d{4}"'),
        ("ehr", "Observation", r'"unit":"mg/dL"'),
        ("A81001", "Observation", r'"unit":"mmol/L"'),
        ("ehr", "Observation", r'"code":"55284-4"'),
        ("ehr", "Observation", r'"code":"85354-9"'),
        ("A81001", "Observation", r"read\.info/readv2.*snomed\.info/sct"),
        ("ehr", "Observation", r'"reference":"Patient/\d+/_history/2"'),
        ("ehr", "Observation", re.escape(EHR_BASE) + r"/Patient/\d+"),
        ("ehr", "Observation", r'"reference":"Practitioner/99999999"'),
        ("ehr", "Observation", r'"dataAbsentReason"'),
        ("ehr", "MedicationRequest", r'"reference":"#med"'),
        ("ehr", "Condition", r'"reference":"#asserter"'),
        ("ehr", "Coverage", r"directory\.spineservices\.nhs\.uk"),
        ("ehr", "Patient", r'"_birthDate"'),
        ("ehr", "Patient", r'"given":\["[^"]+",null\]'),
        ("ehr", "MedicationRequest", r'"status":"entered-in-error"'),
        ("ehr", "Encounter", r'"code":"EMER"'),
        ("A81001", "Observation", r'"\+01:00"|\+01:00"'),
        ("B82002", "Patient", r'"birthDate":"\d{4}"'),
    ],
)
def test_the_traps_of_real_data_are_there(place: str, resource_type: str, pattern: str) -> None:
    assert every(place, resource_type, pattern) > 0


def test_the_first_person_has_the_digits_that_tests_look_for() -> None:
    (person,) = with_trait("first")
    values = {str(one.get("valueQuantity", {}).get("value")) for one in observations_of(person)}
    assert {"5.10", "7.0"} <= values
    assert set(person.sources) == {"ehr", "gp", "wearable"}


def test_every_observation_of_a_practice_has_one_of_five_categories() -> None:
    allowed = {"vital-signs", "laboratory", "social-history", "survey", "exam"}
    for place in POPULATION.gp:
        for resource in resources(place, "Observation"):
            codes = {coding["code"] for category in resource["category"] for coding in category["coding"]}
            assert codes
            assert codes <= allowed


def test_some_results_are_held_by_both_sources_under_one_identifier() -> None:
    def identifiers(place: str) -> set[str]:
        return {
            one["identifier"][0]["value"] for one in resources(place, "Observation") if "identifier" in one
        }

    practices = set().union(*(identifiers(place) for place in POPULATION.gp))
    assert identifiers("ehr") & practices
    assert identifiers("ehr") - practices


def test_decimals_are_decimals_not_floats() -> None:
    def walk(value: Any) -> None:
        assert not isinstance(value, float)
        for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            walk(child)

    walk(list(PLACES.values()))


def is_snomed_code(code: str) -> bool:
    """The Verhoeff check digit of a SNOMED CT identifier (SNOMED CT release file specification 6.3)."""
    permute = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]
    check = 0
    for place, digit in enumerate(map(int, reversed(code))):
        for _ in range(place % 8):
            digit = permute[digit]
        check = dihedral(check, digit)
    return check == 0


def dihedral(a: int, b: int) -> int:
    """The product of two elements of the dihedral group of the pentagon."""
    if a < 5:
        return (a + b) % 5 if b < 5 else 5 + (a + b - 5) % 5
    return 5 + (a - 5 - b) % 5 if b < 5 else (a - b) % 5


def is_loinc_code(code: str) -> bool:
    """The modulus 10 check digit of a LOINC code (LOINC users' guide)."""
    digits, _, check = code.partition("-")
    doubled = str(int(digits[::-1][::2][::-1]) * 2)
    total = sum(map(int, digits[::-1][1::2] + doubled))
    return -total % 10 == int(check)


SNOMED_COLUMNS = ("snomed", "dmd", "manifestation", "procedure", "product", "activity", "disease")
TABLES = (
    "problems",
    "panels",
    "measures",
    "medicines",
    "allergies",
    "vaccines",
    "procedures",
    "plans",
    "visits",
)


@pytest.mark.parametrize("name", TABLES)
def test_the_codes_of_the_tables_have_right_check_digits(name: str) -> None:
    for row in table(name):
        assert all(is_snomed_code(row[column]) for column in SNOMED_COLUMNS if row.get(column))
        assert all(is_loinc_code(row[column]) for column in ("loinc", "us_loinc") if row.get(column))
