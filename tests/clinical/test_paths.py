"""The FHIRPath of search parameters."""

import typing
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class
from fhir.resources.R4B.backboneelement import BackboneElement

from clinical.parameters import parameters, resource_types
from clinical.paths import PathInvalid, Typed, compile_path
from clinical.tables import read_rows

EVERY = sorted({parameter.expression for name in resource_types() for parameter in parameters(name).values()})

OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "effectivePeriod": {"start": "2019"},
    "valueQuantity": {"value": 5},
    "category": [{"text": "a"}, None, {"text": "b"}],
    "component": [
        {"valueQuantity": {"value": 1}},
        {"valueString": "x"},
        {"valueCodeableConcept": {"text": "y"}},
    ],
    "contained": [{"resourceType": "Patient", "id": "p"}],
    "performer": [{"reference": "Patient/1"}, {"reference": "Practitioner/2"}, {"reference": "#p"}],
}


@pytest.mark.parametrize("expression", EVERY)
def test_every_expression_of_the_table_compiles(expression: str) -> None:
    path = compile_path(expression)
    assert [found.value for found in path({})] in ([], [False])


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("Observation.effective", [Typed({"start": "2019"}, "Period")]),
        ("Observation.value.ofType(Quantity)", [Typed({"value": 5}, "Quantity")]),
        ("(Observation.value.ofType(Quantity))", [Typed({"value": 5}, "Quantity")]),
        ("Observation.value.ofType(dateTime)", []),
        ("Observation.value", [Typed({"value": 5}, "Quantity")]),
        ("Observation.category.text", [Typed("a"), Typed("b")]),
        ("Observation.category[0].text", [Typed("a")]),
        ("Observation.category[7].text", []),
        ("Observation.component.value.ofType(string)", [Typed("x", "String")]),
        ("(Observation.component.value.ofType(CodeableConcept)).text", [Typed("y")]),
        ("Observation.status | Observation.category.text", [Typed("a"), Typed("b")]),
        ("Observation.value.ofType(Quantity).value | Observation.status", [Typed(5)]),
        ("Observation.performer.where(resolve() is Patient).reference", [Typed("Patient/1"), Typed("#p")]),
        ("Observation.category.where(text='b').text", [Typed("b")]),
        ("Observation.category.exists()", [Typed(True)]),
        ("Observation.method.exists()", [Typed(False)]),
        ("Observation.category.exists() and Observation.status != false", [Typed(False)]),
        ("Resource.resourceType", [Typed("Observation")]),
        ("resourceType", [Typed("Observation")]),
        ("Observation.category.text.extension", []),
    ],
)  # fmt: skip
def test_what_a_path_finds(expression: str, expected: list[Typed]) -> None:
    assert compile_path(expression)(OBSERVATION) == expected


def test_an_element_that_is_no_choice_has_one_key() -> None:
    """`periodUnit` is not a kind of `period`."""
    assert compile_path("Encounter.period")({"periodString": "2019", "periodUnit": "d"}) == []


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "Observation.",
        "Observation..code",
        "Observation.code)",
        "(Observation.code",
        "Observation.code.first()",
        "Observation.where(resolve() is)",
        "Observation.code[x]",
        "Observation.code != maybe",
        "a + b",
        "a b",
        "| a",
        "Observation.value.ofType(",
        "Observation.category.where(text=b)",
        "Observation.code.where(1 = 1)",
    ],
)
def test_what_is_no_such_path_is_refused(expression: str) -> None:
    with pytest.raises(PathInvalid):
        compile_path(expression)


# ---------------------------------------------------------------- the table of choice elements


def model_of(annotation: Any) -> Any:
    inner = [found for part in typing.get_args(annotation) if (found := model_of(part))]
    return inner[0] if inner else getattr(annotation, "get_model_klass", lambda: None)()


def choices(model: Any, path: str, inside: tuple[Any, ...] = ()) -> dict[str, set[str]]:
    """The choice elements of a model and of the backbone elements defined inside it."""
    found: dict[str, set[str]] = {}
    for field in model.model_fields.values():
        extra = field.json_schema_extra or {}
        if choice := extra.get("one_of_many"):
            found.setdefault(f"{path}.{choice}", set()).add(field.alias.removeprefix(choice))
        elif extra.get("element_property") and is_inner(inner := model_of(field.annotation), path):
            found |= {} if inner in inside else choices(inner, f"{path}.{field.alias}", (*inside, inner))
    return found


def is_inner(model: Any, path: str) -> bool:
    """Whether a model is a backbone element of the path's resource, not a datatype used there."""
    return (
        bool(model) and issubclass(model, BackboneElement) and model.__name__.startswith(path.split(".")[0])
    )


def test_the_choice_elements_are_those_of_the_models() -> None:
    table = {row["element"]: set(row["types"].split(",")) for row in read_rows("choice-elements-r4.tsv")}
    expected: dict[str, set[str]] = {}
    for name in resource_types():
        try:
            model = get_fhir_model_class(name)
        except ValueError:
            continue  # R4 has it, R4B has not
        expected |= choices(model, name)
    assert table == expected
