"""Rules: every field covered, every row means something, and what a search tells of."""

from typing import Any

import pytest

from permissions.coordinates import Coordinate, Reads
from permissions.policy import Policy
from permissions.rules import PolicyInvalid, Rules
from tests.permissions.asking import COORDINATES, policy, rule


def problems(under: Policy, *more: Coordinate) -> list[str]:
    with pytest.raises(PolicyInvalid) as refused:
        Rules(under, (*COORDINATES, *more))
    return str(refused.value).split("\n")


def reason_of(name: str, *rows: dict[str, Any]) -> str | None:
    """Which row covers a field, by its reason."""
    rules = Rules(policy(*rows), COORDINATES)
    found = rules.of(name)
    return found.reason if found is not None else None


# ------------------------------------------------------------- what stops the start


def test_a_field_that_fetches_and_that_nothing_covers_is_named() -> None:
    fetch = Coordinate("Query", "everything", is_fetched=True)
    assert problems(Policy(), fetch) == [
        "no rule covers `Query.everything`: write a row for it in the policy"
    ]
    Rules(policy(rule("Query.everything")), (*COORDINATES, fetch))


def test_a_row_that_names_nothing_is_named() -> None:
    assert problems(policy(rule("Patient.telephone", "Patient.tele*", "*.nothing"))) == [
        "the rule for `Patient.telephone` names no field of the schema",
        "the rule for `*.nothing` names no field of the schema",
    ]


def test_a_general_policy_may_name_what_this_schema_has_not() -> None:
    rules = Rules(policy(rule("Invoice.note", scopes=[["x"]])), COORDINATES, is_general=True)
    assert "Invoice.note" not in rules
    with pytest.raises(PolicyInvalid, match=r"no rule covers `Query\.everything`"):
        Rules(Policy(), [Coordinate("Query", "everything", is_fetched=True)], is_general=True)


def test_two_patterns_on_one_field_are_refused_until_it_is_named() -> None:
    rows = [rule("Patient.tele*", scopes=[["a"]]), rule("*.telecom", scopes=[["b"]])]
    told = "two rules cover `Patient.telecom`: write one of them for it by name"
    assert problems(policy(*rows)) == [told]
    named = rule("Patient.telecom", scopes=[["c"]])
    rules = Rules(policy(*rows, named), COORDINATES)
    found = rules.of("Patient.telecom")
    assert found is not None
    assert [one.told() for one in found.more] == [["c"]]


def test_one_field_named_twice_is_refused() -> None:
    row = rule("Patient.telecom")
    assert problems(policy(row, {**row, "reason": "another"})) == [
        "two rules cover `Patient.telecom`: write one of them for it by name"
    ]


def test_two_patterns_of_one_row_may_meet() -> None:
    assert reason_of("Patient.telecom", rule("Patient.*com", "*.telecom", scopes=[["a"]])) == "a test"


def test_a_field_that_is_never_null_takes_no_rule() -> None:
    told = "`Patient.id` can never be null, so a rule for it would take away all that it stands on"
    assert problems(policy(rule("Patient.id", scopes=[["a"]]))) == [told]
    assert problems(policy(rule("Patient.id", purposes=["TREAT"]))) == [told]
    assert "Patient.id" not in Rules(policy(rule("Patient.id")), COORDINATES)


def test_smart_scopes_say_nothing_of_the_parts_of_a_data_type() -> None:
    (told,) = problems(policy(rule("ContactPoint.value", scopes=[["user/Patient.r"]])))
    assert told == (
        "the rule for `ContactPoint.value` names SMART scopes: that works for elements of resources and for "
        "fields that fetch them; use another scope string here"
    )
    assert "ContactPoint.value" in Rules(policy(rule("ContactPoint.value", scopes=[["a"]])), COORDINATES)


def test_every_problem_is_told_at_once() -> None:
    fetch = Coordinate("Query", "everything", is_fetched=True)
    assert len(problems(policy(rule("Patient.x"), rule("Patient.id", scopes=[["a"]])), fetch)) == 3


