"""What is not shown unless asked for: records that were entered in error."""

from typing import Any

from clinical.parameters import parameters
from resolvers.resource import Json
from resolvers.upstreams.upstream import Filter

_ERROR = "entered-in-error"
_STATUS_CODES = ("verification-status", "lifecycle-status", "status")


def is_entered_in_error(resource: Json) -> bool:
    """By `status`, `lifecycleStatus` (Goal), or `verificationStatus` (Condition, AllergyIntolerance)."""
    if _ERROR in (resource.get("status"), resource.get("lifecycleStatus")):
        return True
    verification = resource.get("verificationStatus")
    if not isinstance(verification, dict):
        return verification == _ERROR
    return any(_code(one) == _ERROR for one in _list(verification.get("coding")))


def hidden_filter(resource_type: str) -> Filter | None:
    """The search that finds what is hidden; None for a type that cannot be entered in error by status."""
    known = parameters(resource_type)
    code = next((one for one in _STATUS_CODES if one in known and known[one].type == "token"), None)
    return Filter(code, (_ERROR,)) if code else None


def _code(coding: Any) -> Any:
    return coding.get("code") if isinstance(coding, dict) else None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
