"""What a Patient record says of itself: its identifiers, and where the patient is registered."""

from collections.abc import Iterable, Iterator, Mapping

from clinical.identifiers import Token
from resolvers.resource import Json, Resource

Statements = frozenset[tuple[str, str]]
"""The identifiers that a record states: system (empty where it says none) and value without spaces."""


def statements(patient: Mapping[str, object]) -> Statements:
    """The identifiers of a record, read once for many questions."""
    return frozenset(_identifiers(patient))


def stating(tokens: Iterable[Token], records: Iterable[Resource]) -> dict[Token, list[Resource]]:
    """For each identifier the records that state it; spaces inside a value do not count."""
    said = [(record, statements(record.json)) for record in records]
    by_statement: dict[tuple[str, str], list[Resource]] = {}
    for record, one in said:
        for statement in one:
            by_statement.setdefault(statement, []).append(record)
    found: dict[Token, list[Resource]] = {}
    for token in tokens:
        if token.system is not None and token.code is not None:
            found[token] = by_statement.get((token.system, _plain(token.code)), [])
        else:
            found[token] = [record for record, one in said if _states(one, token)]
    return found


def _states(said: Statements, token: Token) -> bool:
    return any(
        token.system in (None, system) and (token.code is None or value == _plain(token.code))
        for system, value in said
    )


def organization_codes(patient: Json) -> Iterator[str]:
    """The codes of the organisations at which a record says that the patient is registered."""
    carers = patient.get("generalPractitioner")
    for reference in (*(carers if isinstance(carers, list) else ()), patient.get("managingOrganization")):
        if isinstance(reference, dict):
            yield from _reference_codes(patient, reference)


def _reference_codes(patient: Json, reference: Json) -> Iterator[str]:
    """From the reference's own identifier, from a contained Organization, or from a reference such as
    `Organization/A81001` that carries the code as id."""
    identifier = reference.get("identifier")
    if isinstance(identifier, dict) and isinstance(value := identifier.get("value"), str):
        yield value
    text = reference.get("reference")
    if not isinstance(text, str):
        return
    if text.startswith("#"):
        contained = patient.get("contained")
        for row in contained if isinstance(contained, list) else ():
            if isinstance(row, dict) and row.get("id") == text[1:]:
                yield from (value for _, value in _identifiers(row))
    elif "Organization/" in text:
        yield text.split("Organization/", 1)[1].split("/", 1)[0].split("|", 1)[0]


def _identifiers(patient: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    listed = patient.get("identifier")
    for row in listed if isinstance(listed, list) else ():
        if isinstance(row, dict) and isinstance(value := row.get("value"), str):
            system = row.get("system")
            yield (system if isinstance(system, str) else ""), _plain(value)


def _plain(text: str) -> str:
    return text if text.isalnum() else "".join(text.split())
