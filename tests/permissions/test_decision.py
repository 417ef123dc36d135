"""Deny by default: what scopes permit, level by level, type by type, letter by letter."""

import pytest

from permissions.coordinates import Coordinate, Reads
from permissions.decision import Decisions, Permissions, ScopeInsufficient
from permissions.policy import Policy, policy_of
from permissions.principal import Principal
from permissions.rules import Rules
from permissions.scopes import other_words, parse_scopes

LAB = "category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory"
COORDINATES = (
    Coordinate("Query", "observations", reads=Reads("s", "Observation"), is_fetched=True),
    Coordinate("Query", "observation", reads=Reads("r", "Observation"), is_fetched=True),
    Coordinate("Patient", "telecom", "Patient", is_element=True),
    Coordinate("Patient", "birthDate", "Patient", is_element=True),
)


def principal(scopes: str, patient: str | None = None, **more: object) -> Principal:
    facts = {"words": other_words(scopes), "patient": patient, **more}
    return Principal("https://issuer", "client", "subject", parse_scopes(scopes), **facts)  # type: ignore[arg-type]


def permissions(scopes: str, patient: str | None = None, policy: Policy | None = None) -> Permissions:
    return Decisions(Rules(policy or Policy(), COORDINATES)).of(principal(scopes, patient))


@pytest.mark.parametrize(
    ("scopes", "patient"),
    [
        ("", "ehr/Patient/1"),
        ("openid fhirUser launch/patient", "ehr/Patient/1"),
        ("patient/*.rs", None),
        ("patient/*.rs", ""),
        ("user/*.write", None),
        ("user/*.sr", None),
        ("user/Nothing.rs", None),
        ("user/Observation.rs?category:not=x", None),
        ("user/Observation.rs?patient.name=x", None),
        ("user/Patient.rs?_filter=x", None),
        ("user/*.rs?no-such-parameter=x", None),
    ],
)
def test_a_token_that_permits_no_reading_is_refused(scopes: str, patient: str | None) -> None:
    with pytest.raises(ScopeInsufficient):
        permissions(scopes, patient)


def test_letters_and_types_are_told_apart() -> None:
    made = permissions("user/Observation.s system/Patient.r")
    assert made.reaches("s", "Observation")
    assert not made.reaches("r", "Observation")
    assert made.reaches("r", "Patient")
    assert not made.reaches("s", "Patient")
    assert made.denied(["Query.observation", "Query.observations"]) == {"Query.observation"}


def test_a_wide_scope_leaves_nothing_to_the_others() -> None:
    made = permissions(f"patient/Observation.rs user/Observation.rs?{LAB} system/*.rs", "ehr/Patient/1")
    (only,) = made.reaches("s", "Observation")
    assert only.is_whole
    assert only.level == "system"


def test_levels_and_narrowings_add_up() -> None:
    made = permissions(f"patient/Observation.rs user/Observation.rs?{LAB}", "ehr/Patient/1")
    assert [(one.level, one.narrowing.filters) for one in made.reaches("s", "Observation")] == [
        ("patient", ()),
        ("user", (tuple(LAB.split("=")),)),
    ]


def test_a_rule_of_a_level_masks_its_element_for_the_other() -> None:
    rule = {"coordinates": ["Patient.telecom"], "reason": "r", "scopes": [["patient/Patient.r"]]}
    policy = policy_of({"rules": [rule]})
    both = permissions("patient/Patient.rs user/Patient.rs", "ehr/Patient/1", policy)
    assert both.denied(["Patient.telecom"]) == frozenset()
    assert both.masked("Patient") == {"telecom": {"patient"}}
    assert both.reaches("s", "Patient", frozenset({"Patient.telecom"}))[0].level == "patient"
    assert permissions("user/Patient.rs", None, policy).denied(["Patient.telecom"]) == {"Patient.telecom"}


def test_alike_principals_share_their_permissions() -> None:
    decisions = Decisions(Rules(Policy(), COORDINATES))
    first = decisions.of(principal("user/*.rs openid"))
    assert decisions.of(principal("openid user/*.rs")) is first
    assert decisions.of(principal("user/*.rs openid", purposes=("TREAT",))) is not first
