"""Procedures, care plans with their teams and goals, appointments, and tasks."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sandbox.population.concept import LOINC, OPCS, SNOMED, coding, concept, hl7, quantity, snomed
from sandbox.population.course import Course, Problem
from sandbox.population.directory import Directory
from sandbox.population.model import REFERENCE_DATE
from sandbox.population.record import Record, Reference
from sandbox.population.tables import Row, keyed, table

Json = dict[str, Any]


def write_procedures(record: Record, encounters: list[Reference], directory: Directory) -> None:
    """Writes procedures: operations at the hospital, small ones at a practice too."""
    person, draw = record.person, record.draw
    age = person.age_on(person.until)
    rows = [
        row for row in table("procedures") if int(row["from_age"]) <= age and row["sex"] in ("", person.sex)
    ]
    if record.source == "gp":
        rows = [row for row in rows if row["place"] == "clinic"]
    for row in draw.some(rows, min(len(rows), draw.number(0, 3))):
        day = draw.day(person.since, person.until)
        codings = [coding(SNOMED, row["snomed"], row["display"])]
        if record.source == "ehr" and row["opcs"]:
            codings.append(coding(OPCS, row["opcs"]))
        content: Json = {
            "status": draw.pick_weighted(("completed", "not-done", "entered-in-error"), (93.0, 5.0, 2.0)),
            "code": concept(*codings),
            "subject": record.patient,
            "encounter": draw.pick(encounters) if encounters and draw.chance(0.5) else None,
            **_performed(record, day),
            "performer": [{"actor": draw.pick(directory.practitioners)}],
        }
        record.add("Procedure", day, content)


def _performed(record: Record, day: date) -> Json:
    form = record.draw.number(1, 10)
    if form <= 2:
        return {"performedDateTime": day.isoformat()[: 4 * form - (form - 1)]}
    if form <= 5:
        start = record.draw.time_on(day)
        return {
            "performedPeriod": {
                "start": record.moment(start),
                "end": record.moment(start + timedelta(minutes=50)),
            }
        }
    return {"performedDateTime": day.isoformat()}


def write_plans(
    record: Record, course: Course, directory: Directory, conditions: dict[str, Reference]
) -> None:
    """Writes a care plan for each problem that calls for one, with its goal, and one team for all."""
    plans = {row["key"]: row for row in table("plans")}
    problems = [one for one in course.problems_of(record.source) if one.row["plan"] and not one.is_mistaken]
    if not problems:
        return
    team = _write_team(record, problems[0].onset, directory)
    for problem in problems:
        condition = conditions[problem.token]
        goal = _write_goal(record, plans[problem.row["plan"]], problem, condition)
        _write_plan(record, plans[problem.row["plan"]], problem, condition, goal, team)


def _write_team(record: Record, day: date, directory: Directory) -> Reference:
    members = record.draw.some(directory.practitioners, 2)
    content: Json = {
        "status": "active",
        "name": "Long-term conditions team",
        "subject": record.patient,
        "period": {"start": day.isoformat()},
        "participant": [{"member": member} for member in members],
        "managingOrganization": [directory.organization],
    }
    return record.add("CareTeam", day, content)


def _write_goal(record: Record, row: Row, problem: Problem, condition: Reference) -> Reference:
    content: Json = {
        "lifecycleStatus": "active" if problem.ended is None else "completed",
        "description": {"text": row["goal"]},
        "subject": record.patient,
        "startDate": problem.onset.isoformat(),
        "target": [_target(row, problem)] if row["measure"] else None,
        "addresses": [condition],
    }
    return record.add("Goal", problem.onset, content)


def _target(row: Row, problem: Problem) -> Json:
    measure = keyed("measures")[row["measure"]]
    due = (problem.onset + timedelta(days=365)).isoformat()
    code = concept(coding(LOINC, measure["loinc"], measure["display"]))
    target: Json = {
        "measure": code,
        "dueDate": due,
    }
    if measure["mean"]:
        target["detailQuantity"] = quantity(Decimal(row["target"]), measure["unit"], measure["ucum"])
    else:
        target["detailInteger"] = int(row["target"])
    return target


def _write_plan(
    record: Record, row: Row, problem: Problem, condition: Reference, goal: Reference, team: Reference
) -> None:
    activity = {"code": snomed(row["activity"], row["activity_display"]), "status": "in-progress"}
    content: Json = {
        "status": "active" if problem.ended is None else "completed",
        "intent": "plan",
        "category": [snomed(row["snomed"], row["display"])],
        "title": row["display"],
        "subject": record.patient,
        "period": {"start": problem.onset.isoformat()[:7]},
        "careTeam": [team],
        "addresses": [condition],
        "goal": [goal],
        "activity": [{"detail": activity}],
    }
    record.add("CarePlan", problem.onset, content)


def write_appointments(record: Record, directory: Directory) -> None:
    """Writes past and coming appointments; a coming one at the hospital has a referral and a task."""
    for _ in range(record.draw.number(1, 4)):
        day = record.draw.day(
            max(record.person.since, REFERENCE_DATE - timedelta(days=700)), record.person.until
        )
        _write_appointment(record, record.draw.time_on(day), "fulfilled", directory, None)
    if record.person.deceased is None and record.draw.chance(0.6):
        coming = record.draw.time_on(REFERENCE_DATE + timedelta(days=record.draw.number(3, 120)))
        referral = _write_referral(record, directory) if record.source == "ehr" else None
        _write_appointment(record, coming, "booked", directory, referral)


def _write_appointment(
    record: Record, start: datetime, status: str, directory: Directory, referral: Reference | None
) -> None:
    status = "noshow" if status == "fulfilled" and record.draw.chance(0.12) else status
    content: Json = {
        "status": status,
        "serviceCategory": [hl7("service-category", "17", "General Practice")]
        if record.source == "gp"
        else None,
        "description": "Review",
        "start": record.moment(start),
        "end": record.moment(start + timedelta(minutes=15)),
        "minutesDuration": 15,
        "created": (start - timedelta(days=12)).date().isoformat(),
        "basedOn": [referral] if referral else None,
        "participant": [
            {"actor": record.patient, "status": "accepted"},
            {"actor": record.draw.pick(directory.practitioners), "status": "accepted"},
            {"actor": next(iter(directory.locations.values())), "status": "accepted"},
        ],
    }
    record.add("Appointment", min(start.date(), REFERENCE_DATE), content)


def _write_referral(record: Record, directory: Directory) -> Reference:
    day = REFERENCE_DATE - timedelta(days=record.draw.number(5, 60))
    requester = directory.general_practices.get(record.person.practice.organization, directory.organization)
    content: Json = {
        "status": "active",
        "intent": "order",
        "category": [snomed("3457005", "Patient referral")],
        "priority": "routine",
        "code": snomed("183561008", "Referral to general physician"),
        "subject": record.patient,
        "authoredOn": day.isoformat(),
        "requester": requester,
        "performer": [record.draw.pick(directory.practitioners)],
    }
    referral = record.add("ServiceRequest", day, content)
    task: Json = {
        "status": "in-progress",
        "intent": "order",
        "priority": "routine",
        "code": hl7("task-code", "fulfill", "Fulfill the focal request")
        | {
            "coding": [
                coding("http://hl7.org/fhir/CodeSystem/task-code", "fulfill", "Fulfill the focal request")
            ]
        },
        "focus": referral,
        "for": record.patient,
        "authoredOn": day.isoformat(),
        "lastModified": (day + timedelta(days=2)).isoformat(),
        "owner": directory.organization,
    }
    record.add("Task", day, task)
    return referral
