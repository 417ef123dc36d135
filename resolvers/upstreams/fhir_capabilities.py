"""What a FHIR server declares it can do (R4 capabilitystatement.html), and where settings know better."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from msgspec import structs

from clinical.parameters import parameters, resource_types
from resolvers.resource import Json
from resolvers.upstreams.settings import CapabilitySettings
from resolvers.upstreams.upstream import Abilities

_SORTABLE: Final = frozenset(("date", "string", "token", "number", "quantity", "uri"))
_NOTHING: Final = Abilities()


@dataclass(frozen=True, slots=True)
class Capabilities:
    """A source's abilities by resource type, and how it may be asked."""

    types: frozenset[str]
    by_type: Mapping[str, Abilities]
    has_batch: bool
    finds_id_lists: Callable[[str], bool]

    def abilities(self, resource_type: str) -> Abilities:
        """Nothing for a type that the source does not hold."""
        return self.by_type.get(resource_type, _NOTHING)

    def without(self, resource_type: str, codes: frozenset[str]) -> "Capabilities":
        """The same, less some search parameters that the source turned out to ignore."""
        known = self.abilities(resource_type)
        kept = frozenset(one for one in known.sorts if one.removeprefix("-") not in codes)
        less = structs.replace(known, parameters=known.parameters - codes, sorts=kept)
        return replace(self, by_type={**self.by_type, resource_type: less})


def known_types(settings: CapabilitySettings) -> frozenset[str]:
    """The types a source can hold before it has been asked: the configured ones, else all of R4."""
    return frozenset(settings.types if settings.types is not None else resource_types())


def capabilities(settings: CapabilitySettings, statement: Json | None) -> Capabilities:
    """What settings and statement say together; settings go first. `statement` None: settings alone.

    A source sorts by a parameter only where `_sort` is declared or configured: a page that is wrongly taken
    for the newest is worse than one more walk.
    """
    rest = _server(statement)
    declared = {kind: row for row in _rows(rest.get("resource")) if isinstance(kind := row.get("type"), str)}
    types = known_types(settings) if settings.types is not None or statement is None else frozenset(declared)
    for_all = _names(rest)
    interactions = {row.get("code") for row in _rows(rest.get("interaction"))}
    has_batch = "batch" in interactions if settings.batch is None else settings.batch == "bundle"
    by_type = {
        kind: _abilities(kind, settings, _names(declared.get(kind, {})) | for_all, has_batch)
        for kind in types
    }
    return Capabilities(
        types,
        by_type,
        has_batch,
        lambda kind: (
            "_id" in by_type.get(kind, _NOTHING).parameters
            if settings.id_lists is None
            else settings.id_lists
        ),
    )


def _abilities(
    kind: str, settings: CapabilitySettings, declared: frozenset[str], has_batch: bool
) -> Abilities:
    known = parameters(kind)
    codes = frozenset(known.keys() & settings.parameters.get(kind, declared))
    return Abilities(
        parameters=codes,
        sorts=_sorts(kind, settings, codes if "_sort" in declared else frozenset()),
        page_size_max=settings.page_size_max,
        counts=settings.counts is not False,
        batches=has_batch,
        needs_patient=kind in settings.needs_patient,
    )


def _sorts(kind: str, settings: CapabilitySettings, declared: frozenset[str]) -> frozenset[str]:
    known = parameters(kind)
    stated: Sequence[str] | None = settings.sorts.get(kind, settings.sort)
    if stated is not None:
        return frozenset(one for one in stated if one.removeprefix("-") in known)
    return frozenset(code for code in declared if known[code].type in _SORTABLE)


def _server(statement: Json | None) -> Json:
    """The `rest` element that describes the server."""
    rows = list(_rows((statement or {}).get("rest")))
    return next((row for row in rows if row.get("mode") == "server"), rows[0] if rows else {})


def _names(row: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(
        name for one in _rows(row.get("searchParam")) if isinstance(name := one.get("name"), str)
    )


def _rows(listed: object) -> Iterator[Json]:
    return (row for row in listed if isinstance(row, dict)) if isinstance(listed, list) else iter(())
