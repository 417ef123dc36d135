"""What surrounds care: relatives, episodes, entitlement, consent, messages, own devices, invoices."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from sandbox.population.concept import LOINC, SNOMED, coding, concept, hl7
from sandbox.population.directory import Directory
from sandbox.population.record import Record, Reference, instant
from sandbox.population.stream import Stream

SPINE = "https://directory.spineservices.nhs.uk/STU3/Organization/RAE"
RELATIONS = (
    ("MTH", "mother"),
    ("FTH", "father"),
    ("SPS", "spouse"),
    ("CHILD", "child"),
    ("FRND", "unrelated friend"),
)
Json = dict[str, Any]


def write_administration(record: Record, directory: Directory, mother: Reference | None) -> None:
    """Writes the administrative resources of one source."""
    _write_relative(record, mother)
    _write_episode(record, directory)
    _write_consent(record, directory)
    if record.source == "ehr":
        _write_coverage(record)
        _write_message(record, directory)
        _write_own_device(record)
        _write_invoice(record, directory)


def _write_relative(record: Record, mother: Reference | None) -> None:
    if mother is None and not record.draw.chance(0.5):
        return
    draw = record.draw
    code, display = RELATIONS[0] if mother else draw.pick(RELATIONS[2:])
    family = record.person.names[record.source].family
    given = Stream("relative", record.person.index).pick(("Morag", "Terence", "Amina", "Owen"))
    content: Json = {
        "active": True,
        "patient": record.patient,
        "relationship": [hl7("v3-RoleCode", code, display)],
        "name": [{"family": family, "given": [given]}],
        "telecom": [{"system": "phone", "value": f"07700 900{draw.number(0, 999):03d}", "use": "mobile"}],
    }
    record.add("RelatedPerson", record.person.since, content)


def _write_episode(record: Record, directory: Directory) -> None:
    person = record.person
    period: Json = {"start": person.since.isoformat()}
    if person.deceased:
        period["end"] = person.deceased.isoformat()
    content: Json = {
        "status": "finished" if person.deceased else "active",
        "type": [{"text": "Registration" if record.source == "gp" else "Specialist care"}],
        "patient": record.patient,
        "managingOrganization": directory.organization,
        "period": period,
        "careManager": record.draw.pick(directory.practitioners),
    }
    record.add("EpisodeOfCare", person.since, content)


def _write_consent(record: Record, directory: Directory) -> None:
    if not record.draw.chance(0.6):
        return
    day = record.draw.day(record.person.since, record.person.until)
    content: Json = {
        "status": "active",
        "scope": hl7("consentscope", "patient-privacy", "Privacy Consent"),
        "category": [concept(coding(LOINC, "59284-0", "Consent Document"))],
        "patient": record.patient,
        "dateTime": day.isoformat(),
        "organization": [directory.organization],
        "policyRule": hl7("v3-ActCode", "OPTIN", "opt-in"),
        "provision": {
            "type": "deny" if record.draw.chance(0.15) else "permit",
            "period": {"start": day.isoformat()},
        },
    }
    record.add("Consent", day, content)


def _write_coverage(record: Record) -> None:
    """Entitlement to NHS care. The payor stands in a directory that is no source of ours."""
    content: Json = {
        "status": "active",
        "type": hl7("v3-ActCode", "PUBLICPOL", "public healthcare"),
        "beneficiary": record.patient,
        "period": {"start": record.person.born.isoformat()},
        "payor": [{"reference": SPINE, "display": "NHS England"}],
    }
    record.add("Coverage", record.person.since, content)


def _write_message(record: Record, directory: Directory) -> None:
    if not record.draw.chance(0.5):
        return
    sent = record.draw.time_on(record.draw.day(record.person.since, record.person.until))
    content: Json = {
        "status": "completed",
        "category": [hl7("communication-category", "reminder", "Reminder")],
        "subject": record.patient,
        "sent": instant(sent),
        "recipient": [record.patient],
        "sender": directory.organization,
        "payload": [{"contentString": "Your appointment is next week. Please bring your medicines."}],
    }
    record.add("Communication", sent, content)


def _write_own_device(record: Record) -> None:
    if not record.draw.chance(0.2):
        return
    content: Json = {
        "status": "active",
        "type": concept(coding(SNOMED, "39690000", "Sphygmomanometer")),
        "patient": record.patient,
        "serialNumber": f"SN{record.draw.number(10_000, 99_999)}",
    }
    record.add("Device", record.person.since, content)


def _write_invoice(record: Record, directory: Directory) -> None:
    """A report for an insurer, which a patient pays for: money with its zeros."""
    if not record.draw.chance(0.25):
        return
    day: date = record.draw.day(
        max(record.person.since, record.person.until - timedelta(days=900)), record.person.until
    )
    net = record.draw.pick((Decimal("50.00"), Decimal("117.50"), Decimal("33.30")))
    content: Json = {
        "status": record.draw.pick(("issued", "balanced")),
        "subject": record.patient,
        "recipient": record.patient,
        "date": day.isoformat(),
        "issuer": directory.organization,
        "lineItem": [
            {
                "chargeItemCodeableConcept": {"text": "Medical report for insurer"},
                "priceComponent": [{"type": "base", "amount": {"value": net, "currency": "GBP"}}],
            }
        ],
        "totalNet": {"value": net, "currency": "GBP"},
        "totalGross": {"value": net, "currency": "GBP"},
    }
    record.add("Invoice", day, content)
