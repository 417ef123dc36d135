"""Builds a population: people, then the record each source holds of each."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from sandbox.population.identity import Identity, identities, practices
from sandbox.population.model import Account, Person, Population, Resource
from sandbox.population.record import Record
from sandbox.population.registration import patient
from sandbox.population.stream import Stream
from sandbox.population.wearable import account

FIRST_ID = 1001


@dataclass(slots=True)
class _Numbering:
    """Local ids. Patients are numbered in every source, from the same start, so that the same number means
    different people in different sources; the practices take turns, so that theirs never collide."""

    patients: dict[str, int] = field(default_factory=dict)
    others: "count[int]" = field(default_factory=lambda: count(20_001))

    def next_patient(self, place: str) -> str:
        rank = self.patients.get(place, 0)
        self.patients[place] = rank + 1
        places = [practice.organization for practice in practices()]
        if place not in places:
            return str(FIRST_ID + rank)
        return str(FIRST_ID + rank * len(places) + places.index(place))

    def next_ehr(self, _type_name: str) -> str:
        return str(next(self.others))


def build(patients: int = 100, seed: int = 1) -> Population:
    """The population of a seed, the same in every process; more patients leave earlier ones as they were."""
    population = Population(people=(), practices=practices())
    population.gp.update((practice.organization, {}) for practice in practices())
    numbering = _Numbering()
    people = [_settle(person, population, numbering, seed) for person in identities(patients, seed)]
    return Population(tuple(people), population.practices, population.ehr, population.gp, population.wearable)


def _settle(person: Identity, population: Population, numbering: _Numbering, seed: int) -> Person:
    sources: dict[str, str] = {}
    for record in _records(person, population, numbering, seed):
        patient(record)
        sources[record.source] = record.patient["reference"]
    if "wearable" in person.sources:
        held: Account = account(person, seed)
        population.wearable[held.user_id] = held
        sources["wearable"] = f"Patient/{held.user_id}"
    return Person(
        index=person.index,
        nhs_number=person.recorded_number if person.is_verified else None,
        sources=sources,
        practice=person.practice.organization if "gp" in person.sources else None,
        traits=person.traits,
    )


def _records(person: Identity, population: Population, numbering: _Numbering, seed: int) -> list[Record]:
    records: list[Record] = []
    if "ehr" in person.sources:
        draw = Stream(seed, person.index, "ehr")
        records.append(_record("ehr", "ehr", person, population.ehr, numbering.next_ehr, numbering, draw))
    if "gp" in person.sources:
        draw = Stream(seed, person.index, "gp")
        held = population.gp[person.practice.organization]
        new_id = _uuids(draw)
        records.append(_record("gp", person.practice.organization, person, held, new_id, numbering, draw))
    return records


def _uuids(draw: Stream) -> Callable[[str], str]:
    def new_id(_type_name: str) -> str:
        return draw.uuid()

    return new_id


def _record(
    source: str,
    place: str,
    person: Identity,
    resources: dict[str, list[Resource]],
    new_id: Callable[[str], str],
    numbering: _Numbering,
    draw: Stream,
) -> Record:
    return Record(source, person, numbering.next_patient(place), new_id, resources, draw)
