"""Security labels: what they withhold, from whom, and what clears them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from permissions.decision import Permissions
from permissions.labels import Cleared, LabelRules
from permissions.policy import Policy, default_policy
from tests.permissions.asking import PATIENT, permissions, policy

CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
NOBODY = Cleared(frozenset(), frozenset(), is_patients=False)


def label(code: Any, system: Any = CONFIDENTIALITY) -> dict[str, Any]:
    return {"code": code} if system is None else {"system": system, "code": code}


def withheld(made: LabelRules | Permissions, *labels: Any, kind: str = "Observation") -> bool:
    rules = made.labels if isinstance(made, Permissions) else made
    return rules.withhold({"resourceType": kind, "meta": {"security": list(labels)}}, kind)


def asking(scopes: str = "user/*.rs", patient: str | None = None, **facts: Any) -> Permissions:
    return permissions(scopes, patient, default_policy_of_labels(), **facts)


def default_policy_of_labels() -> Policy:
    return Policy(labels=default_policy().labels)


# ------------------------------------------------------------- which labels


def test_labels_above_normal_withhold_and_others_do_not() -> None:
    made = asking()
    assert [one for one in "ULMNRV" if withheld(made, label(one))] == ["R", "V"]
    assert withheld(made, label("HIV", ACT))
    assert withheld(made, label("N"), label("R"))
    assert not withheld(made)


def test_the_system_counts_and_a_label_without_one_may_be_of_any() -> None:
    made = asking()
    assert not withheld(made, label("R", "http://example.org/colours"))
    assert withheld(made, label("R", None))
    assert withheld(made, label("HIV", None))
    assert not withheld(made, label("N", None))


@pytest.mark.parametrize(
    "odd",
    [
        {"system": CONFIDENTIALITY, "display": "restricted"},
        {"display": "restricted"},
        {},
        {"system": 5, "code": "N"},
        {"code": ["N"]},
        {"code": 7},
        "R",
        ["R"],
        7,
    ],
)
def test_a_label_that_cannot_be_read_withholds(odd: Any) -> None:
    assert withheld(asking(), odd)
    assert withheld(asking(), label("N"), odd)
    assert not withheld(LabelRules(Policy(), NOBODY), odd)


@pytest.mark.parametrize("odd", ["R", {"code": "N"}, 5, True])
def test_labels_that_are_no_list_withhold(odd: Any) -> None:
    assert asking().labels.withhold({"meta": {"security": odd}}, "Observation")
    assert not LabelRules(Policy(), NOBODY).withhold({"meta": {"security": odd}}, "Observation")


@pytest.mark.parametrize(
    "resource", [{}, {"meta": None}, {"meta": {}}, {"meta": {"security": None}}, {"meta": 5}]
)
def test_no_label_withholds_nothing(resource: dict[str, Any]) -> None:
    rules = asking().labels
    assert not rules.withhold(resource, "Observation")
    assert not rules.withhold_any([resource], "Observation")


@pytest.mark.parametrize("odd", [[label("N")], [label("R")], [None], "R", 5, None])
def test_any_of_some_resources_is_withheld_where_one_of_them_is(odd: Any) -> None:
    rules, resource = asking().labels, {"meta": {"security": odd}}
    found = rules.withhold_any([{}, {"meta": 5}, resource, {"meta": {}}], "Observation")
    assert found == rules.withhold(resource, "Observation")


def test_a_hole_in_the_list_is_no_label() -> None:
    assert not withheld(asking(), None, label("N"))


def test_a_row_may_leave_types_out() -> None:
    made = asking()
    assert not withheld(made, label("R"), kind="Patient")
    assert withheld(made, label("HIV", ACT), kind="Patient")
    assert not any(one.startswith(CONFIDENTIALITY) for one in made.labels.codes("Patient"))
    assert f"{CONFIDENTIALITY}|R" in made.labels.codes("Observation")


# ------------------------------------------------------------- who is cleared


def test_a_word_clears_its_row_and_no_other() -> None:
    made = asking("user/*.rs clearance.restricted")
    assert not withheld(made, label("R"))
    assert withheld(made, label("HIV", ACT))
    assert withheld(made, label("R"), label("HIV", ACT))
    both = asking("user/*.rs clearance.restricted clearance.sensitive")
    assert not withheld(both, label("R"), label("HIV", ACT))


@pytest.mark.parametrize(
    ("clearance", "words", "purposes", "is_cleared"),
    [
        ({"purposes": ["TREAT"]}, "", ("TREAT",), True),
        ({"purposes": ["TREAT"]}, "", ("HRESCH",), False),
        ({"scopes": [["a", "b"]]}, "a", (), False),
        ({"scopes": [["a", "b"]]}, "a b", (), True),
        ({"scopes": [["a"], ["b"]]}, "b", (), True),
        ({"scopes": [["a"]], "purposes": ["TREAT"]}, "a", (), False),
        ({"scopes": [["a"]], "purposes": ["TREAT"]}, "", ("TREAT",), False),
        ({"scopes": [["a"]], "purposes": ["TREAT"]}, "a", ("TREAT",), True),
    ],
)
def test_a_clearance_is_by_word_and_by_purpose(
    clearance: dict[str, Any], words: str, purposes: tuple[str, ...], is_cleared: bool
) -> None:
    row = {"codes": [f"{CONFIDENTIALITY}|R"], "reason": "r", "clearances": [clearance]}
    made = permissions(f"user/*.rs {words}", None, policy(labels=[row]), purposes=purposes)
    assert withheld(made, label("R")) is not is_cleared


def test_breaking_the_glass_clears_all_but_what_is_withheld_from_patients() -> None:
    under = policy(
        labels=[one.model_dump() for one in default_policy().labels], break_glass={"purposes": ["BTG"]}
    )
    staff = permissions("user/*.rs", None, under, purposes=("BTG",), fhir_user="Practitioner/1")
    assert staff.breaks_glass
    assert not withheld(staff, label("V"), label("HIV", ACT), label("NOPAT", ACT))
    mine = permissions("patient/*.rs", PATIENT, under, purposes=("BTG",), fhir_user="Patient/1")
    assert not withheld(mine, label("V"))
    assert withheld(mine, label("NOPAT", ACT))


def test_no_purpose_breaks_the_glass_unless_the_policy_names_it() -> None:
    made = asking(purposes=("BTG",))
    assert not made.breaks_glass
    assert withheld(made, label("R"))


# ------------------------------------------------------------- patients and those who act for them


@pytest.mark.parametrize(
    ("scopes", "fhir_user", "is_withheld"),
    [
        ("patient/*.rs", None, True),
        ("patient/*.rs", "Patient/1", True),
        ("patient/*.rs", "https://ehr.example/fhir/Patient/1", True),
        ("patient/*.rs", "https://ehr.example/fhir/Patient/1/_history/2", True),
        ("patient/*.rs", "RelatedPerson/9", True),
        ("patient/*.rs", "Person/9", True),
        ("user/*.rs", "Patient/1", True),
        ("system/*.rs patient/*.rs", "RelatedPerson/9", True),
        ("patient/*.rs", "Practitioner/3", False),
        ("patient/*.rs", "PractitionerRole/3", False),
        ("user/*.rs", None, False),
        ("system/*.rs", None, False),
        ("patient/*.rs user/Observation.rs", None, False),
        ("patient/*.rs user/Observation.c system/Nothing.rs", None, True),
    ],
)
def test_nopat_withholds_from_patients_and_proxies(
    scopes: str, fhir_user: str | None, is_withheld: bool
) -> None:
    made = asking(scopes, PATIENT, fhir_user=fhir_user)
    assert withheld(made, label("NOPAT", ACT)) is is_withheld


def test_an_unlisted_users_scopes_do_not_make_the_caller_staff() -> None:
    under = policy(
        labels=[one.model_dump() for one in default_policy().labels],
        practitioners=[{"organization": "A81001", "users": ["Practitioner/1"]}],
    )
    made = permissions("user/*.rs patient/*.rs", PATIENT, under)
    assert withheld(made, label("NOPAT", ACT))


# ------------------------------------------------------------- any label at all


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.sampled_from(("R", "N"))),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(("system", "code", "display")), inner, max_size=3),
    ),
    max_leaves=8,
)


@given(JSON, JSON)
def test_any_labels_are_read_without_raising_and_more_never_show_more(one: Any, other: Any) -> None:
    rules = asking().labels
    if withheld(rules, one):
        assert withheld(rules, one, other)
        assert withheld(rules, other, one)
    rules.withhold({"meta": {"security": one}}, "Observation")


def test_what_is_remembered_of_labels_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("permissions.labels._KNOWN_MAX", 3)
    rules = asking().labels
    for number in range(9):
        assert not withheld(rules, label(f"x{number}"))
    assert withheld(rules, label("R"))
    assert len(rules._known) == 3
