"""Elements that change how the rest of a resource reads (R4 conformance-rules 2.1.0.1.4, isModifier).

A refuted diagnosis without its `verificationStatus` looks like a diagnosis. The table lists the modifier
elements of resources with the values that are usual: those under which the rest means what it seems to.
`modifierExtension` may stand in any resource, and no value of it is usual.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any, Final

from clinical.tables import read_rows

MODIFIER_EXTENSION: Final = "modifierExtension"


class ModifierKind(Enum):
    """What a modifier element holds: a code, a CodeableConcept, true or false, or something that counts by
    being there."""

    CODE = "code"
    CONCEPT = "concept"
    FLAG = "flag"
    PRESENT = "present"


@dataclass(frozen=True, slots=True)
class Modifier:
    """A modifier element. `usual`: its codes, or `true` or `false`, that change nothing."""

    element: str
    kind: ModifierKind
    usual: frozenset[str] = frozenset()

    @property
    def odd_flag(self) -> bool:
        """The value of a flag that is not usual."""
        return "false" in self.usual

    def changes(self, value: Any) -> bool:
        """Whether a recorded value is other than usual; what is absent is usual, what is misshapen is not."""
        if self.kind is ModifierKind.FLAG:
            return value is self.odd_flag
        if value is None or self.kind is ModifierKind.PRESENT:
            return bool(value)
        if self.kind is ModifierKind.CODE:
            return not isinstance(value, str) or value not in self.usual
        codings = value.get("coding") if isinstance(value, dict) else None
        listed = codings if isinstance(codings, list) else []
        return self.usual.isdisjoint(code for one in listed if isinstance(code := _code(one), str))


def modifiers(type_: str) -> tuple[Modifier, ...]:
    """The modifier elements of a resource type."""
    return _table().get(type_, (_EXTENSION,))


def _code(coding: Any) -> Any:
    return coding.get("code") if isinstance(coding, dict) else None


_EXTENSION: Final = Modifier(MODIFIER_EXTENSION, ModifierKind.PRESENT)


@cache
def _table() -> Mapping[str, tuple[Modifier, ...]]:
    found: dict[str, tuple[Modifier, ...]] = {}
    for row in read_rows("modifier-elements-r4.tsv"):
        made = Modifier(row["element"], ModifierKind(row["kind"]), frozenset(row["usual"].split()))
        found[row["type"]] = (*found.get(row["type"], (_EXTENSION,)), made)
    return found
