"""The first door: what a document is denied is worked out once, and told once for each selection."""

from collections.abc import Iterable
from functools import cache
from typing import Any

import pytest

from gateway.document_limits import LimitSettings
from gateway.execution import denials
from gateway.execution.collect import Collector
from gateway.execution.denials import Denials, denied_selections
from gateway.prepare import Preparation, PreparedDocument
from permissions.decision import Decisions, Permissions
from permissions.policy import RuleSettings, default_policy
from permissions.principal import Principal
from permissions.scopes import other_words, parse_scopes
from schema.build import BuiltSchema, build_schema
from tests.resolvers.asking import TYPES

ROWS = (
    {"coordinates": ["Patient.telecom"], "reason": "t", "scopes": [["contact.read"]]},
    {"coordinates": ["Observation.note"], "reason": "t", "purposes": ["TREAT"]},
    {"coordinates": ["Patient.birthDate"], "reason": "t", "scopes": [["birth.read"]]},
    {"coordinates": ["Coding.display"], "reason": "t", "scopes": [["words.read"]]},
)


@cache
def built() -> BuiltSchema:
    fetched = [one for one in default_policy().rules if not _is_about_elements(one)]
    rows = (RuleSettings.model_validate(one) for one in ROWS)
    return build_schema(TYPES, default_policy().model_copy(update={"rules": (*fetched, *rows)}))


def _is_about_elements(row: RuleSettings) -> bool:
    return any(
        name.startswith(("Patient.telecom", "Patient.identifier", "*.note")) for name in row.coordinates
    )


def prepared(text: str) -> PreparedDocument:
    return Preparation(built().graphql, LimitSettings(max_aliases=100)).prepare(text, None, text)


def permissions(scopes: str) -> Permissions:
    caller = Principal("i", "c", "s", parse_scopes(scopes), other_words(scopes))
    return Decisions(built().rules).of(caller)


def denied(text: str, scopes: str = "system/*.rs", **conditions: bool) -> dict[tuple[str, ...], str]:
    document, schema = prepared(text), built().graphql
    found = Denials(schema, built().rules).denied(document, permissions(scopes))
    collector = Collector(schema, document.fragments, conditions, found)
    assert schema.query_type is not None
    return dict(denied_selections(schema, collector, schema.query_type, document.operation.selection_set))


def test_a_denied_set_is_worked_out_once_for_a_document_and_its_callers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Any] = []
    real = Permissions.denied

    def counted(self: Permissions, coordinates: Iterable[str]) -> frozenset[str]:
        asked.append(self)
        return real(self, coordinates)

    monkeypatch.setattr(Permissions, "denied", counted)
    document, doors = (
        prepared("{ patients { nodes { telecom { value } } } }"),
        Denials(built().graphql, built().rules),
    )
    some, other = permissions("user/*.rs"), permissions("user/Patient.rs contact.read")
    first = [doors.denied(document, some) for _ in range(3)]
    assert {id(one) for one in first} == {id(first[0])}
    assert first[0] == {"Patient.telecom"}
    assert doors.denied(document, other) == frozenset()
    assert asked == [some, other]


def test_what_a_document_keeps_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(denials, "KEPT", 3)
    document, doors = prepared("{ patients { nodes { id } } }"), Denials(built().graphql, built().rules)
    for number in range(10):
        doors.denied(document, permissions(f"user/*.rs word{number}"))
    assert len(document.kept["denied"]) == 3


def test_one_selection_is_told_once_with_its_path() -> None:
    text = """{ patients { edges { node { t: telecom { value } ...F } } }
      me { ...F observations { nodes { note { text } } } } }
      fragment F on Patient { telecom { value } name { family } }"""
    assert denied(text) == {
        ("patients", "edges", "@", "node", "t"): "Patient.telecom",
        ("patients", "edges", "@", "node", "telecom"): "Patient.telecom",
        ("me", "telecom"): "Patient.telecom",
        ("me", "observations", "nodes", "@", "note"): "Observation.note",
    }


def test_what_lies_below_a_denied_field_is_not_told() -> None:
    text = "{ patients { nodes { telecom { value } } } observations { nodes { note { text } } } }"
    assert denied(text, "system/Observation.r") == {
        ("patients",): "Query.patients",
        ("observations",): "Query.observations",
    }


def test_what_is_not_selected_is_not_denied() -> None:
    text = "query($t: Boolean!) { me { telecom @include(if: $t) { value } } }"
    assert denied(text, t=True) == {("me", "telecom"): "Patient.telecom"}
    assert denied(text, t=False) == {}


def test_a_field_of_an_interface_is_denied_for_the_types_that_have_it() -> None:
    text = "{ node(id: 1) { ... on Patient { telecom { value } } ... on Observation { subject { type } } } }"
    assert denied(text) == {("node", "telecom"): "Patient.telecom"}


def test_other_operations_of_a_document_are_not_this_ones() -> None:
    text = "query A { me { id } } query B { me { telecom { value } } }"
    document = Preparation(built().graphql, LimitSettings()).prepare(text, "A", text)
    found = Denials(built().graphql, built().rules).denied(document, permissions("system/*.rs"))
    collector = Collector(built().graphql, document.fragments, {}, found)
    root = built().graphql.query_type
    assert root is not None
    assert denied_selections(built().graphql, collector, root, document.operation.selection_set) == ()


def test_what_shows_a_denied_element_in_another_form_is_denied_too() -> None:
    text = "{ patients { nodes { age observations { nodes { code { display text } } } } } }"
    assert denied(text) == {
        ("patients", "nodes", "@", "age"): "Patient.age",
        (
            "patients",
            "nodes",
            "@",
            "observations",
            "nodes",
            "@",
            "code",
            "display",
        ): "CodeableConcept.display",
    }
    assert denied(text, "system/*.rs birth.read words.read") == {}
    told = permissions("system/*.rs").required("Patient.age")
    assert told == permissions("system/*.rs").required("Patient.birthDate") != ()
