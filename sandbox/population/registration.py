"""Patient resources: the same person as the hospital and as the practice wrote them down."""

from typing import Any

from clinical.identifiers import NHS_NUMBER_SYSTEM
from sandbox.population.identity import Identity
from sandbox.population.record import Record, instant
from sandbox.population.stream import Stream

ODS_SYSTEM = "https://fhir.nhs.uk/Id/ods-organization-code"
HOSPITAL_NUMBER_SYSTEM = "https://ehr.sandbox.invalid/Id/hospital-number"
PRACTICE_NUMBER_SYSTEM = "https://gp.sandbox.invalid/Id/patient-number"
UK_CORE = "https://fhir.hl7.org.uk/StructureDefinition/"
DATA_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
ETHNIC_SYSTEM = "https://fhir.hl7.org.uk/CodeSystem/UKCore-EthnicCategory"
ETHNIC_CATEGORIES = (
    ("A", "British, Mixed British"),
    ("J", "Pakistani or British Pakistani"),
    ("N", "African"),
)
Json = dict[str, Any]


def patient(record: Record) -> None:
    """Writes the Patient of one source, with the traps of the person's traits."""
    person, source = record.person, record.source
    is_restricted = source == "ehr" and "restricted" in person.traits
    content: Json = {
        "meta": _meta(record, is_restricted),
        "identifier": _identifiers(record),
        "active": True,
        "extension": _ethnic_category(person) if source == "gp" else None,
        "name": _names(person, source),
        "telecom": None if is_restricted else _telecom(person, source),
        "gender": person.sex,
        **_birth(person, source),
        "deceasedDateTime": person.deceased.isoformat() if person.deceased else None,
        "maritalStatus": _marital_status(person) if source == "ehr" else None,
        "address": None if is_restricted else [_address(person)],
        "generalPractitioner": None if is_restricted else _registered_practice(person, source),
        "communication": _communication(person, source),
    }
    record.register.add_as(record.patient_id, "Patient", person.until, content)


def _meta(record: Record, is_restricted: bool) -> Json:
    written: Json = {"versionId": "3", "lastUpdated": f"{record.person.until.isoformat()}T08:30:00Z"}
    if record.source == "gp":
        written["profile"] = [f"{UK_CORE}UKCore-Patient"]
    if is_restricted:
        system = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
        written["security"] = [{"system": system, "code": "R", "display": "restricted"}]
    return written


def _identifiers(record: Record) -> list[Json]:
    local = HOSPITAL_NUMBER_SYSTEM if record.source == "ehr" else PRACTICE_NUMBER_SYSTEM
    value = f"H{700_000 + record.person.index * 13}" if record.source == "ehr" else f"{record.patient_id}"
    own: Json = {"use": "usual", "system": local, "value": value}
    if record.person.recorded_number is None:
        return [own]
    national: Json = {"use": "official", "system": NHS_NUMBER_SYSTEM, "value": record.person.recorded_number}
    if record.source == "gp":
        national["extension"] = [_verification(record.person.is_verified)]
    return [national, own]


def _verification(is_verified: bool) -> Json:
    verified, untraced = ("01", "Number present and verified"), ("02", "Number present but not traced")
    code, display = verified if is_verified else untraced
    system = "https://fhir.hl7.org.uk/CodeSystem/UKCore-NHSNumberVerificationStatus"
    coding = {"system": system, "code": code, "display": display}
    return {
        "url": f"{UK_CORE}Extension-UKCore-NHSNumberVerificationStatus",
        "valueCodeableConcept": {"coding": [coding]},
    }


def _names(person: Identity, source: str) -> list[Json]:
    """The name in use, perhaps a former one; a masked second given name leaves a null in the list."""
    name = person.names[source]
    written: Json = {"use": "official", "family": name.family, "given": list(name.given)}
    if source == "ehr" and "masked-name" in person.traits:
        masked = {"url": DATA_ABSENT, "valueCode": "masked"}
        written |= {"given": [name.given[0], None], "_given": [None, {"extension": [masked]}]}
    if name.prefix:
        written["prefix"] = [name.prefix]
    if "former-name" not in person.traits:
        return [written]
    return [
        written,
        {"use": "old", "family": "Formerly", "given": [name.given[0]], "period": {"end": "2015"}},
    ]


def _ethnic_category(person: Identity) -> list[Json]:
    code, display = Stream("ethnic-category", person.index).pick(ETHNIC_CATEGORIES)
    coding = {"system": ETHNIC_SYSTEM, "code": code, "display": display}
    url = f"{UK_CORE}Extension-UKCore-EthnicCategory"
    return [{"url": url, "valueCodeableConcept": {"coding": [coding]}}]


def _marital_status(person: Identity) -> Json | None:
    if person.age_on(person.until) < 18:
        return None
    code, display = Stream("marital", person.index).pick(
        (("M", "Married"), ("S", "Never Married"), ("W", "Widowed"))
    )
    system = "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus"
    return {"coding": [{"system": system, "code": code, "display": display}]}


def _birth(person: Identity, source: str) -> Json:
    if source == "gp" and "partial-birth-date" in person.traits:
        return {"birthDate": person.born.strftime("%Y")}
    born: Json = {"birthDate": person.born.isoformat()}
    if "birth-time" in person.traits:
        url = "http://hl7.org/fhir/StructureDefinition/patient-birthTime"
        moment = Stream("birth-time", person.index).time_on(person.born, 0, 23)
        born["_birthDate"] = {"extension": [{"url": url, "valueDateTime": instant(moment)}]}
    return born


def _telecom(person: Identity, source: str) -> list[Json]:
    telecom: list[Json] = [{"system": "phone", "value": person.phone, "use": "mobile"}]
    if source == "gp" and person.email:
        telecom.append({"system": "email", "value": person.email, "use": "home"})
    return telecom


def _address(person: Identity) -> Json:
    home = person.address
    return {
        "use": "home",
        "line": [home.line],
        "city": home.city,
        "district": home.district,
        "postalCode": home.postcode,
        "country": "GBR",
    }


def _registered_practice(person: Identity, source: str) -> list[Json] | None:
    if source == "ehr" and ("no-practice" in person.traits or "gp" not in person.sources):
        return None
    identifier = {"system": ODS_SYSTEM, "value": person.practice.organization}
    return [{"type": "Organization", "identifier": identifier, "display": person.practice.name}]


def _communication(person: Identity, source: str) -> list[Json] | None:
    draw = Stream("language", person.index)
    if source != "gp" or not draw.chance(0.12):
        return None
    code, display = draw.pick((("cy", "Welsh"), ("pl", "Polish"), ("ur", "Urdu")))
    return [{"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": code, "display": display}]}}]
