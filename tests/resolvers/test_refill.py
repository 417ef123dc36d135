"""Demographics: declared elements come from the next record that has them, and it is told from which."""

from typing import Any

import pytest

from tests.resolvers.asking import Asker, patient
from tests.resolvers.memory import MemoryUpstream

NUMBER = "9990000018"
PHONE, HOME = {"telecom": [{"value": "07"}]}, {"address": [{"city": "Leeds"}]}
REFILL = {"refill": ("telecom", "address", "deceased", "birthDate")}
TEXT = """{ patient(id: "a/Patient/1") { telecom { value } address { city } deceasedBoolean deceasedDateTime
  elementSources { element source record } } }"""
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"


def sources(*records: dict[str, Any]) -> list[MemoryUpstream]:
    return [MemoryUpstream(name, {"Patient": [one]}) for name, one in zip("abc", records, strict=False)]


async def shown(asker: Asker) -> dict[str, Any]:
    found: dict[str, Any] = (await asker.data(TEXT))["patient"]
    return found


def origins(found: Any) -> dict[str, str]:
    return {one["element"]: one["record"] for one in found["elementSources"]}


async def test_nothing_is_filled_in_where_nothing_is_declared() -> None:
    found = await shown(Asker(*sources(patient("1", NUMBER), patient("2", NUMBER, **PHONE))))
    assert (found["telecom"], found["elementSources"]) == (None, [])


async def test_each_declared_element_comes_whole_from_the_next_record_that_has_it() -> None:
    two = patient("2", NUMBER, telecom=[{"value": "08"}, {"value": "09"}], deceasedDateTime="2020")
    three = patient("3", NUMBER, **PHONE, **HOME, deceasedBoolean=False)
    asker = Asker(*sources(patient("1", NUMBER, address=[]), two, three), linking=REFILL)
    found = await shown(asker)
    assert found["telecom"] == [{"value": "08"}, {"value": "09"}]
    assert found["address"] == [{"city": "Leeds"}]
    assert (found["deceasedBoolean"], found["deceasedDateTime"]) == (None, "2020")
    assert origins(found) == {
        "telecom": "b/Patient/2",
        "address": "c/Patient/3",
        "deceased": "b/Patient/2",
        "birthDate": "a/Patient/1",
    }
    assert asker.context is not None
    assert {one.source for one in asker.context.disclosures.rows()} == {"a", "b", "c"}


@pytest.mark.parametrize("places", [1, 2])
async def test_a_person_of_one_record_is_told_to_be_from_that_record(places: int) -> None:
    records = (patient("1", NUMBER, **PHONE), patient("2", "9990000026", **HOME))
    asker = Asker(*sources(*records)[:places], linking=REFILL)
    found = await shown(asker)
    assert (found["telecom"], found["address"]) == ([{"value": "07"}], None)
    assert origins(found) == {"telecom": "a/Patient/1", "birthDate": "a/Patient/1"}
    assert asker.context is not None
    assert [(one.source, one.count) for one in asker.context.disclosures.rows()] == [("a", 1)]


async def test_what_the_shown_record_has_stays() -> None:
    one = patient("1", NUMBER, **PHONE, deceasedBoolean=False)
    two = patient("2", NUMBER, telecom=[{"value": "08"}], deceasedDateTime="2020")
    found = await shown(Asker(*sources(one, two), linking=REFILL))
    assert (found["telecom"], found["deceasedBoolean"], found["deceasedDateTime"]) == (
        [{"value": "07"}],
        False,
        None,
    )


@pytest.mark.parametrize("restricted", [0, 1, 2])
@pytest.mark.parametrize("code", ["R", "V"])
async def test_of_a_restricted_person_nothing_is_filled_in(restricted: int, code: str) -> None:
    meta = {"meta": {"security": [{"system": CONFIDENTIALITY, "code": code}]}}
    records = [
        patient("1", NUMBER),
        patient("2", NUMBER, **PHONE, deceasedBoolean=True),
        patient("3", NUMBER, **HOME),
    ]
    records[restricted] |= meta
    scopes = "system/*.rs clearance.restricted"
    found = await shown(Asker(*sources(*records), linking=REFILL, scopes=scopes))
    assert {found[name] and 1 for name in ("telecom", "address", "deceasedBoolean")} == {None}
    assert set(origins(found).values()) == {"a/Patient/1"}


@pytest.mark.parametrize(
    "lender",
    [
        patient("2", NUMBER, active=False, **PHONE),
        patient("2", NUMBER, born="1999-01-01", **PHONE),
        patient(
            "2", NUMBER, telecom=[{"value": "07", "extension": [{"valueReference": {"reference": "X/1"}}]}]
        ),
        patient("2", NUMBER, telecom=[]),
        patient("2", NUMBER, meta={"security": [{"code": "HIV", "system": ACT_CODE}]}, **PHONE),
    ],
)
async def test_who_lends_nothing(lender: dict[str, Any]) -> None:
    found = await shown(Asker(*sources(patient("1", NUMBER), lender), linking=REFILL))
    assert found["telecom"] is None


async def test_the_lists_of_a_refilled_patient_are_those_of_the_person() -> None:
    a, b = sources(patient("1", NUMBER), patient("2", NUMBER, **PHONE))
    asker = Asker(a, b, linking=REFILL)
    text = '{ patient(id: "a/Patient/1") { telecom { value } records { id } sources { status } } }'
    found = (await asker.data(text))["patient"]
    assert (found["telecom"], len(found["records"])) == ([{"value": "07"}], 2)
    assert [kind for kind, _ in b.calls] == ["identify"]


async def test_a_list_of_patients_is_refilled_too() -> None:
    asker = Asker(*sources(patient("1", NUMBER), patient("2", NUMBER, **PHONE)), linking=REFILL)
    data = await asker.data("{ patients { nodes { telecom { value } } } }")
    assert data["patients"]["nodes"] == [{"telecom": [{"value": "07"}]}]
