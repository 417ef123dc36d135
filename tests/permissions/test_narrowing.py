"""Granular scopes: what their parameters mean, or that they mean nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical.parameters import parameters, resource_types
from permissions.narrowing import narrowing_of

BASE = "https://ehr.example/fhir"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"


def test_no_parameter_narrows_nothing() -> None:
    made = narrowing_of("Observation", ())
    assert made is not None
    assert made.filters == ()
    assert made.holds({"resourceType": "Observation"}, BASE)


@pytest.mark.parametrize(
    "pair",
    [
        ("category:not", "laboratory"),
        ("category:in", "http://example.org/ValueSet/x"),
        ("code:text", "sugar"),
        ("status:missing", "true"),
        ("subject:Patient", "1"),
        ("subject:identifier", "x|1"),
        ("subject.name", "smith"),
        ("patient.identifier", "x|1"),
        ("_has:Provenance:target:agent", "1"),
        ("_filter", "status eq final"),
        ("_text", "sugar"),
        ("_content", "sugar"),
        ("_query", "named"),
        ("_include", "Observation:subject"),
        ("_count", "1"),
        ("nonsense", "1"),
        ("Category", "laboratory"),
        ("value-string", "sugar"),
        ("value-quantity", "5"),
        ("code-value-quantity", "a$5"),
        ("date", "yesterday"),
        ("date", "2020-13"),
        ("date", "2020,yesterday"),
        ("date", "ap2020"),
        ("date", "2019,ap2020"),
        ("category", "|"),
        ("category", ","),
        ("category", "laboratory,"),
        ("subject", ","),
    ],
    ids=lambda pair: "=".join(pair),
)
def test_what_cannot_be_evaluated_permits_nothing(pair: tuple[str, str]) -> None:
    assert narrowing_of("Observation", (pair,)) is None
    assert narrowing_of("Observation", (("status", "final"), pair)) is None


@pytest.mark.parametrize(
    ("pairs", "resource", "holds"),
    [
        (
            (("category", f"{CATEGORY}|laboratory"),),
            {"category": [{"coding": [{"code": "laboratory"}]}]},
            False,
        ),
        ((("category", "|laboratory"),), {"category": [{"coding": [{"code": "laboratory"}]}]}, True),
        (
            (("category", f"{CATEGORY}|"),),
            {"category": [{"coding": [{"system": CATEGORY, "code": "x"}]}]},
            True,
        ),
        ((("category", "laboratory"),), {"category": [{"text": "laboratory"}]}, False),
        ((("status", "final"),), {"status": "final"}, True),
        ((("status", "final,amended"),), {"status": "amended"}, True),
        ((("status", "final"),), {}, False),
        ((("subject", "Patient/1"),), {"subject": {"reference": "Patient/1"}}, True),
        ((("subject", "Patient/1"),), {"subject": {"reference": f"{BASE}/Patient/1"}}, True),
        ((("subject", "Patient/1"),), {"subject": {"reference": "https://other/fhir/Patient/1"}}, False),
        ((("date", "2020"),), {"effectiveDateTime": "2020-05"}, True),
        ((("date", "2020-05-04"),), {"effectiveDateTime": "2020"}, False),
        ((("date", "ge2020"),), {"effectivePeriod": {"start": "2021"}}, True),
        ((("_id", "1"),), {"id": "1"}, True),
        ((("_id", "1"),), {"id": "2"}, False),
        ((("_tag", "vip"),), {"meta": {"tag": [{"code": "vip"}]}}, True),
        ((("_security", "N"), ("status", "final")), {"status": "final"}, False),
    ],
)
def test_what_can_be_evaluated_is_looked_for_in_the_resource(
    pairs: tuple[tuple[str, str], ...], resource: dict[str, object], holds: bool
) -> None:
    made = narrowing_of("Observation", pairs)
    assert made is not None
    assert made.holds({"resourceType": "Observation", **resource}, BASE) is holds


def test_a_parameter_narrows_only_types_that_have_it() -> None:
    category = (("category", "laboratory"),)
    with_it = {one for one in resource_types() if narrowing_of(one, category) is not None}
    assert {"Observation", "Condition", "DiagnosticReport", "CarePlan"} <= with_it
    assert not {"Patient", "Encounter", "Medication"} & with_it
    everywhere = [one for one in resource_types() if narrowing_of(one, (("_tag", "vip"),)) is None]
    assert everywhere == []


def test_order_and_repetition_of_parameters_do_not_matter() -> None:
    one, other = ("status", "final"), ("category", "laboratory")
    made = narrowing_of("Observation", (one, other))
    assert made == narrowing_of("Observation", (other, one, other))


PAIRS = st.tuples(
    st.one_of(st.sampled_from(sorted(parameters("Observation"))), st.text(max_size=12)), st.text(max_size=20)
)
RESOURCE = st.dictionaries(
    st.sampled_from(("category", "status", "subject", "effectiveDateTime", "code", "meta", "id")),
    st.recursive(
        st.one_of(st.none(), st.text(max_size=8), st.integers(), st.booleans()),
        lambda inner: st.one_of(
            st.lists(inner, max_size=2),
            st.dictionaries(st.sampled_from(("coding", "code", "system", "reference")), inner, max_size=2),
        ),
        max_leaves=6,
    ),
)


@given(st.lists(PAIRS, max_size=3).map(tuple), RESOURCE)
def test_any_parameters_on_any_resource_narrow_or_are_refused_and_never_raise(
    pairs: tuple[tuple[str, str], ...], resource: dict[str, object]
) -> None:
    made = narrowing_of("Observation", pairs)
    if made is not None and made.holds(resource, BASE):
        for pair in pairs:  # all of them hold, each by itself
            alone = narrowing_of("Observation", (pair,))
            assert alone is not None
            assert alone.holds(resource, BASE)
