"""What happened to a person over the years, before any source wrote it down.

A course is drawn once; each source then writes its part of it (`holders`). What two sources hold of one
event has the same `token`, from which both make the same business identifier.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from sandbox.population.identity import Identity
from sandbox.population.measurement import Body, Measurement, draw_body, draw_measurement
from sandbox.population.stream import Stream
from sandbox.population.tables import Row, keyed, table

CODED_SURVEYS = ("smoking", "alcohol", "phq9")
OBSERVATIONS = (42, 112)
FIRST_PERSON_PANELS = ("lipids", "urine", "renal", "lipids")
"""What the first person of every population has been tested for, whatever else."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A condition; `ended` None while it lasts. `precision`: whether day, month or year of onset is known."""

    row: Row
    onset: date
    ended: date | None
    precision: str
    is_mistaken: bool
    holders: frozenset[str]
    token: str


@dataclass(frozen=True, slots=True)
class Panel:
    """A laboratory request with its results; `holders` says which sources have the report."""

    row: Row
    members: tuple[Measurement, ...]
    holders: frozenset[str]
    token: str


@dataclass(frozen=True, slots=True)
class Visit:
    """An encounter at one source, and what was measured at it."""

    row: Row
    source: str
    start: datetime
    end: datetime
    problem: Problem | None
    vitals: tuple[Measurement, ...]
    panels: tuple[Panel, ...]
    token: str


@dataclass(frozen=True, slots=True)
class Course:
    """A person's problems and visits, oldest first."""

    person: Identity
    problems: tuple[Problem, ...]
    visits: tuple[Visit, ...]

    def problems_of(self, source: str) -> list[Problem]:
        """Those that a source holds."""
        return [problem for problem in self.problems if source in problem.holders]

    def visits_of(self, source: str) -> list[Visit]:
        """Those that took place at a source."""
        return [visit for visit in self.visits if visit.source == source]


def draw_course(person: Identity, seed: int) -> Course:
    """The course of one person: between 30 and 150 observations in all."""
    draw = Stream(seed, person.index, "course")
    problems = _problems(person, draw)
    return Course(
        person, problems, _visits(person, problems, draw, draw_body(person, problems_of=problems, draw=draw))
    )


def _clinical_sources(person: Identity) -> tuple[str, ...]:
    return tuple(sorted(person.sources & {"ehr", "gp"}))


def _problems(person: Identity, draw: Stream) -> tuple[Problem, ...]:
    age = person.age_on(person.until)
    rows = [row for row in table("problems") if _applies(row, person, age)]
    count = draw.number(2, 4) + age // 25 + (3 if "long-history" in person.traits else 0)
    chosen: list[Row] = [keyed("problems")["diabetes2"]] if "first" in person.traits else []
    for _ in range(count):
        row = draw.pick_weighted(rows, [float(one["weight"]) for one in rows])
        if row not in chosen:
            chosen.append(row)
    drawn = [_problem(row, person, draw) for row in chosen]
    return tuple(sorted(drawn, key=lambda problem: (problem.onset, problem.row["key"])))


def _applies(row: Row, person: Identity, age: int) -> bool:
    return (
        row["sex"] in ("", person.sex) and int(row["from_age"]) <= age and int(row["to_age"]) >= min(age, 14)
    )


def _problem(row: Row, person: Identity, draw: Stream) -> Problem:
    earliest = person.born.replace(day=1) + timedelta(days=31 + int(int(row["from_age"]) * 365.25))
    if row["course"] != "chronic":
        earliest = max(earliest, person.since)
    onset = draw.day(min(earliest, person.until), person.until)
    ended = (
        None if row["course"] == "chronic" else onset + timedelta(days=int(row["course"]) + draw.number(0, 9))
    )
    sources = _clinical_sources(person)
    return Problem(
        row=row,
        onset=onset,
        ended=ended if ended is None or ended <= person.until else None,
        precision=draw.pick_weighted(("day", "month", "year"), (70.0, 16.0, 14.0)),
        is_mistaken=draw.chance(0.04),
        holders=frozenset(sources if draw.chance(0.45) else (draw.pick(sources),)),
        token=draw.uuid(),
    )


