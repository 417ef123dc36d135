"""The search for what is not shown unless asked for (`clinical.hidden`)."""

from functools import cache
from typing import Final

from clinical.hidden import hidden_statuses
from clinical.parameters import parameters
from resolvers.upstreams.upstream import Filter

_STATUS_CODES: Final = ("verification-status", "lifecycle-status", "status")


@cache
def hidden_filter(resource_type: str) -> Filter | None:
    """The search that finds what is hidden; None for a type that cannot be entered in error by status."""
    known = parameters(resource_type)
    code = next((one for one in _STATUS_CODES if one in known and known[one].type == "token"), None)
    return Filter(code, hidden_statuses(resource_type)) if code else None
