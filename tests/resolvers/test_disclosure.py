"""Disclosures add up, whatever the order in which they are noted."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from resolvers.disclosure import Disclosures

_notes = st.tuples(
    st.sampled_from([None, "person/a", "person/b"]),
    st.sampled_from(["Observation", "Patient"]),
    st.sampled_from(["ehr", "gp"]),
    st.integers(0, 5),
)


def test_nothing_noted_is_no_row() -> None:
    assert list(Disclosures()) == []


def test_a_count_of_nothing_is_no_row() -> None:
    disclosures = Disclosures()
    disclosures.note("person/a", "Observation", "ehr", 0)
    assert list(disclosures) == []


@given(st.lists(_notes))
def test_rows_are_sorted_and_hold_the_sum_of_the_notes(notes: list[tuple[str | None, str, str, int]]) -> None:
    disclosures = Disclosures()
    sums: Counter[tuple[str | None, str, str]] = Counter()
    for patient, type_, source, count in notes:
        disclosures.note(patient, type_, source, count)
        sums[(patient, type_, source)] += count

    rows = list(disclosures)
    assert {(row.patient, row.type, row.source): row.count for row in rows} == +sums
    places = [(row.patient or "", row.type, row.source) for row in rows]
    assert places == sorted(places)
    assert len(set(places)) == len(places)
