"""From resources to the rows of a summary. What means the opposite of what it seems to is no row.

A row is made of what its source recorded; a resource that was not done, refuted, forbidden or is over is
left out (None). `modifierExtension` is looked at before (`resolvers.summary.section`).
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from clinical.dates import DateInvalid, interval
from clinical.display import PREFERRED_SYSTEMS
from resolvers.resource import Json
from resolvers.summary.readings import code, date, joined, objects, text, words

Row = dict[str, Any]
"""The row's fields by their names in the schema; `_at` is the date by which rows are sorted."""

Preferred = Sequence[str]
"""The code systems whose words a concept is shown in."""

MakeRow = Callable[[Json, Preferred], Row | None]

_CLOSED: Final = frozenset({"inactive", "resolved", "remission"})
_TAKEN: Final = frozenset({"active", "on-hold", "unknown", "intended", "draft"})
_DONE: Final = frozenset({"completed", "in-progress", "unknown"})
_COMING: Final = frozenset({"proposed", "pending", "booked", "arrived", "checked-in", "waitlist"})
_GOING: Final = frozenset({"active", "on-hold", "unknown"})


def problem(json: Json, preferred: Preferred = PREFERRED_SYSTEMS) -> Row | None:
    """A Condition that is not over and not refuted. A missing status is no reason to hide it."""
    status, verified = code(json.get("clinicalStatus")), code(json.get("verificationStatus"))
    has_ended = status is None and any(name.startswith("abatement") for name in json)
    if status in _CLOSED or verified == "refuted" or has_ended:
        return None
    since = date(json, "onset")
    said = status if verified in (None, "confirmed") else joined([status, f"({verified})"], " ")
    return _row(preferred, json.get("code"), since or date(json, "recordedDate"), since=since, status=said)


def allergy(json: Json, preferred: Preferred = PREFERRED_SYSTEMS) -> Row | None:
    """An AllergyIntolerance that is not over and not refuted."""
    if code(json.get("clinicalStatus")) in _CLOSED or code(json.get("verificationStatus")) == "refuted":
        return None
    at = date(json, "recordedDate", "onset")
    return _row(preferred, json.get("code"), at, criticality=text(json.get("criticality")))


def medication(json: Json, preferred: Preferred = PREFERRED_SYSTEMS) -> Row | None:
    """A MedicationRequest or MedicationStatement of something that is taken, or is to be."""
    status = text(json.get("status"))
    if json.get("doNotPerform") is True or (status is not None and status not in _TAKEN):
        return None
    if json.get("intent") in ("proposal", "plan"):
        return None  # nobody has ordered it yet
    since = date(json, "authoredOn", "effective", "dateAsserted")
    row = _row(preferred, json.get("medicationCodeableConcept"), since, since=since, status=status)
    row["text"] = row["text"] or _referred(json, preferred)
    dosages = objects(json.get("dosageInstruction") or json.get("dosage"))
    row["dose"] = joined(
        [text(one.get("text")) or text(one.get("patientInstruction")) for one in dosages], "; "
    )
    return row


def immunization(json: Json, preferred: Preferred = PREFERRED_SYSTEMS) -> Row | None:
    """An Immunization that was given."""
    if json.get("status") != "completed":
        return None
    at = date(json, "occurrence")
    return _row(preferred, json.get("vaccineCode"), at, date=at)


def procedure(json: Json, preferred: Preferred = PREFERRED_SYSTEMS) -> Row | None:
    """A Procedure that was done."""
    if json.get("status") not in _DONE:
        return None
    at = date(json, "performed")
    return _row(preferred, json.get("code"), at, date=at)


def appointment(
    json: Json, preferred: Preferred = PREFERRED_SYSTEMS, now: datetime | None = None
) -> Row | None:
    """An Appointment that is still to come, or under way."""
    start = date(json, "start")
    status = text(json.get("status"))
    if status not in _COMING or not _is_to_come(text(json.get("end")) or start, now or datetime.now(UTC)):
        return None
    said = (json.get(name) for name in ("serviceType", "appointmentType", "reasonCode", "specialty"))
    row = _row(preferred, None, start, start=start, status=status)
    reasons = (words(one, preferred) for one in said)
    row["text"] = text(json.get("description")) or next(filter(None, reasons), None)
    return row


def care_plan(json: Json, preferred: Preferred = PREFERRED_SYSTEMS) -> Row | None:
    """A CarePlan that is followed."""
    status = text(json.get("status"))
    if status not in _GOING:
        return None
    row = _row(preferred, json.get("category"), date(json, "period", "created"), status=status)
    row["text"] = text(json.get("title")) or text(json.get("description")) or row["text"]
    return row


def _row(preferred: Preferred, concept: Any, at: str | None, **fields: Any) -> Row:
    return {"text": words(concept, preferred), "_at": at, **fields}


def _referred(json: Json, preferred: Preferred) -> str | None:
    """The name of a Medication that is referred to: as the reference says, or as what is contained says."""
    for reference in objects(json.get("medicationReference")):
        target = text(reference.get("reference")) or ""
        held = (one for one in objects(json.get("contained")) if target == f"#{one.get('id')}")
        found = next((words(one.get("code"), preferred) for one in held), None)
        return found or text(reference.get("display"))
    return None


def _is_to_come(ends: str | None, now: datetime) -> bool:
    try:
        return ends is not None and interval(ends).high > now
    except DateInvalid:
        return False