# ------------------------------------------------------------- which row counts


def test_a_name_goes_before_a_pattern_wherever_it_stands() -> None:
    named = {**rule("Patient.telecom", scopes=[["a"]]), "reason": "named"}
    pattern = rule("Patient.*com", scopes=[["b"]])
    assert reason_of("Patient.telecom", named, pattern) == "named"
    assert reason_of("Patient.telecom", pattern, named) == "named"


def test_a_name_may_open_what_a_pattern_closes() -> None:
    rules = Rules(policy(rule("*.note", "*.telecom", scopes=[["a"]]), rule("Observation.note")), COORDINATES)
    assert {str(one.coordinate) for one in rules if one.more} == {"Patient.telecom"}


def test_extensions_of_a_primitive_share_its_rule() -> None:
    rules = Rules(policy(rule("Patient.birthDate", scopes=[["a"]])), COORDINATES)
    assert {"Patient.birthDate", "Patient._birthDate"} <= {str(one.coordinate) for one in rules}
    by_pattern = Rules(policy(rule("*.birth*", scopes=[["a"]])), COORDINATES)
    assert by_pattern.of("Patient._birthDate") is not None


# ------------------------------------------------------------- what a rule needs


def test_a_field_that_fetches_needs_what_it_reads() -> None:
    rules = Rules(Policy(), COORDINATES)
    found = rules.of("Query.observations")
    assert found is not None
    assert found.required() == (
        ("patient/Observation.s",),
        ("user/Observation.s",),
        ("system/Observation.s",),
    )
    assert rules.of("Patient.telecom") is None


def test_a_row_without_needs_tells_those_of_the_type() -> None:
    found = Rules(policy(rule("Patient.telecom")), COORDINATES).of("Patient.telecom")
    assert found is not None
    assert not found.is_open
    assert ("user/Patient.s",) in found.required()


def test_needs_of_both_kinds_are_told_together_level_by_level() -> None:
    row = rule("Patient.observations", scopes=[["user/Patient.r"], ["observing"]])
    found = Rules(policy(row), COORDINATES).of("Patient.observations")
    assert found is not None
    assert found.required() == (
        ("patient/Observation.s", "observing"),
        ("user/Observation.s", "user/Patient.r"),
        ("user/Observation.s", "observing"),
        ("system/Observation.s", "observing"),
    )


def test_a_list_that_holds_another_is_not_told() -> None:
    row = rule("Patient.telecom", scopes=[["patient/Patient.r"], ["user/Patient.r", "contact.read"]])
    found = Rules(policy(row), COORDINATES).of("Patient.telecom")
    assert found is not None
    assert found.required() == (("patient/Patient.r",), ("user/Patient.r", "contact.read"))


def test_a_field_of_a_data_type_needs_its_words_alone() -> None:
    found = Rules(policy(rule("ContactPoint.value", scopes=[["a", "b"]])), COORDINATES).of(
        "ContactPoint.value"
    )
    assert found is not None
    assert found.required() == (("a", "b"),)


# ------------------------------------------------------------- what a search tells


def test_a_search_tells_of_the_ruled_fields_that_it_reads() -> None:
    searches = {
        ("Patient", "phone"): frozenset({"Patient.telecom", "ContactPoint.value"}),
        ("Patient", "birthdate"): frozenset({"Patient.birthDate"}),
    }
    rules = Rules(policy(rule("ContactPoint.value", scopes=[["a"]])), COORDINATES, searches)
    assert rules.told_by("Patient", ["phone", "birthdate", "unknown"]) == {"ContactPoint.value"}
    assert rules.told_by("Patient", ["birthdate"]) == frozenset()
    assert rules.told_by("Observation", ["phone"]) == frozenset()


def test_a_field_that_reads_needs_no_row() -> None:
    fetch = Coordinate("Query", "patients", reads=Reads("s", "Patient"), is_fetched=True)
    assert "Query.patients" in Rules(Policy(), [fetch])
