"""Patients: one node per person, whichever sources know the person (docs/schema.md)."""

from clinical.identifiers import NHS_NUMBER_SYSTEM, Token, TokenInvalid, is_nhs_number, parse_token
from resolvers.admission import is_labelled, person_node, plain_node
from resolvers.conflict import IdentityConflict
from resolvers.connection import TELLING, gap_error
from resolvers.context import LocatedError
from resolvers.errors import ArgumentInvalid
from resolvers.field import FieldCall
from resolvers.given import give, note_resources
from resolvers.names import patient_lists
from resolvers.outcome import OK, Completeness, SourceOutcome, completeness, require_complete
from resolvers.person_lookup import IdentifierAmbiguous
from resolvers.persons import Person
from resolvers.question import Requirement
from resolvers.refill import ElementSource, refilled
from resolvers.resource import Node, Resource

_CONFLICTS = "Patient.identityConflicts"
_OF_THE_PERSON = frozenset({"id", "resourceType", "__typename"})
"""Fields that are the same whichever source answers."""


async def patient(call: FieldCall) -> Node | None:
    """`patient(id, identifier)`: one person, or null: unknown, withheld and foreign ids answer alike."""
    id_: str | None = call.arguments.get("id")
    identifier: str | None = call.arguments.get("identifier")
    if id_ is None or identifier is not None:
        if identifier is None or id_ is not None:
            raise ArgumentInvalid("patient: give either id or identifier")
        return await _with_identifier(call, identifier)
    context = call.context
    sees_all = context.permissions.sees_all("r", "Patient")
    if not sees_all and not may_find(call, "r"):
        return None
    person = await context.identity.of_id(id_)
    if person is None or not (sees_all and person.is_plain and person.is_unlabelled):
        return give(call, await show(call, person))
    # Every source answered, and nothing is withheld from who sees all: `show` would find nothing to tell.
    record = person.records[0]
    for outcome in person.outcomes.values():
        context.note(outcome)
    context.disclosures.note(person.id, "Patient", record.source)
    context.tally.find(call.at, "Patient")
    return Node(record.json, record)


async def _with_identifier(call: FieldCall, identifier: str) -> Node | None:
    identity = call.context.identity
    told = call.context.permissions.rules.told_by("Patient", ("identifier",))
    if not may_find(call, "s", told):
        return None
    try:
        token = parse_identifier(identifier)
        person = await identity.of_identifier(token)
        if person is None and call.context.permissions.sees_all("s", "Patient", told):
            call.context.warn_of_conflicts(identity.contested.get(token, ()))
        return give(call, await show(call, person, "s", told=told))
    except IdentifierAmbiguous:
        if not call.context.permissions.sees_all("s", "Patient", told):
            return None  # that others have it is nothing to tell
        raise


def may_find(call: FieldCall, action: str, told: frozenset[str] = frozenset()) -> bool:
    """Whether the scopes permit to find a Patient by id (`r`) or identifier (`s`); told where they do not."""
    permissions = call.context.permissions
    if permissions.reaches(action, "Patient", told):
        return True
    denied = [one for one in sorted(told) if not permissions.granted(one)]
    for one in denied or ["Patient"]:
        call.context.deny(call.path, one, action)
    return False


async def me(call: FieldCall) -> Node | None:
    """The token's own patient, null for a token without one."""
    if not call.context.principal.has_patient:
        return None
    return give(call, await show(call, await call.context.own_person()))


async def show(
    call: FieldCall,
    person: Person | None,
    action: str = "r",
    *,
    followed: bool = False,
    told: frozenset[str] = frozenset(),
) -> Node | None:
    """A person as a Patient node, where the caller may see the person.

    A source that did not answer and might have changed what is shown is told: where the caller asks
    how complete the Patient or one of its lists is, there, and else as an error. Not where a
    reference was `followed`: every row of a list would tell the same. Raises AnswerIncomplete where a
    complete lookup is required and this was none.
    """
    context = call.context
    if person is None:
        return None
    node = plain_node(context, person, action, told) or await person_node(context, person, action, told)
    if node is None:
        return None
    if call.arguments.get("require") is Requirement.COMPLETE:
        require_complete(person.outcomes.values())
    for outcome in person.outcomes.values():
        context.note(outcome)
        if (
            outcome.status is not OK
            and outcome.is_unanswered
            and not followed
            and _is_missed(outcome, person, call)
        ):
            context.errors.append(LocatedError(gap_error(outcome), call.path))
    return node


def _is_missed(outcome: SourceOutcome, person: Person, call: FieldCall) -> bool:
    """Whether a source that did not answer might have changed what is shown, and nothing below tells so."""
    ranks = list(call.context.upstreams)
    if not person.is_withheld and ranks.index(outcome.source) > ranks.index(person.shown.source):
        return False
    told_there = TELLING | patient_lists(call.context.served_types)
    return not (call.selected <= _OF_THE_PERSON or call.selected & told_there)


def parse_identifier(text: str) -> Token:
    """A bare NHS number, or `system|value`. Raises ArgumentInvalid."""
    bare = text.replace(" ", "")
    if "|" not in text:
        if not is_nhs_number(bare):
            raise ArgumentInvalid("identifier: not an NHS number (check digit), nor system|value")
        return Token(NHS_NUMBER_SYSTEM, bare)
    try:
        token = parse_token(text)
    except TokenInvalid:
        token = Token(None, None)
    if not token.system or not token.code:
        raise ArgumentInvalid("identifier: give system|value, or a bare NHS number")
    if token.system == NHS_NUMBER_SYSTEM and not is_nhs_number(token.code):
        raise ArgumentInvalid("identifier: the NHS number's check digit is wrong")
    return token


async def records(call: FieldCall) -> list[Resource]:
    """`Patient.records`: in order of precedence, less those that a label withholds."""
    person = await _person(call)
    found = [one for one in person.records if not is_labelled(call.context.permissions, one)]
    note_resources(call.context.disclosures, person.id, found)
    return found


async def identity_conflicts(call: FieldCall) -> list[IdentityConflict]:
    """`Patient.identityConflicts`: records that state an identifier of the person and are not linked, where
    the caller may see such a record."""
    person = await _person(call)
    permissions = call.context.permissions
    reaches = permissions.reaches("r", "Patient", frozenset({_CONFLICTS}))
    if not any(one.is_whole for one in reaches):
        return []
    return [one for one in person.conflicts if not is_labelled(permissions, one.record)]


async def element_sources(call: FieldCall) -> list[ElementSource]:
    """`Patient.elementSources`: from which record each element is that records may lend each other."""
    context, resource = call.context, call.parent.resource
    known = context.element_sources.get(resource)
    return list(
        known if known is not None else refilled(call.parent, (), context.identity.linking.refill).sources
    )


async def outcomes_of(call: FieldCall) -> list[SourceOutcome]:
    """`Patient.sources`: how each source's lookup of the person ended."""
    person = await _person(call)
    return list(person.outcomes.values())


async def patient_completeness(call: FieldCall) -> Completeness:
    """`Patient.completeness`: whether every source answered the lookup."""
    person = await _person(call)
    return completeness(person.outcomes.values())


async def _person(call: FieldCall) -> Person:
    return await call.context.identity.of_record(call.parent.resource)
