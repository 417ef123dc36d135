"""Modifier elements: the table names elements that there are, and a usual value changes nothing."""

from typing import Any

import pytest

from clinical.modifiers import MODIFIER_EXTENSION, ModifierKind, modifiers
from clinical.tables import read_rows
from schema.build import DEFAULT_RESOURCES
from schema.fhir_model import elements, model_of

ROWS = read_rows("modifier-elements-r4.tsv")


def test_every_row_names_an_element_and_codes_that_it_may_have() -> None:
    for row in ROWS:
        model = model_of(row["type"])
        assert row["element"] in {one.name for one in elements(model)}, row
        extra = model.model_fields[row["element"]].json_schema_extra
        allowed = extra.get("enum_values") if isinstance(extra, dict) else None
        if row["kind"] == "code" and isinstance(allowed, list) and "+" not in allowed:
            assert set(row["usual"].split()) < set(allowed), row


def test_every_type_with_a_status_code_is_in_the_table() -> None:
    listed = {row["type"] for row in ROWS if row["element"] in ("status", "lifecycleStatus")}
    for name in DEFAULT_RESOURCES:
        names = {one.name for one in elements(model_of(name))}
        assert name in listed or not names & {"status", "lifecycleStatus"}, name


@pytest.mark.parametrize(
    ("type_", "element", "usual", "unusual"),
    [
        ("Observation", "status", [None, "final"], ["preliminary", "entered-in-error", "odd", 5, []]),
        ("MedicationRequest", "doNotPerform", [None, False, "true"], [True]),
        ("Patient", "active", [None, True], [False]),
        ("Patient", "link", [None, []], [[{"type": "replaced-by"}], "odd"]),
        ("Provenance", MODIFIER_EXTENSION, [None, []], [[{"url": "u"}]]),
        (
            "Condition",
            "verificationStatus",
            [None, {"coding": [{"code": "confirmed"}, {"code": "local"}]}],
            [{"coding": [{"code": "refuted"}]}, {"text": "refuted"}, {}, "refuted", {"coding": [None, 5]}],
        ),
    ],
)
def test_what_changes_the_meaning(type_: str, element: str, usual: list[Any], unusual: list[Any]) -> None:
    modifier = next(one for one in modifiers(type_) if one.element == element)
    assert [value for value in usual if modifier.changes(value)] == []
    assert [value for value in unusual if not modifier.changes(value)] == []


def test_kinds_are_what_the_elements_are() -> None:
    for row in ROWS:
        (element,) = (one for one in elements(model_of(row["type"])) if one.name == row["element"])
        expected = {"code": ModifierKind.CODE, "boolean": ModifierKind.FLAG}.get(element.primitive or "")
        if expected is None and element.model is not None and element.model.__name__ == "CodeableConcept":
            expected = ModifierKind.CONCEPT
        assert ModifierKind(row["kind"]) is (expected or ModifierKind.PRESENT), row
