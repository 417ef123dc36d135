"""Keys as plain values order rows as the clinical room does, and a cursor gives them back."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from clinical.order import in_order
from resolvers.ordering import Ordering
from resolvers.resource import Location, Resource
from tests.resolvers.memory import NOW

WHEN = st.one_of(
    st.none(), st.sampled_from(["2019", "2019-05", "bad", "2020-01-01T10:00:00+01:00"]), st.just(7)
)
ROW = st.fixed_dictionaries(
    {},
    optional={
        "effectiveDateTime": WHEN,
        "effectivePeriod": st.fixed_dictionaries({}, optional={"start": WHEN, "end": WHEN}),
        "valueString": st.text(max_size=5),
        "valueQuantity": st.fixed_dictionaries({"value": st.integers(-5, 5)}),
        "status": st.sampled_from(["final", "amended"]),
    },
)
SORTS = st.sampled_from(
    ["-date", "date", "value-string", "-value-string", "-value-quantity,date", "-status,_id"]
)


def resource(json: dict[str, Any]) -> Resource:
    return Resource("a", Location("https://a.example"), "Observation", json["id"], json, NOW)


@given(st.lists(ROW, max_size=12), SORTS)
def test_keys_order_as_the_clinical_room_does(rows: list[dict[str, Any]], sort: str) -> None:
    numbered = [{**row, "resourceType": "Observation", "id": f"{i:02}"} for i, row in enumerate(rows)]
    ordering = Ordering("Observation", sort)
    ours = sorted((resource(row) for row in numbered), key=lambda one: (ordering.key(one), one.id))
    theirs = in_order(numbered, "Observation", sort)
    # A value in both `effective` elements is no FHIR; which of them counts is nobody's to say.
    if not any("effectiveDateTime" in row and "effectivePeriod" in row for row in numbered):
        assert [one.id for one in ours] == [row["id"] for row in theirs]


@given(ROW, SORTS)
def test_a_key_comes_back_from_a_cursor_as_it_was(row: dict[str, Any], sort: str) -> None:
    ordering = Ordering("Observation", sort)
    key = ordering.key(resource({**row, "id": "x"}))
    again = ordering.load(ordering.dump(key))
    assert again == key
    assert [type(part[-1]) for part in again] == [type(part[-1]) for part in key]
