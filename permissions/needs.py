"""What a field needs: alternatives of scopes, any of which is enough.

needs       := alternatives, of which one must hold
alternative := scopes, all of which must hold: SMART scopes of one level, or any other scope strings
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from clinical.parameters import resource_types
from permissions.narrowing import narrowing_of
from permissions.scopes import ANY_TYPE, Level, Scope, covers, parse_scope

LEVELS: Final[tuple[Level, ...]] = ("patient", "user", "system")


class NeedInvalid(ValueError):
    """A rule's scopes mean nothing, or what no token can be asked for."""


@dataclass(frozen=True, slots=True)
class Alternative:
    """One way to satisfy a need. `level` is that of its SMART scopes; None where it has none."""

    scopes: tuple[Scope, ...] = ()
    words: frozenset[str] = frozenset()
    level: Level | None = None

    def holds(self, level: Level, scopes: Iterable[Scope], words: frozenset[str]) -> bool:
        """Whether it is satisfied for what is reached by scopes of this level.

        `scopes` are those of the level that count. A narrowed one does where its narrowing means something
        for the type: which resources it is about is seen on the resources.
        """
        if self.level not in (None, level) or not self.words <= words:
            return False
        held = [(one.widened, one.narrowing) for one in scopes]
        needs = (Scope(one.level, one.type, action) for one in self.scopes for action in one.actions)
        return all(
            any(covers(one, need) and narrowing_of(need.type, by) is not None for one, by in held)
            for need in needs
        )

    def told(self) -> list[str]:
        """The scopes as a client reads them."""
        return [*map(str, self.scopes), *sorted(self.words)]


def alternative_of(words: Sequence[str]) -> Alternative:
    """An alternative of a rule. Raises NeedInvalid."""
    if not words:
        raise NeedInvalid("an empty alternative would let everybody in")
    scopes = tuple(scope for one in words if (scope := parse_scope(one)) is not None)
    others = frozenset(one for one in words if parse_scope(one) is None)
    for one in others:
        if not one or one.startswith(tuple(f"{level}/" for level in LEVELS)) or " " in one:
            raise NeedInvalid(f"`{one}` is no scope")
    if any(one.narrowing for one in scopes):
        raise NeedInvalid("a rule names whole scopes, not narrowed ones")
    for scope in scopes:
        if scope.type not in (ANY_TYPE, *resource_types()):
            raise NeedInvalid(f"`{scope}` names no resource type of FHIR R4")
    levels = {one.level for one in scopes}
    if len(levels) > 1:
        raise NeedInvalid("an alternative has scopes of one level: nothing is reached by two at once")
    return Alternative(scopes, others, next(iter(levels), None))


def type_needs(actions: str, resource_type: str) -> tuple[Alternative, ...]:
    """What a type needs, by derivation: any one of the actions (`r`, `s`), at any level."""
    return tuple(
        Alternative((Scope(level, resource_type, action),), frozenset(), level)
        for level in LEVELS
        for action in actions
    )
