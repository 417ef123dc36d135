"""What an answer should be read with, though nothing of it failed: `extensions.warnings`."""

from typing import Any, Final

import msgspec

IDENTITY_CONFLICT: Final = "IDENTITY_CONFLICT"


class ResponseWarning(msgspec.Struct, omit_defaults=True):
    """One warning. `message` is safe to show and holds nothing of anybody's record; `count`: how many places
    of the answer it is about."""

    code: str
    message: str
    source: str | None = None
    path: tuple[str | int, ...] | None = None
    count: int = 1

    def told(self) -> dict[str, Any]:
        """As the response says it; what is not known stays out."""
        members = (("code", self.code), ("message", self.message), ("source", self.source))
        path = list(self.path) if self.path is not None else None
        every = (*members, ("path", path), ("count", self.count))
        return {name: value for name, value in every if value is not None}


class Warnings(msgspec.Struct):
    """The warnings of one request; alike ones are one, counted."""

    known: dict[object, ResponseWarning] = {}
    """Each warning by what it says."""

    def add(self, warning: ResponseWarning) -> None:
        """Adds a warning, to one that says the same where there is one."""
        known = self.known.setdefault((warning.code, warning.message, warning.source, warning.path), warning)
        if known is not warning:
            known.count += warning.count

    def told(self) -> list[dict[str, Any]]:
        """What `extensions.warnings` says, in the order in which it turned up."""
        return [one.told() for one in self.known.values()]
