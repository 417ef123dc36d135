"""The person of the first query: known to every source, with all among the newest few observations."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from clinical.dates import DateInvalid, interval
from sandbox.addresses import UPSTREAMS
from sandbox.population.model import Account, Person, Population

ROWS_MAX = 100
"""The most that one page of a connection gives."""

MARGIN = 5
Moments = list[datetime]


@dataclass(frozen=True, slots=True)
class Example:
    """A person, and how many of the newest observations show every source. `rows` counts in steps of ten."""

    person: Person
    rows: int


@dataclass(slots=True)
class _Observed:
    """Moments of observation by source and local patient reference."""

    by_reference: dict[tuple[str, str], Moments] = field(default_factory=dict)

    def add(self, source: str, reference: str, moment: datetime) -> None:
        self.by_reference.setdefault((source, reference), []).append(moment)


def first_example(population: Population) -> Example:
    """The person with the shortest first query; whoever is first where nobody is known to all sources."""
    observed = _observed(population)
    everywhere = [person for person in population.people if set(UPSTREAMS) <= set(person.sources)]
    examples = [Example(person, _rows(person, observed)) for person in everywhere]
    return min(examples, key=lambda one: one.rows, default=Example(population.people[0], ROWS_MAX))


def _rows(person: Person, observed: _Observed) -> int:
    """How many of the newest observations it takes until each source has appeared once."""
    moments = {name: observed.by_reference.get((name, person.sources[name]), []) for name in UPSTREAMS}
    if not all(moments.values()):
        return ROWS_MAX
    needed = min(max(held) for held in moments.values())
    count = sum(moment >= needed for held in moments.values() for moment in held)
    return min(-(-(count + MARGIN) // 10) * 10, ROWS_MAX)


def _observed(population: Population) -> _Observed:
    observed = _Observed()
    _add_all(observed, "ehr", population.ehr.get("Observation", ()))
    for held in population.gp.values():
        _add_all(observed, "gp", held.get("Observation", ()))
    for account in population.wearable.values():
        _add_account(observed, account)
    return observed


def _add_all(observed: _Observed, source: str, observations: Iterable[Mapping[str, Any]]) -> None:
    for observation in observations:
        moment = _effective(observation)
        if moment is not None and observation.get("status") != "entered-in-error":
            observed.add(source, observation.get("subject", {}).get("reference", ""), moment)


def _add_account(observed: _Observed, account: Account) -> None:
    """One observation for each measure, as near as it matters here."""
    for group in account.measuregrps:
        if group["category"] == 1:
            for _ in group["measures"]:
                observed.add(
                    "wearable", f"Patient/{account.user_id}", datetime.fromtimestamp(group["date"], UTC)
                )


def _effective(observation: Mapping[str, Any]) -> datetime | None:
    text = observation.get("effectiveDateTime") or observation.get("effectivePeriod", {}).get("start")
    try:
        return interval(text).low if isinstance(text, str) else None
    except DateInvalid:
        return None
