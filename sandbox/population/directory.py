"""What a source holds besides patients: organisations, places, staff, instruments, forms and medicines."""

from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sandbox.population.concept import DMD, LOINC, SNOMED, coding, concept, hl7, identifier, snomed
from sandbox.population.identity import practices
from sandbox.population.model import Practice
from sandbox.population.record import Reference, Register
from sandbox.population.registration import ODS_SYSTEM
from sandbox.population.stream import Stream
from sandbox.population.tables import document, table

OPENED = date(2014, 4, 1)
STAFF_SYSTEM = "https://fhir.hl7.org.uk/Id/gmc-number"
CHOICES = ("Not at all", "Several days", "More than half the days", "Nearly every day")
Json = dict[str, Any]


@dataclass(slots=True)
class Directory:
    """References to what a source's records point at, by key."""

    organization: Reference
    departments: dict[str, Reference] = field(default_factory=dict)
    locations: dict[str, Reference] = field(default_factory=dict)
    practitioners: list[Reference] = field(default_factory=list)
    roles: list[Reference] = field(default_factory=list)
    devices: list[Reference] = field(default_factory=list)
    medicines: dict[str, Reference] = field(default_factory=dict)
    questionnaire: Reference = field(default_factory=dict)
    general_practices: dict[str, Reference] = field(default_factory=dict)

    def location(self, key: str) -> Reference:
        """Where a visit of a kind takes place."""
        return self.locations.get(key) or next(iter(self.locations.values()))


def hospital_directory(register: Register, seed: int) -> Directory:
    """Writes the hospital's directory."""
    about = document("staff")["hospital"]
    directory = Directory(
        register.add("Organization", OPENED, _organization(about, "prov", "Healthcare Provider"))
    )
    for department in about["department"]:
        key = department["key"]
        content = {
            "active": True,
            "type": [hl7("organization-type", "dept", "Hospital Department")],
            "name": department["name"],
            "partOf": directory.organization,
        }
        directory.departments[key] = register.add("Organization", OPENED, content)
        directory.locations[key] = register.add("Location", OPENED, _location(department["name"], directory))
    for practice in practices():
        held = register.add("Organization", OPENED, _practice(practice))
        directory.general_practices[practice.organization] = held
    _employ(register, directory, Stream(seed, "staff", "ehr"))
    _equip(register, directory)
    return directory


def practice_directory(register: Register, practice: Practice, seed: int) -> Directory:
    """Writes a practice's directory."""
    directory = Directory(register.add("Organization", OPENED, _practice(practice)))
    directory.locations["surgery"] = register.add("Location", OPENED, _location(practice.name, directory))
    _employ(register, directory, Stream(seed, "staff", practice.organization))
    return directory


def _practice(practice: Practice) -> Json:
    about = {"organization": practice.organization, "name": practice.name}
    return _organization(
        about | {"city": practice.city, "postcode": practice.postcode}, "prov", "GP practice"
    ) | {"telecom": [{"system": "phone", "value": practice.phone, "use": "work"}]}


def _organization(about: Json, kind: str, text: str) -> Json:
    return {
        "identifier": identifier(ODS_SYSTEM, about["organization"]),
        "active": True,
        "type": [hl7("organization-type", kind, "Healthcare Provider") | {"text": text}],
        "name": about["name"],
        "address": [{"city": about["city"], "postalCode": about["postcode"], "country": "GBR"}],
    }


def _location(name: str, directory: Directory) -> Json:
    return {
        "status": "active",
        "name": name,
        "mode": "instance",
        "managingOrganization": directory.organization,
    }


def _employ(register: Register, directory: Directory, draw: Stream) -> None:
    """Staff with their roles, one form, and the medicines that are kept as resources."""
    for role in document("staff")["role"]:
        if role["source"] != register.source:
            continue
        for _ in range(role["count"]):
            practitioner = register.add("Practitioner", OPENED, _practitioner(draw))
            directory.practitioners.append(practitioner)
            directory.roles.append(
                register.add("PractitionerRole", OPENED, _role(role, practitioner, directory))
            )
    directory.questionnaire = register.add("Questionnaire", OPENED, _questionnaire())
    for row in table("medicines"):
        content = {
            "code": concept(coding(DMD, row["dmd"], row["display"]), text=row["display"]),
            "status": "active",
        }
        directory.medicines[row["key"]] = register.add("Medication", OPENED, content)


def _practitioner(draw: Stream) -> Json:
    sex = draw.pick(("female", "male"))
    given = draw.pick([row for row in table("names") if row["kind"] == "given" and row["sex"] == sex])
    family = draw.pick([row for row in table("names") if row["kind"] == "family"])
    return {
        "identifier": identifier(STAFF_SYSTEM, f"C{draw.number(1_000_000, 9_999_999)}"),
        "active": True,
        "name": [{"use": "official", "family": family["name"], "given": [given["name"]], "prefix": ["Dr"]}],
        "gender": sex,
    }


def _role(role: Json, practitioner: Reference, directory: Directory) -> Json:
    return {
        "active": True,
        "practitioner": practitioner,
        "organization": directory.organization,
        "code": [snomed(role["code"], role["display"])],
        "specialty": [snomed(role["specialty"], role["specialty_display"])],
        "location": list(directory.locations.values())[:1],
    }


def _equip(register: Register, directory: Directory) -> None:
    for monitor in document("staff")["monitor"]:
        content = {
            "status": "active",
            "deviceName": [{"name": monitor["name"], "type": "user-friendly-name"}],
            "type": concept(coding(SNOMED, monitor["device"], monitor["device_display"])),
            "owner": directory.organization,
        }
        device = register.add("Device", OPENED, content)
        directory.devices.append(device)
        nomenclature = "urn:iso:std:iso:11073:10101"
        register.add(
            "DeviceMetric",
            OPENED,
            {
                "type": concept(coding(nomenclature, monitor["metric"], monitor["metric_display"])),
                "unit": concept(coding(nomenclature, monitor["unit"], monitor["unit_display"])),
                "source": device,
                "operationalStatus": "on",
                "category": "measurement",
            },
        )


def _questionnaire() -> Json:
    form = document("staff")["questionnaire"]
    items = [
        {
            "linkId": item["code"],
            "code": [coding(LOINC, item["code"], item["text"])],
            "text": item["text"],
            "type": "choice",
            "answerOption": [{"valueString": choice} for choice in CHOICES],
        }
        for item in form["item"]
    ]
    return {
        "url": form["url"],
        "version": "1.0",
        "title": form["title"],
        "status": "active",
        "subjectType": ["Patient"],
        "date": "2019-03",
        "code": [coding(LOINC, form["code"], form["code_display"])],
        "item": items,
    }
