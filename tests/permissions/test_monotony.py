"""More scopes, words or purposes never see less, and order never matters."""

from random import Random
from typing import Any, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from permissions.decision import Decisions, Permissions, ScopeInsufficient
from permissions.policy import Policy
from permissions.principal import Principal
from permissions.rules import Rules
from permissions.scopes import Level, Scope, parse_scope
from tests.permissions.asking import COORDINATES, PATIENT, policy, rule

CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
BASE = "https://ehr.example/fhir"
POLICIES = tuple(
    policy(
        *rules,
        labels=[
            {"codes": [f"{CONFIDENTIALITY}|R"], "reason": "r", "clearances": [{"scopes": [["clear"]]}]},
            {"codes": [f"{ACT}|HIV"], "reason": "r", "clearances": [{"purposes": ["TREAT"]}]},
            {"codes": [f"{ACT}|NOPAT"], "reason": "r", "withheld_from_patients_only": True},
        ],
        break_glass={"purposes": ["BTG"]},
    )
    for rules in (
        [],
        [rule("Patient.telecom", scopes=[["patient/Patient.r"], ["system/Patient.rs"]])],
        [rule("Patient.telecom", scopes=[["user/Patient.r", "contact"], ["contact", "more"]])],
        [rule("Patient.telecom", purposes=["TREAT"]), rule("Observation.note", scopes=[["patient/*.s"]])],
        [rule("Patient.birthDate", scopes=[["user/*.r"]]), rule("ContactPoint.value", scopes=[["contact"]])],
        [rule("Patient.observations", scopes=[["user/Patient.r"], ["patient/Observation.s", "more"]])],
    )
)
SCOPES = tuple(
    f"{level}/{kind}{narrowing}"
    for level in ("patient", "user", "system")
    for kind in ("*.rs", "Patient.rs", "Patient.r", "Patient.s", "Observation.rs", "Observation.cud", "*.s")
    for narrowing in ("", "?status=final", "?_tag=vip", "?code:in=x", "?name=x")
    if not (narrowing and kind.endswith(".cud"))
)
WORDS, PURPOSES = ("contact", "more", "clear", "openid"), ("TREAT", "BTG", "PATRQT")
USERS = (
    None,
    "Patient/1",
    "RelatedPerson/2",
    "Practitioner/3",
    "Person/4",
    "https://ehr/fhir/Practitioner/3",
)
ELEMENTS = {
    "Patient": ("telecom", "birthDate", "_birthDate", "name"),
    "Observation": ("note", "status"),
}
RESOURCES: tuple[dict[str, Any], ...] = tuple(
    {
        "resourceType": kind,
        "id": "1",
        "status": status,
        "meta": {"tag": [{"code": "vip"}], "security": labels},
    }
    for kind in ELEMENTS
    for status in ("final", "draft")
    for labels in (
        [],
        [{"system": CONFIDENTIALITY, "code": "R"}],
        [{"code": "R"}],
        [{"system": ACT, "code": "HIV"}, {"system": ACT, "code": "NOPAT"}],
        [{"display": "secret"}],
        "R",
    )
)


class Token(NamedTuple):
    """What of a token matters here."""

    scopes: tuple[str, ...]
    words: frozenset[str]
    purposes: tuple[str, ...]


tokens = st.builds(
    Token,
    st.lists(st.sampled_from(SCOPES), max_size=4).map(tuple),
    st.frozensets(st.sampled_from(WORDS)),
    st.lists(st.sampled_from(PURPOSES), max_size=2).map(tuple),
)
facts = st.fixed_dictionaries(
    {"patient": st.sampled_from((PATIENT, None)), "fhir_user": st.sampled_from(USERS)}
)


def decided(under: Policy, token: Token, about: dict[str, Any]) -> Permissions | None:
    scopes = tuple(scope for one in token.scopes if (scope := parse_scope(one)) is not None)
    who = Principal("https://issuer", "app", "s", scopes, token.words, purposes=token.purposes, **about)
    try:
        return Decisions(Rules(under, COORDINATES)).of(who)
    except ScopeInsufficient:
        return None


