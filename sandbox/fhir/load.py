"""Resources from a folder: *.ndjson and *.json, also gzipped, whatever their quality.

A line that is no resource with a type and an id is passed over and counted. A Bundle is taken apart. Lines of
`{"patient": id, "identifier": {...}}` (an overlay) add that identifier to that Patient.
"""

import gzip
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clinical.codec import JsonInvalid, decode_json
from clinical.references import is_resource_id

log = logging.getLogger(__name__)

SUFFIXES = (".ndjson", ".json", ".ndjson.gz", ".json.gz")
Json = dict[str, Any]


def load_folder(folder: Path) -> list[Json]:
    """All resources under a folder, in the order of file names and lines."""
    resources: list[Json] = []
    overlays: dict[str, Json] = {}
    skipped = 0
    for value in _values(folder):
        if _is_overlay(value):
            overlays[value["patient"]] = value["identifier"]
        elif _is_resource(value):
            resources.append(value)
        else:
            skipped += 1
    if skipped:
        log.warning("%s: %d values are no resources with a type and an id", folder, skipped)
    return [_overlaid(resource, overlays) for resource in resources]


def _values(folder: Path) -> Iterator[Any]:
    for path in sorted(folder.rglob("*")):
        if not path.name.endswith(SUFFIXES):
            continue
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        texts = data.splitlines() if ".ndjson" in path.name else [data]
        for text in texts:
            yield from _decoded(text)


def _decoded(text: bytes) -> Iterator[Any]:
    """The values of a text; those of a Bundle of records one by one."""
    if not text.strip():
        return
    try:
        value = decode_json(text)
    except JsonInvalid:
        yield None
        return
    if isinstance(value, dict) and value.get("resourceType") == "Bundle" and "id" not in value:
        entries = value.get("entry")
        yield from (one.get("resource") for one in entries or () if isinstance(one, dict))
    elif isinstance(value, list):
        yield from value
    else:
        yield value


def _is_resource(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    name, local_id = value.get("resourceType"), value.get("id")
    return isinstance(name, str) and name.isalnum() and isinstance(local_id, str) and is_resource_id(local_id)


def _is_overlay(value: Any) -> bool:
    return (
        isinstance(value, dict) and "resourceType" not in value and {"patient", "identifier"} <= value.keys()
    )


def _overlaid(resource: Json, overlays: dict[str, Json]) -> Json:
    if resource["resourceType"] != "Patient" or resource["id"] not in overlays:
        return resource
    recorded = resource.get("identifier")
    kept = recorded if isinstance(recorded, list) else []
    return resource | {"identifier": [*kept, overlays[resource["id"]]]}
