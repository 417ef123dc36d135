"""Age: whole years, and null where the dates leave it open."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical.age import age_years

TODAY = date(2024, 6, 15)


@pytest.mark.parametrize(
    ("patient", "age"),
    [
        ({"birthDate": "1980-06-15"}, 44),
        ({"birthDate": "1980-06-16"}, 43),
        ({"birthDate": "2000-02-29"}, 24),
        ({"birthDate": "2024-06-15"}, 0),
        ({"birthDate": "2024-06-16"}, None),
        ({"birthDate": "1980-05"}, 44),
        ({"birthDate": "1980-06"}, None),
        ({"birthDate": "1980"}, None),
        ({"birthDate": "1980", "deceasedDateTime": "2010-12-31"}, 30),
        ({"birthDate": "1980-06-15", "deceasedDateTime": "2010-06-14T23:59:00-05:00"}, 29),
        ({"birthDate": "1980-06-15", "deceasedDateTime": "2010"}, None),
        ({"birthDate": "1980-01-01", "deceasedDateTime": "2010"}, 30),
        ({"birthDate": "1980-06-15", "deceasedBoolean": True}, None),
        ({"birthDate": "1980-06-15", "deceasedBoolean": False}, 44),
        ({"birthDate": "1980-06-15", "deceasedDateTime": "soon"}, None),
        ({"birthDate": 1980}, None),
        ({}, None),
    ],
)
def test_age_in_whole_years(patient: dict[str, Any], age: int | None) -> None:
    assert age_years(patient, TODAY) == age


@given(st.dates(date(1900, 1, 1), date(2100, 1, 1)), st.dates(date(1900, 1, 1), date(2100, 1, 1)))
def test_a_partial_date_gives_the_age_of_every_day_in_it_or_none(born: date, today: date) -> None:
    exact = age_years({"birthDate": born.isoformat()}, today)
    for text in (born.isoformat()[:7], born.isoformat()[:4]):
        assert age_years({"birthDate": text}, today) in (exact, None)
    assert (exact is None) == (born > today)
