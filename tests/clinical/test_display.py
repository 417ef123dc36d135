"""Texts to show: what is recorded, and nothing made up."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from clinical.display import concept_text, name_text, quantity_text

SNOMED, LOINC, READ = "http://snomed.info/sct", "http://loinc.org", "http://read.info/readv2"
MIXED = {
    "coding": [
        {"system": READ, "display": "O/E"},
        {"system": LOINC, "display": "Blood pressure panel", "userSelected": True},
        {"system": SNOMED, "display": "Blood pressure"},
    ],
    "text": "BP",
}


def test_a_preferred_system_goes_before_the_text_and_the_text_before_other_systems() -> None:
    assert concept_text(MIXED) == "Blood pressure"
    assert concept_text(MIXED, (LOINC, SNOMED)) == "Blood pressure panel"
    assert concept_text(MIXED, ("none",)) == "BP"
    assert concept_text({"coding": MIXED["coding"]}, ()) == "Blood pressure panel"
    assert concept_text({"coding": [{"display": "a"}, {"display": "b"}]}) == "a"


def test_a_code_without_words_has_no_words() -> None:
    assert concept_text({"coding": [{"system": SNOMED, "code": "1"}]}) is None
    assert concept_text({"coding": [{"system": SNOMED, "display": " "}], "text": "t"}) == "t"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ({"text": "Dr A", "family": "B"}, "Dr A"),
        (
            {"prefix": ["Mrs"], "given": ["Ann", None, "Bo"], "family": "Cole", "suffix": ["OBE"]},
            "Mrs Ann Bo Cole OBE",
        ),
        ({"given": ["Ann"]}, "Ann"),
        ({"use": "anonymous"}, None),
    ],
)
def test_a_name_is_its_text_or_its_parts_in_order(name: dict[str, Any], text: str | None) -> None:
    assert name_text(name) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ({"value": Raw(b"5.10"), "unit": "mmol/L", "code": "mmol/L"}, "5.10 mmol/L"),
        ({"value": 3, "comparator": "<", "code": "mg/L"}, "<3 mg/L"),
        ({"value": 3, "code": "1"}, "3"),
        ({"unit": "kg"}, None),
        ({"value": "3", "unit": 5}, "3"),
        ({"value": True, "unit": "kg"}, None),
    ],
)
def test_an_amount_keeps_its_digits_its_comparator_and_its_unit(
    amount: dict[str, Any], text: str | None
) -> None:
    assert quantity_text(amount) == text


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["coding", "text", "system", "display", "given", "family", "value"]), inner
        )
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["coding", "text", "prefix", "given", "family", "value"]), ANYTHING))
def test_what_is_misshapen_counts_as_absent(element: dict[str, Any]) -> None:
    for text in (concept_text(element), name_text(element), quantity_text(element)):
        assert text is None or text.strip() == text != ""
