"""The search parameters of FHIR R4 (search-parameters.json, as a table)."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from types import MappingProxyType

from clinical.tables import read_rows

_TABLE = "search-parameters-r4.tsv"
_EVERY_TYPE = ("Resource", "DomainResource")
_NOT_EVALUATED = frozenset(("composite", "special"))


@dataclass(frozen=True, slots=True)
class SearchParameter:
    """One row: `type` is token, date, string, reference, uri, quantity or number.

    `targets` are the resource types a reference may point to (empty for other types; `Any` for all).
    """

    base: str
    code: str
    type: str
    targets: frozenset[str]
    expression: str


@lru_cache(maxsize=512)
def parameters(resource_type: str) -> Mapping[str, SearchParameter]:
    """The parameters of a resource type by code, those of every resource (`_id`, ...) included.

    Composite, special and expressionless (`_text`, `_content`, `_query`) ones are left out.
    """
    found: dict[str, SearchParameter] = {}
    for base in (*_EVERY_TYPE, resource_type):
        found.update(_table().get(base, {}))
    return MappingProxyType(dict(sorted(found.items())))


def resource_types() -> tuple[str, ...]:
    """The resource types that have search parameters of their own, sorted."""
    return tuple(sorted(set(_table()) - set(_EVERY_TYPE)))


@cache
def _table() -> Mapping[str, Mapping[str, SearchParameter]]:
    table: dict[str, dict[str, SearchParameter]] = defaultdict(dict)
    for row in read_rows(_TABLE):
        if row["type"] not in _NOT_EVALUATED and row["expression"]:
            table[row["base"]][row["code"]] = _parameter(row)
    return table


def _parameter(row: Mapping[str, str]) -> SearchParameter:
    targets = frozenset(filter(None, row["targets"].split(",")))
    return SearchParameter(row["base"], row["code"], row["type"], targets, row["expression"])
