"""Needs: alternatives of scopes, and the sentences for those that mean nothing."""

import pytest

from permissions.needs import NeedInvalid, alternative_of, type_needs
from permissions.scopes import parse_scopes


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "an empty alternative would let everybody in"),
        (["user/Patient.sr"], "`user/Patient.sr` is no scope"),
        (["patient/patient.r"], "`patient/patient.r` is no scope"),
        (["contact read"], "`contact read` is no scope"),
        ([""], "`` is no scope"),
        (["user/Patient.r?_id=1"], "a rule names whole scopes, not narrowed ones"),
        (
            ["user/Patient.r", "patient/Patient.r"],
            "an alternative has scopes of one level: nothing is reached by two at once",
        ),
        (["user/Patinet.r"], "`user/Patinet.r` names no resource type of FHIR R4"),
    ],
)
def test_an_alternative_that_means_nothing_is_refused(words: list[str], sentence: str) -> None:
    with pytest.raises(NeedInvalid) as refused:
        alternative_of(words)
    assert str(refused.value) == sentence


def test_an_alternative_is_told_as_it_was_written_in_v2() -> None:
    made = alternative_of(["contact.read", "user/Patient.read", "user/*.s", "audited"])
    assert made.level == "user"
    assert made.told() == ["user/Patient.rs", "user/*.s", "audited", "contact.read"]


def test_words_alone_are_of_any_level() -> None:
    made = alternative_of(["contact.read"])
    assert made.level is None
    assert all(made.holds(level, (), frozenset({"contact.read"})) for level in ("patient", "user", "system"))
    assert not made.holds("user", (), frozenset())


def test_scopes_hold_for_their_level_only() -> None:
    made = alternative_of(["user/Patient.r"])
    assert made.holds("user", parse_scopes("user/*.rs"), frozenset())
    assert not made.holds("system", parse_scopes("system/*.rs"), frozenset())


def test_all_scopes_of_an_alternative_must_hold() -> None:
    made = alternative_of(["user/Patient.r", "user/RelatedPerson.r", "contact.read"])
    words = frozenset({"contact.read"})
    assert made.holds("user", parse_scopes("user/Patient.r user/RelatedPerson.rs"), words)
    assert not made.holds("user", parse_scopes("user/Patient.r"), words)
    assert not made.holds("user", parse_scopes("user/*.r"), frozenset())


def test_a_wildcard_need_is_held_by_a_wildcard_alone() -> None:
    made = alternative_of(["user/*.r"])
    assert made.holds("user", parse_scopes("user/*.read"), frozenset())
    assert not made.holds("user", parse_scopes("user/Patient.r user/Observation.r"), frozenset())


def test_letters_may_come_from_several_scopes() -> None:
    made = alternative_of(["user/Patient.rs"])
    assert made.holds("user", parse_scopes("user/Patient.r user/*.s"), frozenset())
    assert not made.holds("user", parse_scopes("user/Patient.r user/Observation.s"), frozenset())


def test_a_type_needs_any_of_the_actions_at_any_level() -> None:
    assert [one.told() for one in type_needs("rs", "Patient")] == [
        ["patient/Patient.r"],
        ["patient/Patient.s"],
        ["user/Patient.r"],
        ["user/Patient.s"],
        ["system/Patient.r"],
        ["system/Patient.s"],
    ]
