"""What is not shown unless asked for: records that were entered in error."""

from typing import Any

from resolvers.resource import Json

_ERROR = "entered-in-error"


def is_entered_in_error(resource: Json) -> bool:
    """By `status`, or by `verificationStatus` (Condition, AllergyIntolerance)."""
    if resource.get("status") == _ERROR:
        return True
    verification = resource.get("verificationStatus")
    if not isinstance(verification, dict):
        return verification == _ERROR
    return any(_code(one) == _ERROR for one in _list(verification.get("coding")))


def _code(coding: Any) -> Any:
    return coding.get("code") if isinstance(coding, dict) else None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
