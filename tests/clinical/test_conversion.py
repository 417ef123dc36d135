"""Units: exact where UCUM allows it, analyte by analyte between mass and moles, and else refused."""

import re
import subprocess
import sys
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinical.conversion import UnitNotConvertible, UnitTextInvalid, converted
from clinical.tables import read_rows
from clinical.ucum import LONGEST, UnitUnknown, unit_of
from sandbox.population.tables import keyed

LOINC = "http://loinc.org"
GLUCOSE, CREATININE, HBA1C = [(LOINC, "2345-7")], [(LOINC, "14682-9")], [(LOINC, "59261-8")]
NONE: list[tuple[str, str]] = []
WEIGHTS = {
    "C": "12.011",
    "H": "1.008",
    "O": "15.999",
    "N": "14.007",
    "I": "126.904",
    "Co": "58.933",
    "P": "30.974",
    "Ca": "40.078",
    "Mg": "24.305",
    "Na": "22.990",
    "K": "39.098",
    "Fe": "55.845",
}


@pytest.mark.parametrize(
    ("value", "unit", "wanted", "codes", "text"),
    [
        ("5.9", "mmol/L", "mg/dL", GLUCOSE, "106"),
        ("106", "mg/dL", "mmol/L", GLUCOSE, "5.884"),
        ("82", "umol/L", "mg/dL", CREATININE, "0.928"),
        ("46", "mmol/mol", "%", HBA1C, "6.36"),
        ("6.4", "%", "mmol/mol", HBA1C, "46.4"),
        ("36.8", "Cel", "[degF]", NONE, "98.24"),
        ("98.6", "[degF]", "Cel", NONE, "37.00"),
        ("37", "Cel", "K", NONE, "310.2"),
        ("-5", "Cel", "[degF]", NONE, "23.0"),
        ("0.42", "L/L", "%", NONE, "42"),
        ("5.10", "g/L", "g/dL", NONE, "0.510"),
        ("7.10", "10*9/L", "10*3/uL", NONE, "7.10"),
        ("76.3", "kg", "[lb_av]", NONE, "168.2"),
        ("72", "{beats}/min", "{beats}/s", NONE, "1.20"),
        ("140", "mm[Hg]", "kPa", NONE, "18.67"),
        ("27", "U/L", "ukat/L", NONE, "0.450"),
        ("1", "g%", "g/L", NONE, "10"),
        ("30", "'", "deg", NONE, "0.500"),
        ("7.4", "[pH]", "[pH]", NONE, "7.4"),
        ("0.0", "mg", "g", NONE, "0.0000"),
    ],
)
def test_amounts_in_another_unit(
    value: str, unit: str, wanted: str, codes: Sequence[tuple[str, str]], text: str
) -> None:
    assert str(converted(Decimal(value), unit, wanted, codes)) == text


@pytest.mark.parametrize(
    ("value", "unit", "wanted", "codes", "reason"),
    [
        ("82", "umol/L", "mg/dL", NONE, "molar mass"),
        ("82", "umol/L", "mg/dL", [*GLUCOSE, *CREATININE], "molar mass"),
        ("46", "mmol/mol", "%", NONE, "plain fraction"),
        ("3", "mg/g", "mg/mmol", CREATININE, "different things"),
        ("7.4", "[pH]", "mol/L", NONE, "different things"),
        ("84", "mL/min/{1.73_m2}", "mL/min", NONE, "braces"),
        ("2.2", "m[IU]/L", "mU/L", NONE, "different things"),
        ("4.4", "mmol/L", "meq/L", NONE, "different things"),
        ("5", "10*9/L", "mmol/L", NONE, "different things"),
        ("5", "Cel/min", "K/min", NONE, "not one of UCUM"),
        ("5", "degrees", "Cel", NONE, "not one of UCUM"),
        ("1E400", "g", "kg", NONE, "too large"),
        ("1" * 41, "g", "kg", NONE, "too large"),
    ],
)
def test_what_would_be_a_guess_is_refused(
    value: str, unit: str, wanted: str, codes: Sequence[tuple[str, str]], reason: str
) -> None:
    with pytest.raises(UnitNotConvertible, match=reason):
        converted(Decimal(value), unit, wanted, codes)


@pytest.mark.parametrize(
    "wanted", ["", "mg per dl", "mg//dL", "10*99", "m" * 41, "((((((m))))))", "kg2.(", "é"]
)
def test_a_text_that_is_no_unit_is_the_clients_fault(wanted: str) -> None:
    with pytest.raises(UnitTextInvalid):
        converted(Decimal(1), "kg", wanted, NONE)


FAMILIES = (
    ("kg", "[lb_av]", "g", "[oz_av]", "mg"),
    ("cm", "[in_i]", "m", "[ft_i]"),
    ("mm[Hg]", "kPa", "cm[H2O]"),
    ("mmol/L", "mg/dL", "umol/L", "g/L"),
    ("Cel", "[degF]", "K"),
    ("/min", "/s", "/h"),
)
RECORDED = st.decimals("0.001", "999", places=3).map(Decimal.normalize) | st.integers(1, 999).map(Decimal)


@settings(max_examples=300)
@given(st.sampled_from(FAMILIES), st.data(), RECORDED)
def test_there_and_back_gives_the_recorded_digits(
    family: tuple[str, ...], data: st.DataObject, value: Decimal
) -> None:
    unit, wanted = data.draw(st.sampled_from(family)), data.draw(st.sampled_from(family))
    there = converted(value, unit, wanted, GLUCOSE)
    back = converted(there, wanted, unit, GLUCOSE)
    assert back.quantize(value) == value


@given(st.text(st.sampled_from("mgL/.()0123{}[]*-%'"), max_size=LONGEST))
def test_any_text_is_a_unit_or_none(text: str) -> None:
    try:
        assert unit_of(text).factor > 0
    except UnitUnknown:
        pass


def test_molar_masses_follow_from_the_formulas() -> None:
    for row in read_rows("analytes.tsv"):
        if row["formula"]:
            atoms = re.findall(r"([A-Z][a-z]?)(\d*)", row["formula"])
            mass = sum(Fraction(WEIGHTS[one]) * int(count or 1) for one, count in atoms)
            assert abs(mass / Fraction(row["g_per_mol"]) - 1) < Fraction(1, 100_000), row["analyte"]
        assert row["source"]


def test_a_code_belongs_to_one_analyte() -> None:
    codes = [
        one for row in read_rows("analytes.tsv") for one in (*row["loinc"].split(), *row["snomed"].split())
    ]
    assert len(codes) == len(set(codes)) > 40


def test_the_sandbox_and_the_table_agree_on_mass_and_moles() -> None:
    """Two tables made apart: the analyser that reports US units, and ours."""
    compared = 0
    for row in keyed("measures").values():
        if not row["us_factor"] or "mol" not in row["ucum"]:
            continue
        code = row["loinc"] if row["us_loinc"] == "3094-0" else row["us_loinc"]
        value = converted(Decimal(1000), row["ucum"], row["us_unit"], [(LOINC, row["us_loinc"])])
        assert abs(value / (Decimal(row["us_factor"]) * 1000) - 1) < Decimal("0.002"), code
        compared += 1
    assert compared >= 7


def test_units_are_loaded_when_the_first_is_converted() -> None:
    text = "import sys, gateway.app; assert not {'ucumvert', 'pint', 'lark'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", text], check=True)
