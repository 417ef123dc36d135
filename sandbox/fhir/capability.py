"""The CapabilityStatement a profile makes (R4 capabilitystatement.html)."""

from typing import Any

from clinical.codec import encode_json
from sandbox.fhir.profile import Profile

Json = dict[str, Any]


def capability_statement(profile: Profile, base_url: str) -> bytes:
    """What the server can do, as an encoded CapabilityStatement."""
    rest: Json = {
        "mode": "server",
        "resource": [_resource(name, profile) for name in sorted(profile.types)],
    }
    if not profile.is_plain:
        # `rest.searchParam`: what holds for every type. A client may take `_sort` from here.
        rest["searchParam"] = [
            {"name": name, "type": "string"} for name in ("_sort", "_include", "_elements")
        ]
    if profile.has_batch:
        rest["interaction"] = [{"code": "batch"}]
    return encode_json(
        {
            "resourceType": "CapabilityStatement",
            "status": "active",
            "date": "2026-11-01",
            "kind": "instance",
            "software": {"name": profile.name, "version": "1"},
            "implementation": {"description": f"{profile.name} (synthetic data)", "url": base_url},
            "fhirVersion": "4.0.1",
            "format": ["application/fhir+json", "json"],
            "rest": [rest],
        }
    )


def _resource(name: str, profile: Profile) -> Json:
    parameters = list(profile.parameters(name).values())
    resource: Json = {
        "type": name,
        "interaction": [{"code": "read"}, {"code": "search-type"}],
        "versioning": "versioned",
        "searchParam": [{"name": one.code, "type": one.type} for one in parameters],
    }
    references = [f"{name}:{one.code}" for one in parameters if one.type == "reference"]
    if references and not profile.is_plain:
        resource["searchInclude"] = references
    return resource
