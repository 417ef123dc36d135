"""FHIR's primitive types as GraphQL scalars: text and digits as recorded, never re-written."""

from decimal import Decimal, InvalidOperation
from typing import Any, NewType

import msgspec
import strawberry
from graphql import GraphQLError, ValueNode
from graphql.language import FloatValueNode, IntValueNode
from strawberry.types.scalar import ScalarDefinition

from clinical.codec import as_decimal

_FHIR = "https://hl7.org/fhir/R4/datatypes.html"

FHIRDate = NewType("FHIRDate", str)
FHIRDateTime = NewType("FHIRDateTime", str)
Instant = NewType("Instant", str)
FHIRTime = NewType("FHIRTime", str)
Base64Binary = NewType("Base64Binary", str)
URI = NewType("URI", str)
DecimalNumber = NewType("DecimalNumber", Decimal)


def _text(value: Any) -> Any:
    if type(value) is not str:
        raise GraphQLError("Expected a string.")
    return value


def _decimal(value: Any) -> Decimal:
    if type(value) is bool or not isinstance(value, int | Decimal | msgspec.Raw):
        raise GraphQLError("Expected a number.")
    return as_decimal(value)


def _decimal_literal(node: ValueNode, variables: Any = None) -> Decimal:
    if not isinstance(node, IntValueNode | FloatValueNode):
        raise GraphQLError("Expected a number.")
    try:
        return Decimal(node.value)
    except InvalidOperation:
        raise GraphQLError("Expected a number.") from None


def as_recorded(value: Any) -> Any:
    """The value itself: its element has checked it."""
    return value


def _text_scalar(name: str, anchor: str, description: str) -> ScalarDefinition:
    return strawberry.scalar(
        name=name,
        description=description,
        specified_by_url=f"{_FHIR}#{anchor}",
        serialize=as_recorded,
        parse_value=_text,
    )


SCALARS: dict[object, ScalarDefinition] = {
    FHIRDate: _text_scalar("FHIRDate", "date", "A date as recorded: `2019`, `2019-05` or `2019-05-03`."),
    FHIRDateTime: _text_scalar(
        "FHIRDateTime", "dateTime", "A date, or a date and time, as precise as recorded."
    ),
    Instant: _text_scalar("Instant", "instant", "A moment, to the second or finer, with its zone."),
    FHIRTime: _text_scalar("FHIRTime", "time", "A time of day without date and zone."),
    Base64Binary: _text_scalar("Base64Binary", "base64Binary", "Bytes in base64."),
    URI: _text_scalar("URI", "uri", "A uri, url, canonical, oid or uuid as recorded."),
    DecimalNumber: strawberry.scalar(
        name="Decimal",
        description="A JSON number with the digits as recorded: `5.10` stays `5.10`.",
        specified_by_url=f"{_FHIR}#decimal",
        serialize=as_recorded,
        parse_value=_decimal,
        parse_literal=_decimal_literal,
    ),
}
