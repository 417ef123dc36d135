"""Scopes: the grammar of SMART App Launch 2.2, v1 and v2."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from permissions.scopes import Scope, parse_scope, parse_scopes, print_scopes

WELL_FORMED = {
    "patient/Observation.rs": Scope("patient", "Observation", "rs"),
    "user/*.cruds": Scope("user", "*", "cruds"),
    "system/Patient.r": Scope("system", "Patient", "r"),
    "patient/*.read": Scope("patient", "*", "rs"),
    "user/Observation.write": Scope("user", "Observation", "cud"),
    "system/*.*": Scope("system", "*", "cruds"),
    "patient/Observation.rs?category=http://loinc.org/x|laboratory": Scope(
        "patient",
        "Observation",
        "rs",
        (("category", "http://loinc.org/x|laboratory"),),
    ),
    "user/Condition.s?category=a&clinical-status=b": Scope(
        "user", "Condition", "s", (("category", "a"), ("clinical-status", "b"))
    ),
    "user/Condition.s?code:in=http%3A%2F%2Fx%2Fy": Scope(
        "user", "Condition", "s", (("code:in", "http://x/y"),)
    ),
}

IGNORED = [
    "",
    "openid",
    "fhirUser",
    "launch/patient",
    "offline_access",
    "patient/Observation",
    "patient/Observation.",
    "patient/Observation.dus",  # out of order: undefined by SMART, so it means nothing
    "patient/Observation.rr",
    "patient/Observation.sr",
    "patient/Observation.rsx",
    "patient/Observation.READ",
    "patient/Observation.reads",
    "Patient/Observation.rs",
    "patients/Observation.rs",
    "patient/observation.rs",
    "patient/Obs*.rs",
    "patient/**.rs",
    "patient/.rs",
    "patient/Observation.rs?",
    "patient/Observation.rs?category",
    "patient/Observation.rs?category=",
    "patient/Observation.rs?=x",
    "patient/Observation.rs?category=a&",
    "patient/Observation.rs?category=%zz",
    "patient/Observation.rs?category=%ff",
    "patient/Observation.rs?category=\u00e9",
    'patient/Observation.rs?category="x"',
    "patient/Observation.read?category=x",  # v1 has no narrowing
    "patient/Observation.rs\n",
    "patient/\u041fatient.rs",
]


@pytest.mark.parametrize(("text", "scope"), WELL_FORMED.items())
def test_well_formed_scope_is_parsed(text: str, scope: Scope) -> None:
    assert parse_scope(text) == scope


@pytest.mark.parametrize("text", IGNORED)
def test_word_outside_the_grammar_is_ignored(text: str) -> None:
    assert parse_scope(text) is None
    assert parse_scopes(f"user/*.rs {text}") == (Scope("user", "*", "rs"),)


def test_v1_and_v2_scopes_mix_and_repeat_once() -> None:
    assert parse_scopes("patient/*.read openid patient/*.rs patient/Flag.c") == (
        Scope("patient", "*", "rs"),
        Scope("patient", "Flag", "c"),
    )


def test_scopes_may_come_as_a_list() -> None:
    assert parse_scopes(["user/*.rs", "profile"]) == (Scope("user", "*", "rs"),)


def test_scope_allows_its_actions_on_its_type_only() -> None:
    scope = Scope("user", "Observation", "rs")
    assert scope.allows("r", "Observation")
    assert not scope.allows("d", "Observation")
    assert not scope.allows("r", "Patient")
    assert Scope("user", "*", "s").allows("s", "Patient")


scopes = st.builds(
    Scope,
    st.sampled_from(["patient", "user", "system"]),
    st.sampled_from(["*", "Patient", "Observation", "MedicationRequest"]),
    st.sets(st.sampled_from("cruds"), min_size=1).map(
        lambda letters: "".join(c for c in "cruds" if c in letters)
    ),
    st.lists(
        st.tuples(
            st.from_regex(r"[a-z_][a-z\-]{0,10}(:[a-z]+)?", fullmatch=True), st.text(min_size=1, max_size=20)
        ).filter(lambda pair: pair[1].isprintable()),
        max_size=3,
    ).map(tuple),
)


@given(st.lists(scopes, unique=True))
def test_printed_scopes_parse_to_themselves(listed: list[Scope]) -> None:
    assert parse_scopes(print_scopes(listed)) == tuple(listed)


@given(st.text(max_size=60))
def test_any_text_is_parsed_or_ignored_and_never_raises(text: str) -> None:
    scope = parse_scope(text)
    assert scope is None or parse_scope(str(scope)) == scope
