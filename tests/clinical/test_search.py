"""Search evaluation, by vectors (tests/conformance/clinical/search.json) and by rules."""

import string
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical.parameters import SearchParameter, parameters, resource_types
from clinical.search import SearchValueInvalid, compile_search, is_exact, matches, modifiers
from clinical.syntax import escape
from tests.clinical.vectors import read

VECTORS = read("search")
EVERY = [parameter for name in resource_types() for parameter in parameters(name).values()]
# A value that each kind of parameter can take.
TAKEN = {
    "token": "http://loinc.org|a",
    "date": "ge2019-05",
    "reference": "Patient/1",
    "uri": "http://example.org/a",
    "string": "smith",
    "number": "5.4",
    "quantity": "gt5.4||mg",
}


def cases(kind: str) -> list[Any]:
    return [
        pytest.param(vector, value, id=f"{vector['rule']} [{value}]")
        for vector in VECTORS
        for value in vector.get(kind, [])
    ]


def answers(vector: dict[str, Any], value: str) -> bool:
    resource = {"resourceType": vector["type"], **vector["resource"]}
    parameter = parameters(vector["type"])[vector["code"]]
    return matches(resource, parameter, [value], vector.get("modifier"), vector.get("base_url"))


@pytest.mark.parametrize(("vector", "value"), cases("match"))
def test_it_matches(vector: dict[str, Any], value: str) -> None:
    assert answers(vector, value)


@pytest.mark.parametrize(("vector", "value"), cases("miss"))
def test_it_does_not_match(vector: dict[str, Any], value: str) -> None:
    assert not answers(vector, value)


@pytest.mark.parametrize(("vector", "value"), cases("invalid"))
def test_a_bad_value_is_refused(vector: dict[str, Any], value: str) -> None:
    with pytest.raises(SearchValueInvalid):
        answers(vector, value)


def test_exact_kinds_are_those_every_server_evaluates_alike() -> None:
    assert {parameter.type for parameter in EVERY if is_exact(parameter)} == {
        "date",
        "reference",
        "token",
        "uri",
    }


@pytest.mark.parametrize("modifier", ["in", "of-type", "exact", "Patient", ""])
def test_a_modifier_that_cannot_be_evaluated_is_refused(modifier: str) -> None:
    with pytest.raises(SearchValueInvalid):
        matches({}, parameters("Observation")["code"], ["a"], modifier)


def test_every_declared_modifier_is_evaluated() -> None:
    """On an empty record only what asks for an absence holds."""
    for parameter in EVERY:
        if parameter.expression.startswith("Patient.deceased"):
            continue  # computed: it has a value for every record
        for modifier in modifiers(parameter):
            value = "true" if modifier == "missing" else TAKEN[parameter.type]
            assert matches({}, parameter, [value], modifier) is (modifier in ("missing", "not"))


def test_no_value_matches_nothing() -> None:
    assert not matches({"status": "final"}, parameters("Observation")["status"], [])


# ---------------------------------------------------------------- rules

CODES = st.sampled_from(["a", "b", "c", "s|a", "|a", "s|", "t|b"])
CODINGS = st.fixed_dictionaries({"code": st.sampled_from("abc")}, optional={"system": st.sampled_from("st")})
CODED = st.fixed_dictionaries({"category": st.lists(st.fixed_dictionaries({"coding": st.lists(CODINGS)}))})
CATEGORY = parameters("Observation")["category"]


@given(CODED, st.lists(CODES), st.lists(CODES))
def test_another_alternative_never_takes_a_match_away(
    resource: dict[str, Any], values: list[str], more: list[str]
) -> None:
    alone, wider = matches(resource, CATEGORY, values), matches(resource, CATEGORY, values + more)
    assert wider == (alone or matches(resource, CATEGORY, more))


@given(CODED, st.lists(CODES, min_size=1))
def test_a_comma_is_an_or(resource: dict[str, Any], values: list[str]) -> None:
    assert matches(resource, CATEGORY, [",".join(values)]) == matches(resource, CATEGORY, values)


