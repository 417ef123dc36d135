"""Which resources a caller may see: everything, or one person's compartment.

Types that are about no patient (Medication, Practitioner, Organization, ...) are visible to a
caller with a compartment only where a visible resource refers to them.
"""

from typing import Final

from clinical.compartment import compartment_parameters, patient_references, subject_element
from clinical.references import parse_reference
from resolvers.persons import Person
from resolvers.resource import Resource

_CARRIERS: Final = frozenset({"Bundle", "Parameters"})


def is_about(resource: Resource, record: Resource) -> bool:
    """Whether a resource is about the person of a Patient record of the same source."""
    if resource.source != record.source or resource.location.base_url != record.location.base_url:
        return False
    # Nearly every row says it in this one way; the others are worth a closer look.
    subject = resource.json.get(subject_element(resource.type) or "")
    if type(subject) is dict and subject.get("reference") == f"Patient/{record.id}":
        return True
    return any(names(text, record) for text in patient_references(resource.json))


def names(reference: str, record: Resource) -> bool:
    """Whether a reference in a resource of the record's own place names the record."""
    parsed = parse_reference(reference)
    base = (parsed.base or record.location.base_url).rstrip("/")
    return parsed.local == f"Patient/{record.id}" and base == record.location.base_url.rstrip("/")


def is_in_compartment(resource: Resource, person: Person, *, followed: bool) -> bool:
    """Whether a caller limited to a person may see the resource.

    A contained resource is as visible as its holder, but what a Bundle carries is a record of its own.
    `followed`: a visible resource refers to it.
    """
    if resource.container is not None and resource.container.type not in _CARRIERS:
        return is_in_compartment(resource.container, person, followed=followed)
    if resource.type == "Patient":
        return any(record.key == resource.key for record in person.records)
    if not compartment_parameters(resource.type) and not patient_references(resource.json):
        return followed
    return any(is_about(resource, record) for record in person.subjects)
