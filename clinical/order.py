"""The order of resources by their search parameters (`_sort`, R4 search 3.1.1.5.1).

Dates sort by the beginning of their interval. What has no value comes last whichever way the rest is
sorted, so that an undated record never pushes a dated one off the first page.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, total_ordering
from typing import Any, TypeVar

from clinical.matching.date import time_of
from clinical.matching.quantity import amount_of
from clinical.matching.string import folded, texts
from clinical.matching.token import first_code
from clinical.parameters import SearchParameter, parameters
from clinical.paths import Typed, compile_path
from clinical.references import reference_text
from clinical.syntax import SearchValueInvalid
from clinical.tables import read_rows

Resource = TypeVar("Resource", bound=Mapping[str, Any])


@total_ordering
@dataclass(frozen=True, slots=True)
class SortKey:
    """A place in the order of one parameter; keys of different parameters do not compare.

    `value` is a datetime (date), Decimal (number, quantity) or text, None where `is_missing`.
    Ascending order of keys is the order asked for, also where that is descending by value.
    """

    is_missing: bool
    value: Any
    descending: bool = False

    def __lt__(self, other: "SortKey") -> bool:
        if self.is_missing or other.is_missing:
            return other.is_missing and not self.is_missing
        smaller, larger = (other.value, self.value) if self.descending else (self.value, other.value)
        return bool(smaller < larger)


def sort_key(resource: Mapping[str, Any], parameter: SearchParameter, descending: bool = False) -> SortKey:
    """The resource's place by a parameter; of several values the first in the direction asked for."""
    found = (_sort_value(value, parameter.type) for value in compile_path(parameter.expression)(resource))
    values = [value for value in found if value is not None]
    if not values:
        return SortKey(True, None, descending)
    return SortKey(False, max(values) if descending else min(values), descending)


def parse_sort(resource_type: str, sort: str) -> tuple[tuple[SearchParameter, bool], ...]:
    """The parameters of a `_sort` text such as `-date,code`, each with whether it descends.

    Raises SearchValueInvalid for a parameter the type does not have.
    """
    known = parameters(resource_type)
    asked = [part.strip() for part in sort.split(",")]
    for part in asked:
        if part.removeprefix("-") not in known:
            raise SearchValueInvalid(f"{resource_type} cannot be sorted by {part.removeprefix('-')!r}")
    return tuple((known[part.removeprefix("-")], part.startswith("-")) for part in asked)


def in_order(resources: Iterable[Resource], resource_type: str, sort: str) -> list[Resource]:
    """The resources by a `_sort` text, ties by id. Raises SearchValueInvalid."""
    rules = parse_sort(resource_type, sort)
    return sorted(
        resources,
        key=lambda resource: (
            *(sort_key(resource, parameter, descending) for parameter, descending in rules),
            str(resource.get("id") or ""),
        ),
    )


def default_sort(resource_type: str) -> str | None:
    """The `_sort` text that puts the newest first; None for a type without a date of its own."""
    return _default_sorts().get(resource_type)


@cache
def _default_sorts() -> Mapping[str, str]:
    return {row["type"]: row["sort"] for row in read_rows("default-sort-r4.tsv")}


def _sort_value(found: Typed, kind: str) -> Any:
    match kind:
        case "date":
            time = time_of(found)
            return time.low if time else None
        case "number" | "quantity":
            amount = amount_of(found.value)
            return amount.low if amount else None
        case "string":
            return folded(" ".join(texts(found.value))) or None
        case "token":
            return first_code(found.value)
    return reference_text(found.value)
