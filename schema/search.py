"""FHIR search parameters -> GraphQL arguments (docs/schema.md)."""

from typing import Any

import strawberry
from strawberry import ID
from strawberry.types.arguments import StrawberryArgument

from clinical.parameters import SearchParameter
from resolvers.question import Duplicates, Requirement, arguments_of
from schema.field import argument, input_field
from schema.making import definition, list_of, make_type, optional
from schema.scalars import DecimalNumber, FHIRDateTime, Instant

_COMPARISONS = ("eq", "ge", "gt", "le", "lt")


class ArgumentNameTaken(ValueError):
    """A search parameter's name would hide a paging argument."""


def _input(name: str, description: str, fields: dict[str, Any]) -> type:
    made = make_type(name, description, is_input=True)
    definition(made).fields.extend(input_field(field, optional(inner)) for field, inner in fields.items())
    return made


DateRange = _input(
    "DateRange",
    'Dates, compared as intervals: `{ge: "2019"}` begins with the year 2019. All given must hold.',
    dict.fromkeys(_COMPARISONS, FHIRDateTime),
)
StringFilter = _input(
    "StringFilter",
    "Text; case and accents do not matter, but to `exact`. All given must hold.",
    dict.fromkeys(("startsWith", "exact", "contains"), str),
)
QuantityFilter = _input(
    "QuantityFilter",
    "Amounts; `system` and `code` name the unit. All given must hold.",
    {**dict.fromkeys(_COMPARISONS, DecimalNumber), "system": str, "code": str},
)

_TYPES: dict[str, tuple[Any, str]] = {
    "token": (list_of(str), "Any of these codes: `system|code`, or `code` of any system."),
    "uri": (list_of(str), "Any of these URIs."),
    "reference": (list_of(ID), "Any of these, by their global ids."),
    "date": (DateRange, "A date."),
    "string": (StringFilter, "Text."),
    "quantity": (QuantityFilter, "An amount."),
    "number": (QuantityFilter, "A number."),
}

RequirementEnum = strawberry.enum(
    Requirement, description="COMPLETE: an answer that lacks a source's part is null, and an error."
)
DuplicatesEnum = strawberry.enum(
    Duplicates,
    description="What becomes of rows that are one clinical fact. COLLAPSE: one row, which names the others.",
)
REQUIRE = argument(
    "require",
    optional(RequirementEnum),
    "COMPLETE: null and the error INCOMPLETE where any source is missing. For who must not act on a part.",
)

_PAGING = (
    argument("first", optional(int), "How many rows, 0 to 100; 20 where not given."),
    argument("after", optional(str), "The cursor of the row to go on after."),
    argument("last", optional(int), "How many rows from the end, 0 to 100; not with `first` or `after`."),
    argument("before", optional(str), "The cursor of the row to end before; not with `first` or `after`."),
    argument(
        "sort",
        optional(str),
        "As FHIR `_sort`: `-date,code`. Newest first where not given; undated rows come last.",
    ),
    REQUIRE,
    argument(
        "changedSince",
        optional(Instant),
        "Records that a source has changed at or after this instant, those entered in error as well; by "
        "`_lastUpdated`, oldest change first, unless sorted otherwise.",
    ),
)
_DUPLICATES = argument(
    "duplicates",
    optional(DuplicatesEnum),
    "COLLAPSE: rows with equal sort values that are one clinical fact are one row. SHOW where not given.",
)


def list_arguments(resource_type: str, but: str | None = None) -> tuple[StrawberryArgument, ...]:
    """The arguments of a list of a type. `but` is the search parameter that the list itself fixes."""
    known = arguments_of(resource_type)
    # Persons come once each as it is.
    paging = _PAGING if resource_type == "Patient" else (*_PAGING, _DUPLICATES)
    taken = {one.python_name for one in paging} & set(known)
    if taken:
        raise ArgumentNameTaken(f"{resource_type}: a search parameter is called {', '.join(sorted(taken))}")
    return paging + tuple(_argument(name, one) for name, one in known.items() if one.code != but)


def _argument(name: str, parameter: SearchParameter) -> StrawberryArgument:
    inner, says = _TYPES[parameter.type]
    return argument(name, optional(inner), f"{says} FHIR search parameter `{parameter.code}`.")
