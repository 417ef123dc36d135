"""Granular scopes: `?category=system|code` as a test of resources, or as no permission at all.

SMART App Launch 2.2 lets a scope be narrowed by search parameters. What cannot be evaluated exactly as it
was meant (a modifier, a chain, `_filter`, a parameter that the type does not have) narrows to nothing: the
scope then permits nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from clinical.parameters import SearchParameter, parameters
from clinical.search import compile_search, is_exact
from clinical.syntax import SearchValueInvalid, split_alternatives, split_prefix


@dataclass(frozen=True, slots=True)
class Narrowing:
    """Search parameters that all must hold. Empty: every resource of the type."""

    type: str
    filters: tuple[tuple[str, str], ...] = ()
    """Parameter and value, in FHIR search syntax (commas are alternatives)."""
    source: str | None = None
    """The only source of which resources are within; None: any."""

    @property
    def names_records(self) -> bool:
        """Whether it names records by ids, which mean other records in other sources."""
        return any(code == "_id" or self._is_relative(code, value) for code, value in self.filters)

    def by_ids_of(self, source: str | None) -> "Narrowing":
        """The same, where the ids in it are those of a source."""
        return replace(self, source=source) if source is not None and self.names_records else self

    def _is_relative(self, code: str, value: str) -> bool:
        if parameters(self.type)[code].type != "reference":
            return False
        return any("://" not in one for one in split_alternatives(value))

    def holds(self, resource: Mapping[str, Any], base_url: str, source: str | None = None) -> bool:
        """Whether a resource of the type is within; `base_url` is that of its server, `source`
        the source's name."""
        if self.source not in (None, source):
            return False
        known = parameters(self.type)
        return all(
            compile_search(known[code], (value,), None, base_url)(resource) for code, value in self.filters
        )


@lru_cache(maxsize=4096)
def narrowing_of(resource_type: str, pairs: tuple[tuple[str, str], ...]) -> Narrowing | None:
    """What the parameters of a scope mean for a type; None where they cannot be evaluated."""
    known = parameters(resource_type)
    for code, value in pairs:
        parameter = known.get(code)
        if parameter is None or not is_exact(parameter) or _is_approximate(parameter, value):
            return None
        try:
            compile_search(parameter, (value,))
        except SearchValueInvalid:
            return None
    return Narrowing(resource_type, tuple(sorted(set(pairs))))


def _is_approximate(parameter: SearchParameter, value: str) -> bool:
    """Whether it is for each server to say what the value means (`ap`, R4 search 3.1.1.4.4)."""
    return parameter.type == "date" and any(split_prefix(one)[0] == "ap" for one in split_alternatives(value))
