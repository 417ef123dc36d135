"""What a client should know of an answer: elements that change its meaning and that were not asked for."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

CAUTIONS_MAX: Final = 50
MODIFIER: Final = "MODIFIER_NOT_SELECTED"
MORE: Final = "MORE_WARNINGS"

_Caution = tuple[str, str, tuple[str, ...]]


class Cautions(msgspec.Struct):
    """Counts, for each selection of a resource, the resources with an unusual modifier element that the
    operation does not select. No value is kept."""

    counts: dict[_Caution, int] = {}
    """By type, element and place."""
    _dropped: int = 0

    def add(self, type_: str, element: str, path: Iterable[str | int], count: int = 1) -> None:
        """Notes resources at a path; positions in lists are the same place."""
        key = (type_, element, tuple("@" if isinstance(one, int) else one for one in path))
        if key in self.counts or len(self.counts) < CAUTIONS_MAX:
            self.counts[key] = self.counts.get(key, 0) + count
        else:
            self._dropped += count

    def told(self) -> list[dict[str, Any]]:
        """What `extensions.warnings` says (docs/display.md)."""
        if not self.counts:
            return []
        listed: list[dict[str, Any]] = [
            {
                "code": MODIFIER,
                "type": type_,
                "element": element,
                "path": list(path),
                "count": count,
            }
            for (type_, element, path), count in self.counts.items()
        ]
        return [*listed, {"code": MORE, "count": self._dropped}] if self._dropped else listed
