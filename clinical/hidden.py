"""What is not shown unless asked for: records that were entered in error, and documents that a newer one has
superseded (R4 document-reference-status)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

Json = Mapping[str, Any]

ENTERED_IN_ERROR: Final = "entered-in-error"
SUPERSEDED: Final = "superseded"
_TELLING: Final = frozenset({"status", "lifecycleStatus", "verificationStatus"})
"""The elements by which a record says that it was entered in error."""
_WITH_SUPERSEDED: Final = frozenset({"DocumentManifest", "DocumentReference"})


def hidden_statuses(resource_type: str) -> tuple[str, ...]:
    """The statuses under which a record of a type is not shown."""
    return (ENTERED_IN_ERROR, SUPERSEDED) if resource_type in _WITH_SUPERSEDED else (ENTERED_IN_ERROR,)


def is_hidden(resource_type: str, resource: Json) -> bool:
    """Whether a record is not shown: it was entered in error, or superseded."""
    if is_entered_in_error(resource):
        return True
    return resource_type in _WITH_SUPERSEDED and resource.get("status") == SUPERSEDED


def hidden_test(resource_type: str) -> Callable[[Json], bool]:
    """The same as a test of records of one type."""
    if resource_type not in _WITH_SUPERSEDED:
        return is_entered_in_error
    return lambda resource: is_hidden(resource_type, resource)


def is_entered_in_error(resource: Json) -> bool:
    """By `status`, `lifecycleStatus` (Goal), or `verificationStatus` (Condition, AllergyIntolerance)."""
    if resource.get("status") == ENTERED_IN_ERROR or resource.get("lifecycleStatus") == ENTERED_IN_ERROR:
        return True
    verification = resource.get("verificationStatus")
    if verification is None:
        return False
    if not isinstance(verification, dict):
        return bool(verification == ENTERED_IN_ERROR)
    return any(_code(one) == ENTERED_IN_ERROR for one in _list(verification.get("coding")))


def has_entered_in_error(resources: Sequence[Json]) -> bool:
    """Whether one of some records was entered in error. No Patient has an element that would tell."""
    if _TELLING.isdisjoint(set().union(*resources)):
        return False
    return any(map(is_entered_in_error, resources))


def _code(coding: Any) -> Any:
    return coding.get("code") if isinstance(coding, dict) else None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
