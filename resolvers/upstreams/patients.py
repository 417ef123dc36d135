"""What a Patient record says of itself: its identifiers, and where the patient is registered."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from clinical.identifiers import Token
from resolvers.resource import Json, Resource


def stating(tokens: Sequence[Token], records: Sequence[Resource]) -> list[tuple[Resource, ...]]:
    """For each identifier the records that state it; spaces inside a value do not count."""
    if len(tokens) > 1:
        plain = _plainly_stating(tokens, records)
        return _stating(tokens, records) if plain is None else plain
    if len(records) == 1 and tokens:  # nearly always it is stated as it is asked for
        system, code = tokens[0].system, tokens[0].code
        try:
            for row in records[0].json["identifier"] if system and code else ():
                if row["value"] == code and row["system"] == system:
                    return [tuple(records)]
        except (KeyError, TypeError):  # what is not as FHIR has it
            pass
    return _stating(tokens, records)


def _plainly_stating(
    tokens: Sequence[Token], records: Sequence[Resource]
) -> list[tuple[Resource, ...]] | None:
    """The same for identifiers of one system, where none is stated twice and all are written as they are
    asked for; None where that is not so."""
    system = tokens[0].system
    if not system:
        return None
    stated: dict[Any, Resource] = {}
    found: list[tuple[Resource, ...]] = []
    try:
        for record in records:
            for row in record.json["identifier"]:
                if row.get("system") == system:
                    value = row["value"]
                    if value in stated:
                        return None
                    stated[value] = record
        text = "".join(stated)
        if text.split() != [text]:
            return None
        for token in tokens:
            code = token.code
            if token.system != system:
                return None
            if code in stated:
                found.append((stated[code],))
            elif code and code.split() == [code]:
                found.append(())
            else:
                return None
    except (AttributeError, KeyError, TypeError):  # what is not as FHIR has it
        return None
    return found


def _stating(tokens: Iterable[Token], records: Iterable[Resource]) -> list[tuple[Resource, ...]]:
    found: list[list[Resource]] = []
    whole: dict[tuple[str, str], list[Resource]] = {}
    """By system and value; identifiers that are one but for spaces share a list."""
    others: list[tuple[Token, list[Resource]]] = []
    for token in tokens:
        system, code = token.system, token.code
        if system is None or code is None:
            others.append((token, []))
            found.append(others[-1][1])
        else:
            found.append(whole.setdefault((system, code if code.isalnum() else _plain(code)), []))
    for record in records:
        said = _identifiers(record.json)
        for statement in said:
            stating = whole.get(statement)
            if stating is not None and (not stating or stating[-1] is not record):
                stating.append(record)  # what is said twice is found once
        for token, stating in others:
            if any(_is_meant(token, *statement) for statement in said):
                stating.append(record)
    return list(map(tuple, found))


def _is_meant(token: Token, system: str, value: str) -> bool:
    return token.system in (None, system) and (token.code is None or value == _plain(token.code))


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


def _identifiers(patient: Mapping[str, object]) -> list[tuple[str, str]]:
    listed = patient.get("identifier")
    if type(listed) is not list:
        return []
    return [
        (
            system if type(system := row.get("system")) is str else "",
            value if value.isalnum() else _plain(value),
        )
        for row in listed
        if type(row) is dict and type(value := row.get("value")) is str
    ]


def _plain(text: str) -> str:
    """The text without spaces, of which one of letters and digits has none."""
    return "".join(text.split())
