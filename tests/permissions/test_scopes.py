"""Scopes: the grammar of SMART App Launch 2.2, v1 and v2."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from permissions.scopes import Scope, covers, other_words, parse_scope, parse_scopes, print_scopes, union

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


# ------------------------------------------------------------- words that are no resource scopes


def test_other_words_are_kept_beside_scopes() -> None:
    said = "openid fhirUser launch launch/patient launch/encounter offline_access online_access profile"
    assert other_words(f"patient/*.rs {said} user/Patient.read") == set(said.split())
    assert parse_scopes(said) == ()


def test_a_resource_scope_that_is_not_well_formed_is_no_other_word() -> None:
    assert other_words("patient/Observation.dus user/x system/ openid") == {"openid"}


def test_words_outside_the_characters_of_oauth_are_left_out() -> None:
    assert other_words('a"b a\\b caf\u00e9  \t ok') == {"ok"}
    assert other_words(["a b", "c"]) == {"c"}


# ------------------------------------------------------------- covers, union


@pytest.mark.parametrize(
    ("scope", "need", "is_covered"),
    [
        ("user/*.rs", "user/Patient.r", True),
        ("user/*.rs", "user/*.rs", True),
        ("user/Patient.rs", "user/*.r", False),
        ("user/Patient.rs", "user/Patient.rs", True),
        ("user/Patient.r", "user/Patient.rs", False),
        ("user/Patient.cruds", "user/Patient.read", True),
        ("system/*.rs", "user/Patient.r", False),
        ("user/*.rs", "patient/Patient.r", False),
        ("user/Observation.rs?category=a", "user/Observation.r", False),
        ("user/Observation.rs", "user/Observation.r?category=a", True),
        ("user/Observation.rs?category=a", "user/Observation.r?status=b&category=a", True),
        ("user/Observation.rs?category=a&status=b", "user/Observation.r?category=a", False),
        ("user/Observation.rs?category=a,b", "user/Observation.r?category=a", False),  # never guessed at
    ],
)
def test_covers(scope: str, need: str, is_covered: bool) -> None:
    (one,), (other,) = parse_scopes(scope), parse_scopes(need)
    assert covers(one, other) is is_covered


@given(scopes, scopes, scopes)
def test_covering_is_an_order(one: Scope, other: Scope, third: Scope) -> None:
    assert covers(one, one)
    assert covers(one.widened, one)
    if covers(one, other) and covers(other, third):
        assert covers(one, third)


@given(scopes, scopes)
def test_what_a_scope_covers_it_allows(one: Scope, need: Scope) -> None:
    if covers(one, need):
        kind = "Patient" if need.type == "*" else need.type
        assert all(one.allows(action, kind) for action in need.actions)  # type: ignore[arg-type]


@given(st.lists(scopes, max_size=6), st.randoms(use_true_random=False))
def test_union_is_the_same_twice_and_in_any_order(listed: list[Scope], random: Random) -> None:
    once = union(listed)
    assert union(once) == once
    random.shuffle(listed)
    assert union(listed) == once
    assert union([*listed, *once]) == once


@given(st.lists(scopes, max_size=6), scopes, st.sampled_from("cruds"))
def test_union_covers_the_same(listed: list[Scope], need: Scope, action: str) -> None:
    asked = [Scope(one.level, one.type, action, one.narrowing) for one in (need, *listed)]
    for one in asked:
        assert any(covers(held, one) for held in listed) == any(covers(held, one) for held in union(listed))


@given(st.lists(scopes, max_size=6))
def test_union_has_no_more_scopes_and_none_that_another_covers(listed: list[Scope]) -> None:
    made = union(listed)
    assert len(made) <= len(listed)
    assert not any(covers(one, other) for one in made for other in made if one != other)


def test_union_joins_letters_of_one_type() -> None:
    said = parse_scopes("user/Patient.r user/Patient.s user/Patient.cud user/*.r system/Patient.r")
    assert print_scopes(union(said)) == "system/Patient.r user/*.r user/Patient.cruds"
