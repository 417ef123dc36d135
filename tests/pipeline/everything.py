"""Selections of all that records hold, and records put together again from what such a selection gives.

Wherever a record has an object, every field of its type is selected: those that the record has, those that
it has not, and so on down to the last value. What the gateway adds to FHIR and fetches is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.pipeline.asking import Gateway

Json = dict[str, Any]

INTROSPECTION = """{
  __schema { types { name kind fields { name args { type { kind } } type { ...T } } } }
}
fragment T on __Type {
  kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } }
}"""
RESOURCE = "Resource"
FETCHED = frozenset(
    (
        ("Patient", "records"),
        ("Patient", "sources"),
        ("Patient", "completeness"),
        ("Patient", "elementSources"),
        ("Patient", "identityConflicts"),
        ("Patient", "latestObservation"),
        ("Patient", "observationStats"),
        ("Patient", "summary"),
        ("Reference", "resource"),
    )
)
IN_WORDS = frozenset({"Age", "CodeableConcept", "Count", "Distance", "Duration", "HumanName", "Quantity"})
"""Types whose `display` is the gateway's, which FHIR does not have."""
ORIGIN = "origin { name fhirId versionId lastUpdated retrievedAt cached }"
ORIGIN_KEYS = {"name", "fhirId", "retrievedAt"}


@dataclass(frozen=True, slots=True)
class Field:
    """A field: the name of its type without lists and non-nulls, and whether it has fields of its own."""

    name: str
    type: str
    has_fields: bool


class Schema:
    """The types of a gateway's schema, as introspection tells them."""

    def __init__(self, gateway: Gateway) -> None:
        types = gateway.ask(INTROSPECTION).whole()["__schema"]["types"]
        self._fields = {one["name"]: [field_of(field) for field in one["fields"] or ()] for one in types}

    def selection(self, type_name: str, values: Iterable[Json]) -> str:
        """All fields of a type, to the depth at which any of these values has something."""
        held = list(values)
        return " ".join(
            part for field in self._fields[type_name] for part in self._part(type_name, field, held)
        )

    def _part(self, type_name: str, field: Field, held: list[Json]) -> Iterator[str]:
        below = [one for value in held for one in listed(value.get(field.name)) if isinstance(one, dict)]
        if (type_name, field.name) in FETCHED or field.type.endswith("Connection"):
            return
        if is_derived(type_name, field.name):
            return
        if not field.has_fields:
            yield field.name
        elif field.type == "Origin":
            yield ORIGIN
        elif field.type == RESOURCE:
            yield from self._resources(field.name, below)
        else:
            yield f"{field.name} {{ {self.selection(field.type, below) if below else '__typename'} }}"

    def _resources(self, name: str, below: list[Json]) -> Iterator[str]:
        """Under an alias for each type: two types may have two fields of one name that do not merge."""
        yield f"{name} {{ __typename }}"
        by_type: dict[str, list[Json]] = {}
        for one in below:
            by_type.setdefault(one["resourceType"], []).append(one)
        for kind, values in by_type.items():
            selected = self.selection(kind, values)
            yield f"{name}__{kind}: {name} {{ __typename ... on {kind} {{ {selected} }} }}"


def is_derived(type_name: str, name: str) -> bool:
    """Whether the gateway works a field out from elements that are selected too."""
    if name == "display":
        return type_name in IN_WORDS
    return name == "converted" or (type_name, name) == ("Patient", "age")


def field_of(field: Json) -> Field:
    kind = field["type"]
    while kind["ofType"]:
        kind = kind["ofType"]
    return Field(field["name"], kind["name"], kind["kind"] in ("OBJECT", "INTERFACE", "UNION"))


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def rebuilt(node: Mapping[str, Any]) -> Json:
    """The FHIR JSON behind a node that was selected in full: without nulls and without what is ours."""
    made: Json = {}
    for name, value in node.items():
        field, mark, kind = name.partition("__") if not name.startswith("__") else (name, "", "")
        if value is None or is_ours(name, value) or (not mark and is_held(value)):
            continue
        if mark:
            place_resources(made, field, kind, value)
        else:
            made[name] = plain(value)
    if (node.get("origin") or {}).keys() >= ORIGIN_KEYS:
        made["id"] = node["origin"]["fhirId"]
        made["resourceType"] = node["__typename"]
    return {name: value for name, value in made.items() if (name, value) != ("id", "")}


def plain(value: Any) -> Any:
    if isinstance(value, list):
        return [plain(one) for one in value]
    return rebuilt(value) if isinstance(value, dict) else value


def is_ours(name: str, value: Any) -> bool:
    if name == "origin":
        return isinstance(value, dict) and value.keys() >= ORIGIN_KEYS
    return name in ("valueText", "__typename")


def is_held(value: Any) -> bool:
    """Whether a value stands for whole resources, which their aliases hold."""
    held = value if isinstance(value, list) else [value]
    return bool(held) and all(isinstance(one, dict) and one.keys() == {"__typename"} for one in held)


def place_resources(made: Json, field: str, kind: str, value: Any) -> None:
    """Resources of one type, in their places among those of the others."""
    if isinstance(value, dict):
        if value["__typename"] == kind:
            made[field] = rebuilt(value)
        return
    places = made.setdefault(field, [None] * len(value))
    for place, one in enumerate(value):
        if one["__typename"] == kind:
            places[place] = rebuilt(one)
