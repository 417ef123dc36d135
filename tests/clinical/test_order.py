"""The order of resources."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical.order import default_sort, in_order, parse_sort, sort_key
from clinical.parameters import parameters, resource_types
from clinical.syntax import SearchValueInvalid
from tests.clinical.vectors import read

DATE = parameters("Observation")["date"]
TEXTS = st.sampled_from(["2019", "2019-05", "2019-01-01", "2018-12-31T23:00:00-01:00", "2020", "soon", ""])
RECORDS = st.fixed_dictionaries(
    {"id": st.text(alphabet="abc", max_size=2)},
    optional={"effectiveDateTime": TEXTS, "effectivePeriod": st.fixed_dictionaries({"start": TEXTS})},
)


def ids(resources: list[dict[str, Any]], sort: str, resource_type: str = "Observation") -> list[str]:
    return [resource["id"] for resource in in_order(resources, resource_type, sort)]


DATED = [
    {"id": "may", "effectiveDateTime": "2019-05"},
    {"id": "undated"},
    {"id": "year", "effectiveDateTime": "2019"},
    {"id": "open", "effectivePeriod": {"start": "2020-01-01"}},
    {"id": "broken", "effectiveDateTime": "soon"},
]


def test_newest_first_has_the_undated_last() -> None:
    assert ids(DATED, "-date") == ["open", "may", "year", "broken", "undated"]


def test_oldest_first_has_the_undated_last_too() -> None:
    assert ids(DATED, "date") == ["year", "may", "open", "broken", "undated"]


def test_ties_go_by_id() -> None:
    assert ids([{"id": "b"}, {"id": "a"}], "-date") == ["a", "b"]


def test_a_second_parameter_decides_among_equals() -> None:
    rows = [
        {"id": "1", "status": "final", "effectiveDateTime": "2019"},
        {"id": "2", "status": "final", "effectiveDateTime": "2020"},
        {"id": "3", "status": "amended", "effectiveDateTime": "2018"},
    ]
    assert ids(rows, "status,-date") == ["3", "2", "1"]


@pytest.mark.parametrize("vector", read("order"), ids=lambda vector: vector["rule"])
def test_every_kind_of_parameter_sorts(vector: dict[str, Any]) -> None:
    rows = [{"id": name, **row} for name, row in vector["rows"].items()]
    assert ids(rows, vector["sort"], vector["type"]) == vector["order"]


def test_of_several_values_the_first_in_the_direction_counts() -> None:
    """A row with the values 1 and 9 comes first in either direction among 2 and 8."""
    rows = [
        {"id": "both", "component": [{"valueQuantity": {"value": 9}}, {"valueQuantity": {"value": 1}}]},
        {"id": "two", "component": [{"valueQuantity": {"value": 2}}]},
        {"id": "eight", "component": [{"valueQuantity": {"value": 8}}]},
    ]
    assert ids(rows, "component-value-quantity") == ["both", "two", "eight"]
    assert ids(rows, "-component-value-quantity") == ["both", "eight", "two"]


@given(st.lists(RECORDS, max_size=6), st.booleans())
def test_the_order_is_total(rows: list[dict[str, Any]], descending: bool) -> None:
    keys = [sort_key(row, DATE, descending) for row in rows]
    for a, b in itertools.product(keys, keys):
        assert (a < b) + (b < a) + (a == b) == 1
        assert (a <= b) == (a < b or a == b)
    for a, b, c in itertools.product(keys, keys, keys):
        assert a < c or not (a < b and b < c)


@given(st.lists(RECORDS, max_size=8), st.sampled_from(["date", "-date", "status,-date", "-_id"]))
def test_the_order_does_not_depend_on_where_rows_came_from(rows: list[dict[str, Any]], sort: str) -> None:
    once = in_order(rows, "Observation", sort)
    again = in_order(list(reversed(rows)), "Observation", sort)
    rules = parse_sort("Observation", sort)

    def place(row: dict[str, Any]) -> Any:
        return [sort_key(row, parameter, descending) for parameter, descending in rules], row["id"]

    assert [place(row) for row in once] == [place(row) for row in again]


@pytest.mark.parametrize("sort", ["", "-", "nothing", "date,", "--date", "code-value-quantity"])
def test_an_unknown_sort_is_refused(sort: str) -> None:
    with pytest.raises(SearchValueInvalid):
        parse_sort("Observation", sort)


def test_every_default_is_a_date_of_its_type_newest_first() -> None:
    for name in resource_types():
        if (sort := default_sort(name)) is not None:
            [(parameter, descending)] = parse_sort(name, sort)
            assert (parameter.type, descending) == ("date", True), name


def test_types_without_a_date_have_no_default() -> None:
    assert default_sort("Observation") == "-date"
    assert default_sort("Condition") == "-recorded-date"
    assert default_sort("Coverage") is None
    assert default_sort("Patient") is None