def _visits(person: Identity, problems: tuple[Problem, ...], draw: Stream, body: Body) -> tuple[Visit, ...]:
    wanted = draw.number(*OBSERVATIONS)
    visits: list[Visit] = []
    held = 0
    forced = list(FIRST_PERSON_PANELS) if "first" in person.traits else []
    while held < wanted:
        visit = _visit(person, problems, draw, body, forced.pop() if forced else None)
        visits.append(visit)
        held += len(visit.vitals) + sum(len(one.members) * len(one.holders) for one in visit.panels)
    return tuple(sorted(visits, key=lambda visit: (visit.start, visit.token)))


def _visit(
    person: Identity, problems: tuple[Problem, ...], draw: Stream, body: Body, panel_key: str | None
) -> Visit:
    source = draw.pick_weighted(_clinical_sources(person), (45.0, 55.0)[: len(_clinical_sources(person))])
    rows = [row for row in table("visits") if row["source"] == source]
    row = draw.pick_weighted(rows, [float(one["weight"]) for one in rows])
    start = draw.time_on(
        draw.day(person.since, person.until), *((0, 23) if row["key"] == "emergency" else (8, 17))
    )
    known = [
        one for one in problems if one.onset <= start.date() and not one.is_mistaken and source in one.holders
    ]
    problem = draw.pick(known) if known and draw.chance(0.8) else None
    return Visit(
        row=row,
        source=source,
        start=start,
        end=start + timedelta(minutes=draw.number(8, 25) + 60 * int(row["hours"]) * draw.number(1, 3)),
        problem=problem,
        vitals=_vitals(row, person, draw, body, start),
        panels=tuple(_panels(row, panel_key or _panel_key(row, problem, draw), person, draw, body, start)),
        token=draw.uuid(),
    )


def _vitals(row: Row, person: Identity, draw: Stream, body: Body, when: datetime) -> tuple[Measurement, ...]:
    keys = {
        "surgery": ["pressure", "weight", *draw.some(("heart-rate", "bmi", "height"), draw.number(0, 2))],
        "telephone": draw.some(CODED_SURVEYS, 1),
        "home": ["pressure", "heart-rate", "temperature"],
        "clinic": [
            "pressure",
            "heart-rate",
            *draw.some(("weight", "height", "saturation"), draw.number(0, 2)),
        ],
        "emergency": ["pressure", "heart-rate", "respiratory-rate", "saturation", "temperature", "news2"],
        "inpatient": [
            "pressure",
            "heart-rate",
            "respiratory-rate",
            "saturation",
            "temperature",
            "weight",
            "news2",
        ],
    }[row["key"]]
    if row["key"] == "surgery" and draw.chance(0.3):
        keys.append(draw.pick(CODED_SURVEYS))
    if person.age_on(when.date()) < 16:
        keys = [key for key in keys if key not in CODED_SURVEYS] or ["temperature"]
    return tuple(draw_measurement(key, person, draw, body, when) for key in keys)


def _panel_key(row: Row, problem: Problem | None, draw: Stream) -> str | None:
    """What is tested at a visit, if anything: what the problem calls for, or something usual."""
    if row["key"] == "telephone" or not draw.chance(0.55):
        return None
    keys = problem.row["panels"].split() if problem else []
    return draw.pick(keys) if keys and draw.chance(0.8) else draw.pick(("blood", "renal", "lipids", "urine"))


def _panels(
    row: Row, key: str | None, person: Identity, draw: Stream, body: Body, when: datetime
) -> list[Panel]:
    if key is None:
        return []
    chosen = keyed("panels")[key]
    taken = when + timedelta(minutes=draw.number(3, 20))
    members = tuple(draw_measurement(one, person, draw, body, taken) for one in chosen["members"].split())
    sources = _clinical_sources(person)
    holders = frozenset(sources if draw.chance(0.4) else (row["source"],))
    return [Panel(chosen, members, holders, f"L{person.index:05d}-{draw.number(100_000, 999_999)}")]


def onset_text(problem: Problem) -> str:
    """The onset as a FHIR dateTime, as precise as it is known."""
    lengths = {"day": 10, "month": 7, "year": 4}
    return problem.onset.isoformat()[: lengths[problem.precision]]


def exact(value: Decimal, places: int) -> Decimal:
    """The value with so many decimal places, the zeros at the end kept."""
    return Decimal(f"{value:.{places}f}")
