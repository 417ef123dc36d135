"""What the address of a GET must not hold, because proxies, browsers and servers log addresses.

Refused are, wherever they stand in variables or in a text that is part of the address:
- a number like an NHS number: ten digits with a right check digit;
- `system|value` of a linking system;
- the id of a source's record of a person (`ehr/Patient/1`).
And what fields of persons are asked by:
- a business identifier, a name, an address, a telephone number, a date of birth or death;
- an id, unless it is a `person/...` id, which is encrypted for this purpose (docs/schema.md).

Ids of other resources may stand in an address, and so may cursors, which are encrypted.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from graphql import (
    ArgumentNode,
    FieldNode,
    GraphQLSchema,
    ListValueNode,
    NullValueNode,
    ObjectValueNode,
    StringValueNode,
    TypeInfo,
    TypeInfoVisitor,
    ValueNode,
    VariableNode,
    Visitor,
    get_named_type,
    visit,
)

from clinical.identifiers import NHS_NUMBER_SYSTEM, is_nhs_number
from gateway.graphql_request import GraphQLRequest
from gateway.http_errors import AddressTelling
from gateway.prepare import PreparedDocument
from resolvers.ids import PERSON

PERSONS: Final = frozenset({"Patient", "Person", "RelatedPerson"})
CONNECTION: Final = "Connection"
IDENTIFIER: Final = "identifier"
"""An argument that is refused on every field: the business identifier of a record may name its patient."""
IDS: Final = frozenset({"id", "_id", "link"})
SEARCHED: Final = frozenset(
    {
        IDENTIFIER, "name", "family", "given", "phonetic", "birthdate", "deathDate",
        "email", "phone", "telecom",
        "address", "addressCity", "addressCountry", "addressPostalcode", "addressState",
    }
)  # fmt: skip

ADVICE: Final = "Addresses land in logs, so this request has to come by POST: its address holds"

_DIGIT_GROUPS: Final = re.compile(r"(?<![0-9A-Fa-f])[0-9]{3}[\s-]?[0-9]{3}[\s-]?[0-9]{4}(?![0-9A-Fa-f])")
"""Ten digits inside a hash, a UUID, or another id in hex, are none."""
_SPACED_DIGITS: Final = re.compile(r"[0-9\s-]{10,40}")
_RECORD_OF_PERSON: Final = re.compile(r"(?<![A-Za-z])(?:Patient|Person|RelatedPerson)/[A-Za-z0-9.-]")
_DASHES: Final = dict.fromkeys((*range(0x2010, 0x2016), 0x2212), "-")


@dataclass(frozen=True, slots=True)
class _Given:
    """An argument by which a field of persons is asked."""

    name: str
    node: ValueNode


class Addresses:
    """Refuses what an address must not hold. `linking_systems` are those of `[identity]`."""

    def __init__(self, schema: GraphQLSchema, linking_systems: Sequence[str]) -> None:
        self._schema = schema
        self._tokens = tuple(f"{one}|" for one in {NHS_NUMBER_SYSTEM, *linking_systems})

    def check_values(self, request: GraphQLRequest) -> None:
        """Looks at every value in an address; raises `AddressTelling`."""
        texts = filter(None, (request.query, request.operation_name, request.document_id))
        for text in (*texts, *_texts(request.variables), *_texts(request.extensions)):
            what = self._told(text)
            if what is not None:
                raise AddressTelling(f"{ADVICE} {what}.")

    def check_arguments(self, request: GraphQLRequest, prepared: PreparedDocument) -> None:
        """Looks at what fields of persons are asked by; raises `AddressTelling`."""
        given = prepared.kept.get(Addresses)
        if given is None:
            given = prepared.kept[Addresses] = _Search(self._schema, prepared).found
        is_shown = request.query is not None
        reading = _Reading(request.variables or {}, _defaults(prepared) if is_shown else {}, is_shown)
        for one in given:
            values = list(reading.values(one.node))
            if one.name in IDS:
                values = [value for value in values if not _is_sealed(value)]
            if values:
                raise AddressTelling(f"{ADVICE} what a person is asked for by (`{one.name}`).")
        if is_shown:
            for text in _Literals(prepared).found:
                what = self._told(text)
                if what is not None:
                    raise AddressTelling(f"{ADVICE} {what}.")

    def _told(self, text: str) -> str | None:
        """What a text tells of a person."""
        plain = unicodedata.normalize("NFKC", text).translate(_DASHES)
        if any(token in plain for token in self._tokens):
            return "an identifier of a person"
        if _RECORD_OF_PERSON.search(plain):
            return "the id of a person's record"
        return "a number like an NHS number" if _has_nhs_number(plain) else None


def _has_nhs_number(text: str) -> bool:
    found = _DIGIT_GROUPS.findall(text)
    if _SPACED_DIGITS.fullmatch(text.strip()):
        found.append(text)
    return any(is_nhs_number(re.sub(r"[\s-]", "", one)) for one in found)


def _is_sealed(value: Any) -> bool:
    if isinstance(value, list):
        return all(_is_sealed(one) for one in value)
    return isinstance(value, str) and value.startswith(f"{PERSON}/")


def _texts(value: Any) -> Iterator[str]:
    """Every text and every number inside a JSON value, keys among them."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield key
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


@dataclass(frozen=True, slots=True)
class _Reading:
    """Reads what an address says of an argument: the values of variables; and literals, with the defaults of
    variables, where the text `is_shown` in it."""

    variables: Mapping[str, Any]
    defaults: Mapping[str, ValueNode]
    is_shown: bool

    def values(self, node: ValueNode) -> Iterator[Any]:
        if isinstance(node, VariableNode):
            yield from self._of_variable(node.name.value)
        elif isinstance(node, ListValueNode):
            for item in node.values:
                yield from self.values(item)
        elif isinstance(node, ObjectValueNode):
            for field in node.fields:
                yield from self.values(field.value)
        elif self.is_shown and not isinstance(node, NullValueNode):
            yield getattr(node, "value", None)

    def _of_variable(self, name: str) -> Iterator[Any]:
        if self.variables.get(name) is not None:
            yield self.variables[name]
        elif name in self.defaults and name not in self.variables:
            yield from self.values(self.defaults[name])


def _defaults(prepared: PreparedDocument) -> dict[str, ValueNode]:
    definitions = prepared.operation.variable_definitions or ()
    return {
        one.variable.name.value: one.default_value for one in definitions if one.default_value is not None
    }


class _Search(Visitor):
    """The arguments in a document by which persons are asked."""

    def __init__(self, schema: GraphQLSchema, prepared: PreparedDocument) -> None:
        super().__init__()
        self.found: list[_Given] = []
        self._types = TypeInfo(schema)
        visit(prepared.document, TypeInfoVisitor(self._types, self))

    def enter_field(self, node: FieldNode, *_: object) -> None:
        kind = get_named_type(self._types.get_type())
        is_of_person = kind is not None and kind.name.removesuffix(CONNECTION) in PERSONS
        for argument in node.arguments or ():
            if _names_person(argument, is_of_person):
                self.found.append(_Given(argument.name.value, argument.value))


def _names_person(argument: ArgumentNode, is_of_person: bool) -> bool:
    name = argument.name.value
    return name == IDENTIFIER or (is_of_person and name in SEARCHED | IDS)


class _Literals(Visitor):
    """The strings in a document, as they are meant: an escape does not hide a digit."""

    def __init__(self, prepared: PreparedDocument) -> None:
        super().__init__()
        self.found: list[str] = []
        visit(prepared.document, self)

    def enter_string_value(self, node: StringValueNode, *_: object) -> None:
        self.found.append(node.value)
