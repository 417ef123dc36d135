"""A practice's invoices and appointments, in the shape of its documented API (UPSTREAMS.md, Cliniko-like).

The documents print the shape of an invoice; the appointment's own names (`starts_at` and so on) are the
sandbox's. Traps: ids that are numbers or texts, money as text, statuses without a meaning, rows deleted but
kept.
"""

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from sandbox.population.model import REFERENCE_DATE, Population
from sandbox.population.stream import Stream

Json = dict[str, Any]
BASE = "https://practice.sandbox.invalid"
"""Stands for the API's base address in links; the server puts its own in place."""
STATUSES = ((10, "Open"), (20, "Paid"), (20, "Paid"), (30, "Written off"))


@dataclass(slots=True)
class PracticeBook:
    """The rows of one practice, oldest first, and the NHS number of each patient id."""

    patients: dict[str, str] = field(default_factory=dict)
    invoices: list[Json] = field(default_factory=list)
    appointments: list[Json] = field(default_factory=list)


def practice_book(population: Population, seed: int = 1) -> PracticeBook:
    """The book of a population: every third person with a verified NHS number is a patient."""
    book = PracticeBook()
    number = 70_000
    for person in [one for one in population.people if one.nhs_number is not None][::3]:
        draw = Stream(seed, person.index, "practice")
        patient = str(1500 + person.index)
        book.patients[patient] = person.nhs_number or ""
        for day in sorted(
            {
                draw.day(date(2024, 1, 8), REFERENCE_DATE + timedelta(days=60))
                for _ in range(draw.number(3, 9))
            }
        ):
            number += 1
            _visit(draw, book, patient, day, number)
    book.invoices.sort(key=lambda row: (row["issue_date"], str(row["id"])))
    book.appointments.sort(key=lambda row: (row["starts_at"], str(row["id"])))
    return book


def _visit(draw: Stream, book: PracticeBook, patient: str, day: date, number: int) -> None:
    """An appointment and, where the day has come, its invoice."""
    hour, is_past = draw.number(8, 16), day < REFERENCE_DATE
    state = draw.pick_weighted(("kept", "cancelled", "missed", "deleted"), (80.0, 10.0, 5.0, 5.0))
    book.appointments.append(
        {
            "id": str(number),
            "starts_at": f"{day.isoformat()}T{hour:02d}:00:00Z",
            "ends_at": f"{day.isoformat()}T{hour:02d}:30:00Z",
            "cancelled_at": f"{day.isoformat()}T07:30:00Z" if state == "cancelled" else None,
            "did_not_arrive": state == "missed",
            "patient_arrived": is_past and state == "kept",
            "deleted_at": f"{day.isoformat()}T06:00:00Z" if state == "deleted" else None,
            "patient": {"links": {"self": f"{BASE}/patients/{patient}"}},
        }
    )
    if is_past and state != "cancelled":
        book.invoices.append(_invoice(draw, patient, day, number))


def _invoice(draw: Stream, patient: str, day: date, number: int) -> Json:
    status, described = draw.pick(STATUSES)
    net = draw.decimal(55.0, 12.0, 1 if draw.chance(0.5) else 2)
    is_deleted = draw.chance(0.06)
    own_id = number - 69_900
    return {
        "id": own_id if draw.chance(0.5) else str(own_id),
        "issue_date": day.isoformat(),
        "total_amount": str(net),
        "tax_amount": "0.0",
        "net_amount": str(net),
        "status": status,
        "number": own_id,
        "status_description": described,
        "deleted_at": f"{day.isoformat()}T18:00:00Z" if is_deleted else None,
        "closed_at": f"{day.isoformat()}T17:00:00Z" if status == 20 else None,
        "appointment": {"links": {"self": f"{BASE}/appointments/{number}"}},
        "patient": {"links": {"self": f"{BASE}/patients/{patient}"}},
    }
