"""Builds a population: people, their courses, then the record that each source holds of each."""

from collections.abc import Callable
from itertools import count

from sandbox.population.administration import write_administration
from sandbox.population.care import write_appointments, write_plans, write_procedures
from sandbox.population.course import Course, draw_course
from sandbox.population.directory import Directory, hospital_directory, practice_directory
from sandbox.population.documents import write_documents
from sandbox.population.identity import Identity, identities, practices
from sandbox.population.medicines import write_immunizations, write_medicines
from sandbox.population.model import Person, Population
from sandbox.population.problems import write_allergies, write_conditions, write_family_history, write_flags
from sandbox.population.record import Record, Reference, Register
from sandbox.population.registration import patient
from sandbox.population.stream import Stream
from sandbox.population.visits import write_visits
from sandbox.population.wearable import account

FIRST_PATIENT = 1001
FIRST_ID = 20_001


class _Place:
    """The hospital or one practice: its register and directory, and its numbering of patients.

    Patients are numbered from the same start everywhere, so that one number means different people in
    different sources; the practices take turns, so that theirs never collide.
    """

    def __init__(self, register: Register, directory: Directory, patients: "count[int]") -> None:
        self.register = register
        self.directory = directory
        self._patients = patients

    def next_patient(self) -> str:
        return str(next(self._patients))


def build(patients: int = 100, seed: int = 1) -> Population:
    """The population of a seed, the same in every process; more patients leave earlier ones as they were."""
    people = identities(patients, seed)
    places = _places(seed)
    references = {person.index: _patients(person, places) for person in people}
    mothers = {person.index + 1: references[person.index] for person in people if "mother" in person.traits}
    for person in people:
        course = draw_course(person, seed)
        for source, patient_id in references[person.index].items():
            place = places[_place_name(person, source)]
            record = Record(place.register, person, patient_id, Stream(seed, person.index, source))
            mother = mothers.get(person.index, {}).get(source) if "child" in person.traits else None
            _write(record, course, place.directory, {"reference": f"Patient/{mother}"} if mother else None)
    accounts = [account(person, seed) for person in people if "wearable" in person.sources]
    users = {held.nhs_number: held.user_id for held in accounts}
    return Population(
        people=tuple(_person(person, references[person.index], users) for person in people),
        practices=practices(),
        ehr=places["ehr"].register.resources,
        gp={one.organization: places[one.organization].register.resources for one in practices()},
        wearable={held.user_id: held for held in accounts},
    )


def _places(seed: int) -> dict[str, _Place]:
    numbers = count(FIRST_ID)
    hospital = Register("ehr", "ehr", lambda _type_name: str(next(numbers)), {})
    places = {"ehr": _Place(hospital, hospital_directory(hospital, seed), count(FIRST_PATIENT))}
    for turn, practice in enumerate(practices()):
        register = Register("gp", practice.organization, _uuids(Stream(seed, practice.organization)), {})
        patients = count(FIRST_PATIENT + turn, len(practices()))
        directory = practice_directory(register, practice, seed)
        places[practice.organization] = _Place(register, directory, patients)
    return places


def _uuids(draw: Stream) -> Callable[[str], str]:
    return lambda _type_name: draw.uuid()


def _place_name(person: Identity, source: str) -> str:
    return "ehr" if source == "ehr" else person.practice.organization


def _patients(person: Identity, places: dict[str, _Place]) -> dict[str, str]:
    """The person's local id in each source that keeps a clinical record of them."""
    return {
        source: places[_place_name(person, source)].next_patient()
        for source in ("ehr", "gp")
        if source in person.sources
    }


def _write(record: Record, course: Course, directory: Directory, mother: Reference | None) -> None:
    """Everything that one source holds of one person."""
    patient(record)
    write_administration(record, directory, mother)
    conditions = write_conditions(record, course, directory)
    allergies = write_allergies(record, directory, mother)
    write_family_history(record, course)
    write_flags(record, directory)
    encounters = write_visits(record, course, directory, conditions)
    write_medicines(record, course, directory, conditions)
    write_immunizations(record, directory)
    write_procedures(record, encounters, directory)
    write_plans(record, course, directory, conditions)
    write_appointments(record, directory)
    write_documents(record, course, directory, encounters, conditions, allergies)


def _person(person: Identity, patients: dict[str, str], users: dict[str, str]) -> Person:
    local = dict(patients)
    if "wearable" in person.sources and person.recorded_number:
        local["wearable"] = users[person.recorded_number]
    return Person(
        index=person.index,
        nhs_number=person.recorded_number if person.is_verified else None,
        sources={source: f"Patient/{patient_id}" for source, patient_id in local.items()},
        practice=person.practice.organization if "gp" in person.sources else None,
        traits=person.traits,
    )
