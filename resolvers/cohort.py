"""`patients(identifiers:)`: many people at once, and for each identifier how its lookup ended."""

from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Final

import msgspec

from clinical.identifiers import Token
from resolvers.admission import person_node
from resolvers.connection import ROWS, TELLING, Connection, require, tell
from resolvers.errors import ArgumentInvalid
from resolvers.field import FieldCall
from resolvers.given import note_resources
from resolvers.outcome import SourceOutcome, SourceStatus
from resolvers.patients import may_find, parse_identifier
from resolvers.person_lookup import IdentifierAmbiguous
from resolvers.persons import Person
from resolvers.plan import outcome_of
from resolvers.question import question_of
from resolvers.resource import Node, Resource
from resolvers.upstreams.errors import UpstreamError

_BESIDE: Final = frozenset({"identifiers", "first", "require"})
"""The arguments that go with identifiers."""
_LOOKUPS: Final = "lookups"

Answer = Person | UpstreamError | IdentifierAmbiguous | None


class LookupStatus(Enum):
    """How the lookup of one identifier ended (docs/record.md)."""

    FOUND = "FOUND"
    NOT_FOUND = "NOT_FOUND"
    CONFLICT = "CONFLICT"
    WITHHELD = "WITHHELD"
    SOURCE_UNAVAILABLE = "SOURCE_UNAVAILABLE"
    INVALID = "INVALID"


class PatientLookup(msgspec.Struct, frozen=True):
    """One identifier, as the caller gave it, with what it led to. `source`: which one did not answer."""

    identifier: str
    status: LookupStatus
    node: Node | None = None
    source: str | None = None
    person: Person | None = None


async def cohort(call: FieldCall, identifiers: Sequence[str]) -> Connection | None:
    """A page of everyone who was found without doubt, each once, with an outcome for each identifier.

    Raises ArgumentInvalid for too many identifiers, and for arguments that do not go with them;
    AnswerIncomplete.
    """
    _check(call, identifiers)
    context = call.context
    told = context.permissions.rules.told_by("Patient", ("identifier",))
    if not may_find(call, "s", told):
        return None
    tokens = [_token(one) for one in identifiers]
    wanted = list(dict.fromkeys(one for one in tokens if one is not None))
    answers = dict(zip(wanted, await context.identity.of_identifiers(wanted), strict=True))
    made = {token: await _lookup(call, token, answer, told) for token, answer in answers.items()}
    lookups = [
        PatientLookup(text, LookupStatus.INVALID)
        if token is None
        else msgspec.structs.replace(made[token], identifier=text)
        for text, token in zip(identifiers, tokens, strict=True)
    ]
    asked = {"first": len(lookups), "require": call.arguments.get("require")}
    connection = Connection(question_of("Patient", asked, context.first_max), None, context, [])
    connection.told, connection.tells = told, bool(call.selected & TELLING)
    connection.lookups = lookups
    connection.show(_rows(lookups), list(_outcomes(call, lookups, answers.values())), False)
    if connection.question.requires_complete:
        require(context, connection.outcomes)
    _disclose(call, connection, lookups)
    tell(context, connection.outcomes, call)
    return connection


def _disclose(call: FieldCall, connection: Connection, lookups: Sequence[PatientLookup]) -> None:
    """Notes who is given out, once each, and what that took."""
    tells = _LOOKUPS in call.selected
    told = [one.node for one in lookups if one.node is not None] if tells else []
    given = [*told, *(connection.nodes if call.selected & ROWS else ())]
    records = {one.resource.key: one.resource for one in given}
    note_resources(call.context.disclosures, None, list(records.values()))
    asked = sum("Patient" in one.types for one in call.context.upstreams.values())
    call.context.tally.page(call.at, asked, max(len(records), len(lookups) if tells else 0))


def _check(call: FieldCall, identifiers: Sequence[str]) -> None:
    others = sorted(
        name for name, value in call.arguments.items() if name not in _BESIDE and value is not None
    )
    if others:
        raise ArgumentInvalid(f"identifiers: {', '.join(others)} does not go with it")
    most = call.context.first_max
    if not 0 < len(identifiers) <= most:
        raise ArgumentInvalid(f"identifiers: 1 to {most} at once")
    first = call.arguments.get("first")
    if first is not None and first < len(identifiers):
        raise ArgumentInvalid("first: everyone is on one page, so not less than there are identifiers")


def _token(text: str) -> Token | None:
    try:
        return parse_identifier(text)
    except ArgumentInvalid:
        return None


async def _lookup(call: FieldCall, token: Token, answer: Answer, told: frozenset[str]) -> PatientLookup:
    """How one lookup ended, as far as the caller may know. To a caller who does not see everybody, whoever
    is not seen is not found, and a source that did not answer may have known either."""
    context = call.context
    may_know = context.permissions.sees_all("s", "Patient", told)
    if isinstance(answer, UpstreamError):
        return PatientLookup("", LookupStatus.SOURCE_UNAVAILABLE, source=answer.source)
    if not isinstance(answer, Person):
        contested = context.identity.contested.get(token, ())
        is_contested = bool(contested) or isinstance(answer, IdentifierAmbiguous)
        if may_know:
            context.warn_of_conflicts(contested)
        status = LookupStatus.CONFLICT if is_contested and may_know else LookupStatus.NOT_FOUND
        return PatientLookup("", status)
    node = await person_node(context, answer, "s", told)
    if node is not None:
        status = LookupStatus.CONFLICT if answer.conflicts else LookupStatus.FOUND
        return PatientLookup("", status, node, person=answer)
    if may_know:
        return PatientLookup("", LookupStatus.WITHHELD)
    silent = next((one for one in answer.outcomes.values() if one.is_unanswered), None)
    if silent is not None:
        return PatientLookup("", LookupStatus.SOURCE_UNAVAILABLE, source=silent.source)
    return PatientLookup("", LookupStatus.NOT_FOUND)


def _rows(lookups: Iterable[PatientLookup]) -> list[tuple[Resource, Node]]:
    found = {
        one.person.id: (one.person.records[0], one.node)
        for one in reversed(list(lookups))
        if one.status is LookupStatus.FOUND and one.person is not None and one.node is not None
    }
    return list(reversed(found.values()))


def _outcomes(
    call: FieldCall, lookups: Sequence[PatientLookup], answers: Iterable[Answer]
) -> Iterable[SourceOutcome]:
    """How each source did its part: the first gap that there was, of those whom the caller sees."""
    errors = [outcome_of(one) for one in answers if isinstance(one, UpstreamError)]
    persons = [one.person for one in lookups if one.person is not None]
    for name, upstream in call.context.upstreams.items():
        if "Patient" not in upstream.types:
            continue
        mine = [one for one in errors if one.source == name]
        mine += [outcome for one in persons if (outcome := one.outcomes.get(name)) is not None]
        gap = next((one for one in mine if one.is_gap), None)
        answered = next((one for one in mine if one.status is SourceStatus.OK), None)
        yield gap or answered or SourceOutcome(name, SourceStatus.OK)
