"""`Quantity.converted(unit:)`: an amount in another unit, beside the amount as recorded."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from clinical.codec import DecimalInvalid, as_decimal
from clinical.conversion import UCUM_SYSTEM, UnitNotConvertible, UnitTextInvalid, converted, load
from clinical.display import quantity_text
from resolvers.errors import AmountNotConvertible, ArgumentInvalid
from resolvers.resource import Node
from schema.field import DerivedField, argument, computed_field
from schema.making import definition, make_type, optional
from schema.scalars import DecimalNumber
from schema.view import prepared_field

_SHOWN: Final = ("value", "unit", "code", "system", "comparator")
_CODES: Final = (
    "Observation.code",
    "ObservationComponent.code",
    "CodeableConcept.coding",
    "Coding.system",
    "Coding.code",
)
"""What a conversion between mass and amount of substance tells of: whose molar mass it was."""


class Converted(msgspec.Struct, frozen=True):
    """An amount in another unit, with the comparator and the text of the one that was recorded."""

    value: Decimal
    unit: str
    comparator: str | None
    recorded: str | None

    @property
    def text(self) -> str:
        """The digits, never with an exponent."""
        return format(self.value, "f")


ConvertedQuantity = make_type("ConvertedQuantity", "An amount in another unit than it was recorded in.")
definition(ConvertedQuantity).fields.extend(
    (
        computed_field(
            "value",
            DecimalNumber,
            lambda one: one.value,
            description="One digit more than were recorded, and at least three (docs/display.md).",
        ),
        computed_field("valueText", str, lambda one: one.text, description="The value's digits as a text."),
        computed_field("unit", str, lambda one: one.unit, description="The UCUM code that was asked for."),
        computed_field(
            "comparator",
            optional(str),
            lambda one: one.comparator,
            description="As recorded: `<` says that the true value is less.",
        ),
        computed_field(
            "display",
            str,
            lambda one: f"{one.comparator or ''}{one.text} {one.unit}",
            description="Comparator, value and unit.",
        ),
        computed_field(
            "recorded", optional(str), lambda one: one.recorded, description="The amount as recorded."
        ),
    )
)


def converted_field(type_name: str) -> DerivedField:
    """The field of Quantity, or of one of its kinds."""
    return prepared_field(
        "converted",
        optional(ConvertedQuantity),
        _derive,
        load,
        shows=(*(f"{type_name}.{one}" for one in _SHOWN), *_CODES),
        description=(
            "The amount in another unit. Between mass and amount of substance only where the molar mass of "
            "what was measured is known. Null with an error where it cannot be told in that unit."
        ),
        arguments=(argument("unit", str, "A UCUM code, case-sensitive: `mmol/L`, `[lb_av]`."),),
    )


def _derive(node: Node, arguments: Mapping[str, Any]) -> Converted | None:
    quantity, wanted = node.element, arguments["unit"]
    try:
        value = as_decimal(quantity.get("value"))
    except DecimalInvalid:
        return None
    code = quantity.get("code")
    if quantity.get("system") != UCUM_SYSTEM or not isinstance(code, str):
        raise AmountNotConvertible("its recorded unit has no UCUM code")
    try:
        found = converted(value, code, wanted, tuple(_codes(node)))
    except UnitTextInvalid:
        raise ArgumentInvalid("unit: not a UCUM code") from None
    except UnitNotConvertible as problem:
        raise AmountNotConvertible(str(problem)) from None
    comparator = quantity.get("comparator")
    shown = comparator if isinstance(comparator, str) else None
    return Converted(found, wanted, shown, quantity_text(quantity))


def _codes(node: Node) -> Iterator[tuple[str, str]]:
    """The codes of what an Observation, or a component of it, measured by this amount."""
    resource = node.resource
    if resource.type != "Observation":
        return
    parts = resource.json.get("component")
    for holder in (resource.json, *(parts if isinstance(parts, list) else ())):
        if isinstance(holder, dict) and _holds(holder, node.element):
            code = holder.get("code")
            codings = code.get("coding") if isinstance(code, dict) else None
            for one in codings if isinstance(codings, list) else ():
                if isinstance(one, dict) and isinstance(one.get("code"), str):
                    yield str(one.get("system")), one["code"]


def _holds(holder: Mapping[str, Any], element: Any) -> bool:
    """Whether the amount is the value itself, an end of its range, or one of the reference ranges'."""
    ranges = holder.get("referenceRange")
    inside = (holder, holder.get("valueRange"), *(ranges if isinstance(ranges, list) else ()))
    return any(value is element for one in inside if isinstance(one, dict) for value in one.values())
