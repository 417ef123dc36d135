"""Deny by default: what scopes permit, level by level, type by type, letter by letter."""

import pytest

from permissions.decision import Decisions, ScopeInsufficient
from permissions.policy import Policy
from permissions.rules import Rules
from tests.permissions.asking import COORDINATES, PATIENT, permissions, policy, principal, rule

LAB = "category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory"
TELECOM = frozenset({"Patient.telecom"})


@pytest.mark.parametrize(
    ("scopes", "patient"),
    [
        ("", PATIENT),
        ("openid fhirUser launch/patient", PATIENT),
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


def test_the_refusal_names_scopes_that_would_do() -> None:
    with pytest.raises(ScopeInsufficient) as refused:
        permissions("openid")
    assert refused.value.required == "system/*.rs user/*.rs patient/*.rs"


def test_letters_and_types_are_told_apart() -> None:
    made = permissions("user/Observation.s system/Patient.r")
    assert made.reaches("s", "Observation")
    assert not made.reaches("r", "Observation")
    assert made.reaches("r", "Patient")
    assert not made.reaches("s", "Patient")
    assert made.denied(["Query.observation", "Query.observations"]) == {"Query.observation"}


def test_a_wide_scope_leaves_nothing_to_the_others() -> None:
    made = permissions(f"patient/Observation.rs user/Observation.rs?{LAB} system/*.rs", PATIENT)
    (only,) = made.reaches("s", "Observation")
    assert only.is_whole
    assert only.level == "system"


def test_levels_and_narrowings_add_up() -> None:
    made = permissions(f"patient/Observation.rs user/Observation.rs?{LAB}", PATIENT)
    assert [(one.level, one.narrowing.filters) for one in made.reaches("s", "Observation")] == [
        ("patient", ()),
        ("user", (tuple(LAB.split("=")),)),
    ]


def test_an_unnarrowed_scope_leaves_nothing_to_narrowed_ones_of_its_level() -> None:
    made = permissions(f"patient/Observation.rs?{LAB} patient/Observation.rs", PATIENT)
    (only,) = made.reaches("s", "Observation")
    assert only.narrowing.filters == ()


def test_a_patient_scope_without_a_patient_adds_nothing() -> None:
    assert permissions("patient/*.rs user/Patient.rs").levels == ("user",)


def test_a_verified_identifier_is_a_patient() -> None:
    made = permissions(
        "patient/Patient.rs", patient_identifier="https://fhir.nhs.uk/Id/nhs-number|9990000018"
    )
    assert made.is_own_only


def test_what_the_schema_has_no_rule_for_is_not_denied() -> None:
    made = permissions("user/Observation.rs")
    assert made.denied(["Patient.birthDate", "Query.observations"]) == frozenset()
    assert made.granted("Patient.birthDate") == {"user"}


# ------------------------------------------------------------- rules of the policy


def test_a_rule_of_a_level_masks_its_element_for_the_other() -> None:
    under = policy(rule("Patient.telecom", scopes=[["patient/Patient.r"]]))
    both = permissions("patient/Patient.rs user/Patient.rs", PATIENT, under)
    assert both.denied(["Patient.telecom"]) == frozenset()
    assert both.masked("Patient") == {"telecom": {"patient"}}
    assert both.reaches("s", "Patient", TELECOM)[0].level == "patient"
    assert permissions("user/Patient.rs", None, under).denied(["Patient.telecom"]) == {"Patient.telecom"}


def test_a_wider_scope_does_not_hide_what_a_narrower_one_shows() -> None:
    own = policy(rule("Patient.telecom", scopes=[["patient/Patient.r"]]))
    both = permissions("patient/Patient.rs user/Patient.rs", PATIENT, own)
    assert [one.level for one in both.reaches("r", "Patient")] == ["user", "patient"]
    backend = policy(rule("Patient.telecom", scopes=[["system/Patient.r"]]))
    two = permissions("user/Patient.rs system/Patient.rs", None, backend)
    assert [one.level for one in two.reaches("r", "Patient")] == ["system"]
    assert two.masked("Patient") == {}


def test_scopes_that_say_together_what_a_rule_needs_satisfy_it() -> None:
    under = policy(rule("Patient.telecom", scopes=[["user/Patient.rs"]]))
    for scopes in ("user/Patient.rs", "user/Patient.r user/Patient.s", "user/Patient.r user/*.s"):
        assert permissions(scopes, None, under).denied(["Patient.telecom"]) == frozenset(), scopes
    assert permissions("user/Patient.r", None, under).denied(["Patient.telecom"]) == TELECOM


def test_a_rule_may_need_more_than_reading() -> None:
    under = policy(rule("Patient.telecom", scopes=[["user/Patient.u"]]))
    for scopes in ("user/Patient.rus", "user/Patient.rs user/Patient.cud"):
        assert permissions(scopes, None, under).denied(["Patient.telecom"]) == frozenset(), scopes
    assert permissions("user/Patient.rs", None, under).denied(["Patient.telecom"]) == TELECOM


def test_a_rule_may_need_another_word() -> None:
    under = policy(rule("ContactPoint.value", scopes=[["contact.read", "audited"], ["contact.all"]]))
    for words, denied in (("", 1), (" contact.read", 1), (" contact.read audited", 0), (" contact.all", 0)):
        found = permissions("user/Patient.rs" + words, None, under).denied(["ContactPoint.value"])
        assert len(found) == denied, words


def test_a_rule_may_need_a_purpose() -> None:
    under = policy(rule("Patient.telecom", purposes=["TREAT", "ETREAT"]))
    assert permissions("user/Patient.rs", None, under).denied(["Patient.telecom"]) == TELECOM
    for given in (("TREAT",), ("HRESCH", "ETREAT")):
        made = permissions("user/Patient.rs", None, under, purposes=given)
        assert made.denied(["Patient.telecom"]) == frozenset()


def test_a_rule_needs_scopes_and_purpose_both() -> None:
    under = policy(rule("Patient.telecom", scopes=[["contact.read"]], purposes=["TREAT"]))
    found = {
        (words, given): bool(
            permissions(f"user/Patient.rs {words}", None, under, purposes=given).denied(["Patient.telecom"])
        )
        for words in ("", "contact.read")
        for given in ((), ("TREAT",))
    }
    assert [key for key, denied in found.items() if not denied] == [("contact.read", ("TREAT",))]


def test_measuring_reports_rows_and_keeps_what_scopes_mean() -> None:
    under = policy(rule("Patient.telecom", scopes=[["contact.read"]]))
    made = permissions("user/Patient.rs", None, under, measures=True)
    asked = ["Patient.telecom", "Query.observations"]
    assert made.denied(asked) == {"Query.observations"}
    assert made.would_deny(asked) == TELECOM
    assert made.masked("Patient") == {}
    enforced = permissions("user/Patient.rs", None, under)
    assert enforced.would_deny(asked) == frozenset()
    assert enforced.denied(asked) == set(asked)


def test_a_find_by_a_ruled_field_needs_its_level() -> None:
    under = policy(rule("Patient.telecom", scopes=[["patient/Patient.r"]]))
    made = permissions("patient/Patient.rs user/Patient.rs", PATIENT, under)
    assert [one.level for one in made.reaches("s", "Patient")] == ["user", "patient"]
    assert [one.level for one in made.reaches("s", "Patient", TELECOM)] == ["patient"]
    assert permissions("user/Patient.rs", None, under).reaches("s", "Patient", TELECOM) == ()


# ------------------------------------------------------------- whose user/ scopes count


def listed(**row: object) -> Policy:
    return policy(practitioners=[{"users": ["Practitioner/42"], **row}])


@pytest.mark.parametrize(
    ("facts", "counts"),
    [
        ({"organization": "A81001", "fhir_user": "Practitioner/42"}, True),
        ({"organization": "A81001", "fhir_user": "Practitioner/43"}, False),
        ({"organization": "B00002", "fhir_user": "Practitioner/42"}, False),
        ({"fhir_user": "Practitioner/42"}, False),
        ({"organization": "A81001"}, False),
        ({"care_team": "A81001", "fhir_user": "Practitioner/42"}, False),
    ],
)
def test_a_list_of_practitioners_says_whose_user_scopes_count(facts: dict[str, str], counts: bool) -> None:
    made = permissions("user/*.rs system/Patient.r", None, listed(organization="A81001"), **facts)
    assert ("user" in made.levels) is counts
    assert "system" in made.levels


def test_every_user_of_a_care_team_may_be_listed() -> None:
    under = listed(care_team="blue", users=["*"])
    assert permissions("user/*.rs", None, under, care_team="blue", fhir_user="Practitioner/9").levels
    with pytest.raises(ScopeInsufficient):
        permissions("user/*.rs", None, under, care_team="red", fhir_user="Practitioner/9")


def test_an_unlisted_user_keeps_the_scopes_for_the_own_patient() -> None:
    made = permissions("user/*.rs patient/Patient.rs", PATIENT, listed(organization="A81001"))
    assert made.levels == ("patient",)


# ------------------------------------------------------------- kept


def test_alike_principals_share_their_permissions() -> None:
    decisions = Decisions(Rules(Policy(), COORDINATES))
    first = decisions.of(principal("user/*.rs openid"))
    assert decisions.of(principal("openid user/*.rs")) is first
    assert decisions.of(principal("user/*.rs openid", purposes=("TREAT",))) is not first


def test_whose_token_it_is_does_not_matter_and_having_a_patient_does() -> None:
    decisions = Decisions(Rules(Policy(), COORDINATES))
    mine = decisions.of(principal("patient/*.rs", "ehr/Patient/1"))
    assert decisions.of(principal("patient/*.rs", "ehr/Patient/2")) is mine
    both = decisions.of(principal("user/*.rs patient/*.rs", "ehr/Patient/1"))
    assert decisions.of(principal("user/*.rs patient/*.rs")) is not both


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("permissions.decision.KEPT", 3)
    decisions = Decisions(Rules(Policy(), COORDINATES))
    callers = [principal(f"user/*.rs word-{number}") for number in range(9)]
    made = [decisions.of(one) for one in callers]
    assert decisions.of(callers[-1]) is made[-1]
    again = decisions.of(callers[0])
    assert again is not made[0]
    assert len(decisions._kept) == len(decisions._of_principal) == 3
    assert again.reaches("s", "Patient") == made[0].reaches("s", "Patient")