def seen(made: Permissions | None) -> set[Any]:
    """All that is visible: fields; and of each resource, by each action, each element, of the own record
    and of another's; and by which elements it is found."""
    if made is None:
        return set()
    names = [str(one) for one in COORDINATES]
    found: set[Any] = {one for one in names if one not in made.denied(names)}
    for resource in RESOURCES:
        kind = resource["resourceType"]
        if made.labels.withhold(resource, kind):
            continue
        for action in "rs":
            for is_own in (True, False):
                levels = reaching(made, action, resource, is_own)
                names = (name for name in ELEMENTS[kind] if levels and is_shown(made, resource, name, levels))
                found |= {(action, is_own, str(resource), name) for name in names}
                found |= {
                    ("found by", action, is_own, str(resource), name)
                    for name in ELEMENTS[kind]
                    if reaching(made, action, resource, is_own, frozenset({f"{kind}.{name}"}))
                }
    return found


def reaching(
    made: Permissions, action: str, resource: dict[str, Any], is_own: bool, told: frozenset[str] = frozenset()
) -> set[Level]:
    """As the second door does: the levels of the scopes that reach a resource."""
    return {
        one.level
        for one in made.reaches(action, resource["resourceType"], told)
        if (is_own or one.level != "patient") and one.narrowing.holds(resource, BASE)
    }


def is_shown(made: Permissions, resource: dict[str, Any], name: str, levels: set[Level]) -> bool:
    """As the second door does: an element of a resource that scopes of these levels reach."""
    kind = resource["resourceType"]
    if made.denied([f"{kind}.{name}"]):
        return False
    whole = made.masked(kind).get(name, levels)
    return bool(levels & whole) or any(
        made.shows(f"{kind}.{name}", one, kind, lambda narrowing: narrowing.holds(resource, BASE))
        for one in levels
    )


@given(st.sampled_from(POLICIES), tokens, tokens, facts)
def test_more_never_sees_less(under: Policy, token: Token, more: Token, about: dict[str, Any]) -> None:
    wider = Token(token.scopes + more.scopes, token.words | more.words, token.purposes + more.purposes)
    assert seen(decided(under, token, about)) <= seen(decided(under, wider, about))


@given(st.sampled_from(POLICIES), tokens, facts, st.randoms(use_true_random=False))
def test_order_never_matters(under: Policy, token: Token, about: dict[str, Any], random: Random) -> None:
    scopes, purposes = list(token.scopes), list(token.purposes)
    random.shuffle(scopes)
    random.shuffle(purposes)
    other = Token(tuple(scopes), token.words, tuple(purposes))
    assert seen(decided(under, other, about)) == seen(decided(under, token, about))


@given(st.sampled_from(POLICIES), tokens, facts)
def test_a_patient_in_context_never_hides(under: Policy, token: Token, about: dict[str, Any]) -> None:
    without = {**about, "patient": None}
    assert seen(decided(under, token, without)) <= seen(decided(under, token, {**about, "patient": PATIENT}))


@given(st.sampled_from(POLICIES), tokens, facts, st.data())
def test_a_find_by_fields_reaches_only_what_shows_them(
    under: Policy, token: Token, about: dict[str, Any], data: st.DataObject
) -> None:
    made = decided(under, token, about)
    for resource in RESOURCES if made is not None else ():
        assert made is not None
        kind = resource["resourceType"]
        names = data.draw(st.sets(st.sampled_from(ELEMENTS[kind])))
        told = frozenset(f"{kind}.{name}" for name in names)
        for is_own in (True, False):
            levels = reaching(made, "s", resource, is_own, told)
            assert bool(levels) <= bool(reaching(made, "s", resource, is_own))
            assert all(is_shown(made, resource, name, {one}) for name in names for one in levels)


@given(tokens, facts)
def test_measuring_shows_what_no_rule_at_all_would(token: Token, about: dict[str, Any]) -> None:
    for under in POLICIES:
        plain = policy(labels=[one.model_dump() for one in under.labels], break_glass={"purposes": ["BTG"]})
        scopes = tuple(scope for one in token.scopes if (scope := parse_scope(one)) is not None)
        who = Principal("https://issuer", "app", "s", scopes, token.words, purposes=token.purposes, **about)
        try:
            made = Decisions(Rules(under, COORDINATES), measures=True).of(who)
        except ScopeInsufficient:
            made = None
        assert {one for one in seen(made) if isinstance(one, tuple)} == {
            one for one in seen(decided(plain, token, about)) if isinstance(one, tuple)
        }


def test_the_words_of_these_tests_are_scopes() -> None:
    assert all(isinstance(parse_scope(one), Scope) for one in SCOPES)
