"""Patient records decoded to the elements that a request reads of them.

Most of a Patient is read by nobody in a request, and what is not decoded costs next to nothing. A partial
record is plain JSON like a whole one. It lives as long as its request, whose operation reads nothing else
of it.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, TypedDict

_KEPT: Final = 1_000


class _Meta(TypedDict, total=False):
    versionId: Any
    lastUpdated: Any
    security: Any


class _Identifier(TypedDict, total=False):
    use: Any
    period: Any
    system: Any
    value: Any


class _Registration(TypedDict, total=False):
    reference: Any
    identifier: Any


_NEEDED: Final[Mapping[str, Any]] = {
    "resourceType": Any,
    "id": Any,
    "meta": _Meta,
    "identifier": list[_Identifier],
    "link": Any,
    "active": Any,
    "birthDate": Any,
    "contained": Any,
    "status": Any,
    "lifecycleStatus": Any,
    "verificationStatus": Any,
}
"""What the gateway itself looks at, in any record: whose it is, how restricted, whether entered in error."""

_REGISTERED: Final[Mapping[str, Any]] = {
    "generalPractitioner": list[_Registration],
    "managingOrganization": _Registration,
}
"""Where a person is registered: it leads to the places of a source that has several."""


@lru_cache(maxsize=_KEPT)
def patient_record(elements: frozenset[str], is_located: bool) -> Any:
    """The type to decode Patients to: JSON objects that hold these elements and what the gateway needs.

    `is_located`: a source has several places, so that it counts where a person is registered.
    """
    needed = {**_NEEDED, **(_REGISTERED if is_located else {})}
    return TypedDict("PartialPatient", needed | dict.fromkeys(elements, Any), total=False)  # type: ignore[operator]
