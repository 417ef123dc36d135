"""What is given out is noted: whose rows, of which type, from which source."""

from collections.abc import Sequence
from typing import Any

from clinical.compartment import patient_references, subject_element
from clinical.references import parse_reference
from resolvers.disclosure import Disclosures
from resolvers.field import FieldCall
from resolvers.parts import attribute
from resolvers.resource import Node, Resource
from resolvers.straight import Straight


def give(call: FieldCall, node: Node | None, *index: int) -> Node | None:
    """The node, noted where there is one. `index`: where it stands in the field's list."""
    if node is not None:
        context, one = call.context, node.resource
        context.disclosures.note(one.person_id or patient_of(one), one.type, one.source)
        context.tally.find((call.at, *index) if index else call.at, one.type)
    return node


def note_resources(noted: Disclosures, person_id: str | None, resources: Sequence[Resource]) -> None:
    """Rows of a page; `person_id` None: each is of the patient that it names."""
    for one in resources:
        noted.note(person_id or one.person_id or patient_of(one), one.type, one.source)


def note_rows(noted: Disclosures, person_id: str | None, given: Straight) -> None:
    """Rows of a page that came the short way."""
    pages = given.pages
    page = given.page
    if person_id is not None and page is not None:
        noted.note(person_id, page.type, page.source, len(given.rows))
        return
    for row, page in zip(given.rows, pages, strict=True):
        who = person_id or _named(page.source, page.base_url, _subject(row, page.type))
        noted.note(who, page.type, page.source)


def patient_of(resource: Resource) -> str | None:
    """The person that a resource is about: the person's id where it is known, else the source's record.

    None for what is about nobody, and for somebody whom another place knows by the id that is there.
    """
    if resource.container is not None:
        return patient_of(resource.container)
    if resource.type == "Patient":
        return resource.person_id or f"{resource.source}/Patient/{resource.id}"
    place = resource.location.base_url
    return next((_named(resource.source, place, one) for one in patient_references(resource.json)), None)


def _subject(row: Any, type_: str) -> str | None:
    element = subject_element(type_)
    held = getattr(row, attribute(element), None) if element else None
    return held.reference_ if held is not None else None


def _named(source: str, place: str, reference: str | None) -> str | None:
    parsed = parse_reference(reference) if reference else None
    if parsed is None or parsed.type != "Patient":
        return None
    is_here = parsed.base is None or parsed.base.rstrip("/") == place.rstrip("/")
    return f"{source}/{parsed.local}" if is_here else None
