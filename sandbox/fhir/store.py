"""Resources in memory, encoded once, with indexes by id, by business identifier and by reference."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from clinical.codec import decode_json, encode_json
from clinical.parameters import SearchParameter
from clinical.paths import compile_path
from clinical.references import parse_reference

Json = dict[str, Any]
Index = Mapping[str, frozenset[int]]

UNKNOWN_INSTANT = "2026-11-01T00:00:00Z"


class Row:
    """One stored resource: its values, its JSON bytes, and its bytes as an entry of a searchset."""

    __slots__ = ("body", "etag", "id", "match", "reference", "resource")

    def __init__(self, resource: Json, base_url: str) -> None:
        self.resource = resource
        self.id: str = resource["id"]
        self.reference = f"{resource['resourceType']}/{self.id}"
        self.body = encode_json(resource)
        self.etag = f'W/"{resource["meta"]["versionId"]}"'
        self.match = entry(f"{base_url}/{self.reference}", self.body, "match")

    @property
    def last_updated(self) -> str:
        """When this version was written, as an instant."""
        return str(self.resource["meta"]["lastUpdated"])


class Store:
    """The resources that one server holds. They never change, so what is derived from them may be kept."""

    def __init__(self, resources: Iterable[Json], base_url: str, placeholder: str | None = None) -> None:
        self.base_url = base_url
        held: dict[str, dict[str, Row]] = defaultdict(dict)
        for resource in resources:
            stamped = _stamped(_rebased(resource, placeholder, base_url))
            held[stamped["resourceType"]][stamped["id"]] = Row(stamped, base_url)
        self._by_id: dict[str, dict[str, Row]] = dict(held)
        self._rows = {name: sorted(rows.values(), key=lambda row: row.id) for name, rows in held.items()}
        self._places = {
            name: {row.id: place for place, row in enumerate(rows)} for name, rows in self._rows.items()
        }
        self._identifiers: dict[str, Index] = {}
        self._references: dict[SearchParameter, Index] = {}

    def types(self) -> tuple[str, ...]:
        """The resource types of which there is at least one resource."""
        return tuple(sorted(self._rows))

    def rows(self, resource_type: str) -> list[Row]:
        """All of a type, by id."""
        return self._rows.get(resource_type, [])

    def read(self, resource_type: str, resource_id: str) -> Row | None:
        """One resource, or None."""
        return self._by_id.get(resource_type, {}).get(resource_id)

    def places_of_ids(self, resource_type: str, ids: Iterable[str]) -> frozenset[int]:
        """Where in `rows` these ids stand."""
        places = self._places.get(resource_type, {})
        return frozenset(places[one] for one in ids if one in places)

    def identifiers(self, resource_type: str) -> Index:
        """Where in `rows` an identifier stands: by `value`, `system|value`, `|value` or `system|`."""
        if resource_type not in self._identifiers:
            self._identifiers[resource_type] = _index(
                (place, key)
                for place, row in enumerate(self.rows(resource_type))
                for key in _identifier_keys(row.resource.get("identifier"))
            )
        return self._identifiers[resource_type]

    def references(self, parameter: SearchParameter, resource_type: str) -> Index:
        """Where in `rows` a reference stands: by `Type/id`, by `id`, or if foreign by the whole text."""
        if parameter not in self._references:
            path = compile_path(parameter.expression)
            self._references[parameter] = _index(
                (place, key)
                for place, row in enumerate(self.rows(resource_type))
                for found in path(row.resource)
                for key in self._reference_keys(found.value)
            )
        return self._references[parameter]

    def local(self, reference: str) -> str | None:
        """`Type/id` of a reference to this server's own resources, whatever its form; else None."""
        parsed = parse_reference(reference)
        is_own = parsed.kind == "relative" or parsed.base == self.base_url
        return f"{parsed.type}/{parsed.id}" if is_own and parsed.type and parsed.id else None

    def _reference_keys(self, value: Any) -> tuple[str, ...]:
        text = value.get("reference") if isinstance(value, dict) else value
        if not isinstance(text, str):
            return ()
        local = self.local(text)
        return (text,) if local is None else (local, local.partition("/")[2])


def entry(full_url: str, body: bytes, mode: str) -> bytes:
    """A searchset entry around an encoded resource."""
    return b'{"fullUrl":%b,"resource":%b,"search":{"mode":"%b"}}' % (
        encode_json(full_url),
        body,
        mode.encode(),
    )


def _index(pairs: Iterable[tuple[int, str]]) -> Index:
    found: dict[str, set[int]] = defaultdict(set)
    for place, key in pairs:
        found[key].add(place)
    return {key: frozenset(places) for key, places in found.items()}


def _identifier_keys(identifiers: Any) -> list[str]:
    """The search texts that find these identifiers; what has not the shape of one is passed over."""
    keys: list[str] = []
    for one in identifiers if isinstance(identifiers, list) else [identifiers]:
        if isinstance(one, dict) and isinstance(value := one.get("value"), str):
            system = one.get("system")
            keys += [value, f"{system or ''}|{value}"] + ([f"{system}|"] if system else [])
    return keys


def _rebased(resource: Json, placeholder: str | None, base_url: str) -> Json:
    """The resource with this server's address where the placeholder stands in its absolute references."""
    if placeholder is None:
        return resource
    body = encode_json(resource)
    if placeholder.encode() not in body:
        return resource
    rebased: Json = decode_json(body.replace(placeholder.encode(), base_url.encode()))
    return rebased


def _stamped(resource: Json) -> Json:
    """The resource with a version and an instant in its meta, as every server sends them."""
    meta = resource.get("meta")
    kept = meta if isinstance(meta, dict) else {}
    if isinstance(kept.get("versionId"), str) and isinstance(kept.get("lastUpdated"), str):
        return resource
    stamp = {"versionId": "1", "lastUpdated": UNKNOWN_INSTANT} | kept
    rest = {name: value for name, value in resource.items() if name not in ("resourceType", "id", "meta")}
    return {"resourceType": resource["resourceType"], "id": resource["id"], "meta": stamp} | rest
