"""Fields for whoever shows a record: `display`, `age`, and codings and names by what they are for."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from functools import partial
from typing import Any, Final

from strawberry.types.field import StrawberryField

from clinical.age import age_years
from clinical.dates import DateInvalid, period_interval
from clinical.display import concept_text, name_text, quantity_text
from resolvers.parts import Part, Parts
from resolvers.resource import Json
from schema.conversion import converted_field
from schema.field import ElementField, argument
from schema.making import list_of, optional
from schema.scalars import URI
from schema.view import BOOLEAN, DECIMAL, TEXT, TEXTS, chosen_field, view_field

QUANTITIES: Final = frozenset({"Quantity", "Age", "Count", "Distance", "Duration"})
"""Quantity and its specialisations (R4 datatypes 2.24.0.8)."""

Clock = Callable[[], date]

_CODING: Final = Part(is_list=True, parts=(("system", TEXT), ("display", TEXT), ("userSelected", BOOLEAN)))
_CONCEPT: Final[Parts] = (("coding", _CODING), ("text", TEXT))
_NAME: Final[Parts] = (
    ("text", TEXT),
    ("prefix", TEXTS),
    ("given", TEXTS),
    ("family", TEXT),
    ("suffix", TEXTS),
)
_AMOUNT: Final[Parts] = (("value", DECIMAL), ("comparator", TEXT), ("unit", TEXT), ("code", TEXT))
_LIFE: Final[Parts] = (("birthDate", TEXT), ("deceasedBoolean", BOOLEAN), ("deceasedDateTime", TEXT))


class Displays:
    """The fields of each FHIR type. `preferred`: code systems whose words are taken first; `today`: the day
    that it is."""

    def __init__(self, preferred: tuple[str, ...], today: Clock) -> None:
        self._preferred = preferred
        self._today = today

    def fields(self, type_name: str) -> Iterable[StrawberryField]:
        """Our fields of a type."""
        if type_name == "CodeableConcept":
            yield self._concept()
        if type_name == "HumanName":
            yield view_field(
                "display",
                optional(str),
                lambda element, _: name_text(element),
                needs=_NAME,
                description="The name on one line: `text` where it was given, else prefix, given names, "
                "family name and suffix.",
            )
        if type_name in QUANTITIES:
            yield view_field(
                "display",
                optional(str),
                lambda element, _: quantity_text(element),
                needs=_AMOUNT,
                description="The amount as recorded, with comparator and unit: `5.10 mmol/L`, `<3 mg/L`.",
            )
            yield converted_field(type_name)
        if type_name == "Patient":
            yield self._age()

    def chosen(self, type_name: str, field: ElementField) -> ElementField:
        """An element of a type, with the argument that it takes, if any."""
        if (type_name, field.element) == ("CodeableConcept", "coding"):
            system = argument("system", optional(URI), "Only codings of this code system.")
            return chosen_field(field, system, description="`system` chooses codings of one code system.")
        if (type_name, field.element) == ("Patient", "name"):
            use = argument(
                "use", optional(str), "Only names with this use: `official`, `usual`, `maiden`, ..."
            )
            return chosen_field(
                field,
                use,
                partial(_current_first, self._today),
                description="`use` chooses names of one use, those that are used now first.",
            )
        return field

    def _concept(self) -> StrawberryField:
        def view(element: Json, arguments: Mapping[str, Any]) -> str | None:
            asked = arguments.get("preferring")
            return concept_text(element, self._preferred if asked is None else asked)

        return view_field(
            "display",
            optional(str),
            view,
            needs=_CONCEPT,
            description="The concept in words: those of a preferred code system, else `text`, else those of "
            "any coding.",
            arguments=(
                argument(
                    "preferring",
                    optional(list_of(URI)),
                    "Code systems whose words are taken first, in the place of the deployment's.",
                ),
            ),
        )

    def _age(self) -> StrawberryField:
        return view_field(
            "age",
            optional(int),
            lambda element, _: age_years(element, self._today()),
            needs=_LIFE,
            description="Whole years from the birth date to today (UTC), or to the day of death. Null where "
            "the recorded dates leave it open.",
        )


def _current_first(today: Clock, names: list[Any]) -> list[Any]:
    """Names whose period is now, or is not told, then those to come, then those of the past."""
    start = datetime.combine(today(), datetime.min.time(), UTC)
    return sorted(names, key=lambda one: _standing(one.get("period"), start))


def _standing(period: Any, now: datetime) -> int:
    if not isinstance(period, dict):
        return 0
    try:
        found = period_interval(period)
    except DateInvalid:
        return 0
    return 2 if found.high <= now else int(found.low.date() > now.date())
