"""What is decoded of a row, and which rows are as plain as the closer look would find them."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from clinical.codec import encode_json
from clinical.compartment import patient_parameter, subject_element
from clinical.hidden import is_hidden
from resolvers.ordering import ordering_of
from resolvers.parts import Part, ShapeMixed, attribute, joined
from resolvers.resource import Location, Resource
from resolvers.shape import Shape, is_same, shape_of, struct_of
from resolvers.visibility import is_about
from schema.build import resource_types

Json = dict[str, Any]
TEXT, INTEGER, DECIMAL = Part("text"), Part("integer"), Part("decimal")
NOW = datetime(2026, 11, 22, tzinfo=UTC)
PLACE = Location("https://a.example/fhir")
BARE = shape_of("Observation", ())
TYPES = resource_types("default")


def decoded(shape: Shape, *jsons: Json) -> list[Any]:
    body = encode_json([{"resourceType": shape.type, "id": str(i), **json} for i, json in enumerate(jsons)])
    made: list[Any] = msgspec.json.decode(body, type=list[shape.row])  # type: ignore[name-defined]
    return made


def is_readable(shape: Shape, json: Json) -> bool:
    try:
        return bool(decoded(shape, json))
    except msgspec.ValidationError:
        return False


def admits(json: Json, about: str | None = None, shape: Shape = BARE) -> bool:
    return (
        shape.texts(decoded(shape, {}, json), about, []) is not None
        if about is None
        else shape.texts(decoded(shape, json), about, []) is not None
    )


def resource(json: Json, type_: str = "Observation") -> Resource:
    return Resource("a", PLACE, type_, json.get("id", "1"), {"resourceType": type_, "id": "1", **json}, NOW)


# ---------------------------------------------------------------- what is decoded


def test_elements_stand_in_the_order_in_which_they_were_asked_for() -> None:
    some = (("code", Part(parts=(("text", TEXT),))), ("status", TEXT))
    more = (("status", TEXT), ("issued", TEXT), ("code", Part(parts=(("id", TEXT), ("text", TEXT)))))
    assert joined(some, more) == (
        ("code", Part(parts=(("text", TEXT), ("id", TEXT)))),
        ("status", TEXT),
        ("issued", TEXT),
    )


@pytest.mark.parametrize(
    "other", [INTEGER, Part("text", is_list=True), Part(parts=(("a", TEXT),)), Part()], ids=repr
)
def test_an_element_is_not_two_things_at_once(other: Part) -> None:
    for some, more in ((TEXT, other), (other, TEXT)):
        with pytest.raises(ShapeMixed):
            joined((("status", some),), (("status", more),))


def test_what_is_wanted_of_a_row_comes_before_what_the_gateway_looks_at() -> None:
    wanted = (("status", TEXT), ("valueInteger", INTEGER))
    assert shape_of("Observation", wanted).parts[:2] == wanted
    assert {"subject", "effectiveDateTime"} <= {name for name, _ in shape_of("Observation", wanted).parts}


def test_an_element_that_the_gateway_reads_otherwise_gives_no_shape() -> None:
    with pytest.raises(ShapeMixed):
        shape_of("Observation", (("status", Part(parts=(("text", TEXT),))),))


def test_lists_of_decimals_are_not_decoded() -> None:
    with pytest.raises(ShapeMixed):
        shape_of("Observation", (("data", Part("decimal", is_list=True)),))


def test_a_struct_is_encoded_as_its_elements_in_their_order() -> None:
    parts = (("class", TEXT), ("_x", TEXT), ("value", DECIMAL), ("import", Part("boolean", is_list=True)))
    made = msgspec.json.decode(b'{"import":[true,null],"value":5.10,"_x":"y"}', type=struct_of(parts))
    assert msgspec.json.encode(made) == b'{"class":null,"_x":"y","value":5.10,"import":[true,null]}'
    assert getattr(made, attribute("_x")) == "y"
    assert is_same(parts, ["class", "_x", "value", "import"])
    assert not is_same(parts, ["_x", "class", "value", "import"])
    assert not is_same(parts, ["class", "_x", "value"])
    assert msgspec.json.encode(struct_of(parts)()) == b'{"class":null,"_x":null,"value":null,"import":null}'


def test_shapes_with_the_same_elements_are_one() -> None:
    """A search holds its shape: equal searches are asked once."""
    parts = (("status", TEXT),)
    assert shape_of("Observation", parts) is shape_of("Observation", (("status", Part("text")),))
    assert shape_of("Observation", parts) is not shape_of("Condition", parts)


def test_a_row_has_a_type_and_an_id() -> None:
    assert is_readable(BARE, {})
    for odd in ({"id": ""}, {"id": 5}, {"id": None}, {"resourceType": "Condition"}, {"resourceType": None}):
        assert not is_readable(BARE, odd)


# ---------------------------------------------------------------- whose rows, and which are hidden

SUBJECTS = [
    {"reference": "Patient/1"},
    {"reference": "Patient/1", "type": "Patient", "display": "x"},
    {"reference": "Patient/2"},
    {"reference": "Group/1"},
    {"reference": "Patient/1/_history/2"},
    {"reference": "https://a.example/fhir/Patient/1"},
    {"reference": "https://b.example/fhir/Patient/1"},
    {"reference": "#p"},
    {"reference": ""},
    {"reference": None},
    {"display": "x"},
    {},
    None,
]


@pytest.mark.parametrize("subject", SUBJECTS, ids=repr)
@pytest.mark.parametrize("type_", sorted({one for one in TYPES if subject_element(one)}))
def test_rows_that_are_admitted_are_about_the_patient(type_: str, subject: Any) -> None:
    patient = Resource("a", PLACE, "Patient", "1", {"resourceType": "Patient", "id": "1"}, NOW)
    json = {subject_element(type_) or "": subject}
    is_admitted = admits(json, "Patient/1", shape_of(type_, ()))
    assert is_admitted <= is_about(resource(json, type_), patient)
    assert is_admitted == (subject in SUBJECTS[:2])
    assert admits(json, None, shape_of(type_, ()))


@pytest.mark.parametrize("type_", sorted({one for one in TYPES if not subject_element(one)}))
def test_a_type_that_does_not_say_simply_whom_it_is_about_is_not_admitted_about_anybody(type_: str) -> None:
    assert not admits({}, "Patient/1", shape_of(type_, ()))
    assert admits({}, None, shape_of(type_, ()))
    assert patient_parameter(type_) in (None, "patient")


ERROR = "entered-in-error"
CODES = [None, {}, {"code": None}, {"code": "confirmed"}, {"code": ERROR}]


@given(
    st.sampled_from(["Observation", "Goal", "Condition", "AllergyIntolerance"]),
    st.sampled_from([None, "final", ERROR]),
    st.sampled_from([None, "active", ERROR]),
    st.one_of(
        st.none(),
        st.just({}),
        st.just({"coding": None}),
        st.lists(st.sampled_from(CODES), max_size=3).map(lambda found: {"coding": found}),
    ),
)
def test_rows_entered_in_error_are_not_admitted(
    type_: str, status: Any, lifecycle: Any, verification: Any
) -> None:
    json = {"status": status, "lifecycleStatus": lifecycle, "verificationStatus": verification}
    shape = shape_of(type_, ())
    is_odd = (lifecycle is not None and type_ != "Goal") or (
        verification is not None and type_ not in ("Condition", "AllergyIntolerance")
    )
    assert is_readable(shape, json) == (not is_odd)
    if not is_odd:
        assert admits(json, None, shape) == (not is_hidden(type_, json))


# ---------------------------------------------------------------- numbers

NUMBERS = shape_of(
    "Observation",
    (
        ("valueQuantity", Part(parts=(("value", DECIMAL),))),
        ("valueRange", Part(parts=(("low", Part(parts=(("value", DECIMAL),))), ("text", TEXT)))),
        ("component", Part(is_list=True, parts=(("valueQuantity", Part(parts=(("value", DECIMAL),))),))),
        ("a", Part(is_list=True, parts=(("b", Part(is_list=True, parts=(("c", DECIMAL), ("d", DECIMAL)))),))),
        ("own", DECIMAL),
    ),
)
PLACES: list[Any] = [
    lambda value: {"own": value},
    lambda value: {"valueQuantity": {"value": value}},
    lambda value: {"valueRange": {"low": {"value": value}}},
    lambda value: {"component": [None, {}, {"valueQuantity": {"value": value}}]},
    lambda value: {"a": [None, {"b": None}, {"b": [None, {"c": 1}, {"c": 1, "d": value}]}]},
]


@pytest.mark.parametrize("place", range(len(PLACES)))
@pytest.mark.parametrize("text", [b"5.10", b"0", b"-1", b"-0.0", b"1E400", b"0e-9", b"9" * 60])
def test_numbers_are_admitted_wherever_they_stand(text: bytes, place: int) -> None:
    assert admits(PLACES[place](Raw(text)), None, NUMBERS)


@pytest.mark.parametrize("place", range(len(PLACES)))
@pytest.mark.parametrize("text", [b'"5.10"', b"true", b"null", b"[5]", b"{}", b"-0"])
def test_what_is_no_number_or_is_written_otherwise_is_not_admitted(text: bytes, place: int) -> None:
    assert not admits(PLACES[place](Raw(text)), None, NUMBERS)


def test_elements_that_are_not_there_hinder_nothing() -> None:
    for json in (
        {},
        {"valueQuantity": None, "component": None, "a": []},
        {"valueRange": {"low": None}, "a": [{}]},
    ):
        assert admits(json, None, NUMBERS)


# ---------------------------------------------------------------- dates


@pytest.mark.parametrize("type_", TYPES)
def test_a_type_has_dates_where_its_lists_are_sorted_by_one(type_: str) -> None:
    assert (shape_of(type_, ()).dates is None) == (ordering_of(type_, None).date_element is None)


def dates(type_: str, json: Json) -> Any:
    shape = shape_of(type_, ())
    assert shape.dates is not None
    (found,) = shape.dates(decoded(shape, json))
    return found


def test_a_date_is_found_in_whichever_way_it_is_said() -> None:
    assert dates("Observation", {"effectiveDateTime": "2020"}) == "2020"
    assert dates("Observation", {"effectivePeriod": {"start": "2020"}}) == "2020"
    assert dates("Observation", {"effectiveDateTime": "2020", "effectivePeriod": {"start": "2021"}}) == "2020"
    assert dates("Encounter", {"period": {"start": "2020", "end": "2021"}}) == "2020"
    assert dates("Condition", {"recordedDate": "2020"}) == "2020"
    assert dates("Immunization", {"occurrenceDateTime": "2020"}) == "2020"


def test_a_date_that_is_empty_is_not_passed_over() -> None:
    assert dates("Observation", {"effectiveDateTime": "", "effectivePeriod": {"start": "2021"}}) == ""


def test_what_is_hard_to_read_gives_no_date() -> None:
    for json in (
        {},
        {"effectivePeriod": {}},
        {"effectivePeriod": {"end": "2020"}},
        {"effectiveInstant": "2020"},
    ):
        assert dates("Observation", json) is None
    beside: list[Json] = [
        {"effectiveInstant": "2020-01-01T00:00:00Z"},
        {"effectiveTiming": {"event": ["2020"]}},
    ]
    for more in beside:
        assert dates("Observation", {"effectivePeriod": {"start": "2020"}, **more}) is None
    assert dates("Procedure", {"performedPeriod": {"start": "2020"}, "performedAge": {}}) is None
    assert dates("Procedure", {"performedPeriod": {"start": "2020"}, "performedString": "x"}) == "2020"


def test_the_ends_of_periods_are_found() -> None:
    shape = shape_of("Observation", ())
    assert shape.ends is not None
    periods: list[Json] = [{"effectivePeriod": one} for one in ({"start": "2020", "end": "2021"}, {}, None)]
    assert [one or None for one in shape.ends(decoded(shape, *periods, {}))] == ["2021", None, None, None]
    assert shape_of("Condition", ()).ends is None
    assert shape_of("Immunization", ()).ends is None
