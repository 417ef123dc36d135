"""The printed first query shows observations of every source, in few rows."""

from datetime import UTC, datetime
from typing import Any

from sandbox.example import ROWS_MAX, first_example
from sandbox.population.model import Account, Person, Population


def person(index: int, *names: str) -> Person:
    return Person(index, None, dict.fromkeys(names, f"Patient/{index}"), None, frozenset())


def observation(index: int, effective: str, status: str = "final") -> dict[str, Any]:
    return {"subject": {"reference": f"Patient/{index}"}, "status": status, "effectiveDateTime": effective}


def account(index: int, *days: str) -> Account:
    groups = [
        {
            "category": 1,
            "date": int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()),
            "measures": [{"value": 70, "type": 1, "unit": 0}],
        }
        for day in days
    ]
    return Account(str(index), "token", "", "Europe/London", groups, [], [])


def test_somebody_whose_sources_are_all_recent_is_preferred() -> None:
    week = [f"2026-10-{day:02}" for day in range(1, 29)]
    population = Population(
        people=(person(1, "ehr", "gp", "wearable"), person(2, "ehr", "gp", "wearable"), person(3, "ehr")),
        practices=(),
        ehr={
            "Observation": [
                observation(1, "2020-01-01"),
                observation(2, "2026-10-20"),
                observation(3, "2026"),
            ]
        },
        gp={"A": {"Observation": [observation(1, "2026-10-01"), observation(2, "2026-10")]}},
        wearable={"1": account(1, *week), "2": account(2, "2026-10-25")},
    )
    example = first_example(population)
    assert (example.person.index, example.rows) == (2, 10)


def test_hidden_and_undated_observations_do_not_count() -> None:
    population = Population(
        people=(person(1, "ehr", "gp", "wearable"),),
        practices=(),
        ehr={"Observation": [observation(1, "2026-10-20", "entered-in-error"), observation(1, "soon")]},
        gp={"A": {"Observation": [observation(1, "2026-10-20")]}},
        wearable={"1": account(1, "2026-10-25")},
    )
    assert first_example(population).rows == ROWS_MAX


def test_without_anybody_known_to_all_it_is_whoever_is_first() -> None:
    population = Population(people=(person(1, "ehr"), person(2, "ehr", "gp")), practices=())
    assert first_example(population).person.index == 1
