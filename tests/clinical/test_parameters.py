"""The table of search parameters."""

from clinical.parameters import parameters, resource_types

KINDS = {"token", "date", "string", "reference", "uri", "quantity", "number"}


def test_every_type_has_the_parameters_of_every_resource() -> None:
    for name in (*resource_types(), "Binary"):
        assert {"_id", "_lastUpdated", "_tag", "_profile", "_security", "_source"} <= set(parameters(name))


def test_only_kinds_that_can_be_evaluated_are_listed() -> None:
    every = [parameter for name in resource_types() for parameter in parameters(name).values()]
    assert {parameter.type for parameter in every} == KINDS
    assert all(parameter.expression for parameter in every)


def test_composite_special_and_text_parameters_are_left_out() -> None:
    assert not {"code-value-quantity", "_text", "_content", "_query"} & set(parameters("Observation"))
    assert "near" not in parameters("Location")


def test_references_name_their_targets() -> None:
    assert parameters("Observation")["patient"].targets == {"Patient"}
    assert parameters("Observation")["subject"].targets == {"Device", "Group", "Location", "Patient"}
    assert parameters("Observation")["code"].targets == frozenset()


def test_a_code_names_one_parameter() -> None:
    for name in resource_types():
        assert all(code == parameter.code for code, parameter in parameters(name).items())