@given(CODED, st.lists(CODES))
def test_not_is_the_complement(resource: dict[str, Any], values: list[str]) -> None:
    assert matches(resource, CATEGORY, values, "not") is not matches(resource, CATEGORY, values)


@given(st.text(min_size=1), st.text())
def test_an_escaped_token_finds_itself(code: str, system: str) -> None:
    resource = {"identifier": [{"system": system, "value": code}]}
    assert matches(resource, parameters("Patient")["identifier"], [f"{escape(system)}|{escape(code)}"])


@given(st.text(alphabet=string.ascii_letters + " éüØ'-", min_size=1), st.integers(0, 20))
def test_a_name_is_found_by_its_beginning(name: str, length: int) -> None:
    asked = name[: length + 1]
    if asked.strip(" '-"):
        resource = {"name": [{"family": name}]}
        assert matches(resource, parameters("Patient")["family"], [escape(asked.swapcase())])


@given(st.decimals(99, 101, places=2))
def test_a_number_is_equal_greater_or_less(value: Decimal) -> None:
    resource = {"valueQuantity": {"value": value}}
    holds = {
        one: matches(resource, parameters("Observation")["value-quantity"], [f"{one}100.00"])
        for one in ("eq", "gt", "lt", "ge", "le", "ne")
    }
    assert holds["eq"] + holds["gt"] + holds["lt"] == 1
    assert holds["ge"] == (holds["gt"] or holds["eq"])
    assert holds["le"] == (holds["lt"] or holds["eq"])
    assert holds["ne"] is not holds["eq"]


# ---------------------------------------------------------------- malformed records

# fmt: off
KEYS = st.sampled_from([
    "coding", "system", "code", "value", "reference", "identifier", "start", "end", "event", "repeat", "low",
    "high", "text", "given", "family", "category", "subject", "effectiveDateTime", "effectivePeriod",
    "valueQuantity", "component", "status", "name", "telecom", "type",
])
# fmt: on
SCALARS = st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["2019", "Patient/1", "#a"])
JUNK = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
SOME = [*parameters("Observation").values(), *parameters("Patient").values()]


@given(st.dictionaries(KEYS | st.sampled_from(["id", "meta", "contained", "deceasedBoolean"]), JUNK))
def test_no_shape_of_a_record_raises(resource: dict[str, Any]) -> None:
    for parameter in SOME:
        assert matches(resource, parameter, [TAKEN[parameter.type]]) in (True, False)


@pytest.mark.parametrize("parameter", SOME, ids=lambda one: f"{one.base}.{one.code}")
@pytest.mark.parametrize("resource", [None, [], "text", 5], ids=repr)
def test_what_is_no_record_matches_nothing(parameter: SearchParameter, resource: Any) -> None:
    expected = parameter.code == "deceased"  # nothing says that they died
    value = "false" if expected else TAKEN[parameter.type]
    assert compile_search(parameter, (value,))(resource) is expected


@pytest.mark.parametrize(
    ("broken", "code", "value"),
    [
        ({"category": "laboratory"}, "category", "laboratory"),
        ({"category": {"coding": {"code": "laboratory"}}}, "category", "laboratory"),
        ({"category": [None, {"coding": [None, "x", {"code": "laboratory"}]}]}, "category", "laboratory"),
        ({"subject": "Patient/1"}, "subject", "Patient/1"),
        ({"subject": [{"reference": "Patient/1"}]}, "subject", "Patient/1"),
        ({"identifier": [{"value": 12}]}, "identifier", "12"),
        ({"valueQuantity": {"value": "5.10"}}, "value-quantity", "5.1"),
    ],
)
def test_what_a_broken_record_still_says_is_found(broken: dict[str, Any], code: str, value: str) -> None:
    assert matches(broken, parameters("Observation")[code], [value])
