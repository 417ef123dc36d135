"""Parts of resources: `_elements` and `_summary` (R4 search 3.1.1.5.8 and 3.1.1.5.9)."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from clinical.codec import encode_json
from sandbox.fhir.query import Query
from sandbox.fhir.store import Row, entry
from sandbox.fhir.tables import required_elements

Json = dict[str, Any]

ALWAYS = ("resourceType", "id", "meta")
SUBSETTED = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "SUBSETTED",
    "display": "Resource encoded in summary mode",
}


def match_entry(row: Row, query: Query, base_url: str) -> bytes:
    """A match as the query wants it: whole, or a part marked SUBSETTED."""
    resource_type = query.resource_type
    if query.elements:
        kept = tuple(sorted({*query.elements, *required_elements(resource_type)}))
    elif query.summary == "text":
        kept = ("text", *required_elements(resource_type))
    elif query.summary == "data":
        kept = tuple(name for name in row.resource if name != "text")
    else:
        return row.match
    return entry(f"{base_url}/{row.reference}", encode_json(_part(row.resource, kept)), "match")


def _part(resource: Json, kept: Sequence[str]) -> Json:
    part = {name: value for name, value in resource.items() if name in ALWAYS or _is_kept(name, tuple(kept))}
    recorded = resource["meta"].get("tag")
    part["meta"] = resource["meta"] | {"tag": [*(recorded if isinstance(recorded, list) else ()), SUBSETTED]}
    return part


@lru_cache(maxsize=8192)
def _is_kept(name: str, kept: tuple[str, ...]) -> bool:
    """Whether an element is asked for: by name, as a choice (`value` of `valueQuantity`), or by its twin."""
    name = name.removeprefix("_")
    return any(name == one or (name.startswith(one) and name[len(one)].isupper()) for one in kept)
