"""What a principal's scopes permit: which fields, and which resources by which scope.

    ScopeInsufficient   the token permits no reading at all   FORBIDDEN, 403 insufficient_scope

Nothing here depends on a document or on data. A field is denied where no level of the token's scopes
permits it; a resource is reached by a scope, and what the scope says of it (whose record, which category)
is looked at where the resource is.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from permissions.facts import Facts, facts_of
from permissions.labels import Cleared, LabelRules
from permissions.narrowing import Narrowing, narrowing_of
from permissions.needs import LEVELS, Alternative
from permissions.principal import Principal
from permissions.rules import Rule, Rules
from permissions.scopes import ANY_TYPE, Level, Scope

KEPT: Final = 1_000
_NONE: Final[frozenset[str]] = frozenset()


class ScopeInsufficient(Exception):
    """The token is valid and does not permit what was asked. Its message is safe to show."""

    code: ClassVar[str] = "FORBIDDEN"

    def __init__(self, message: str, required: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.required = " ".join(required)
        """Scopes that would do, for the challenge (RFC 6750 section 3)."""


@dataclass(frozen=True, slots=True)
class Reach:
    """One scope's reach over a type: `patient` the compartment of the token's patient, `user` and `system`
    every record; of these, what the narrowing leaves."""

    level: Level
    narrowing: Narrowing

    @property
    def is_whole(self) -> bool:
        """Whether every resource of the type is reached, whoever it is about."""
        return self.level != "patient" and not self.narrowing.filters

    @property
    def breadth(self) -> int:
        """An order in which none comes before one that holds it."""
        return 0 if self.is_whole else 1 if not self.narrowing.filters else 2

    def holds(self, other: "Reach") -> bool:
        """Whether every resource that the other one reaches is reached."""
        if self.is_whole or self == other:
            return True
        return not self.narrowing.filters and self.level == other.level


class Permissions:
    """What one set of scopes, words and purposes permits. Made once and shared by requests."""

    def __init__(self, rules: Rules, facts: Facts, *, measures: bool) -> None:
        self.rules = rules
        self._facts = facts
        self._measures = measures
        self._scopes = {level: facts.usable(level) for level in LEVELS}
        self.levels: tuple[Level, ...] = tuple(level for level in LEVELS if self._scopes[level])
        self.labels = LabelRules(
            rules.policy, Cleared(facts.words, facts.purposes, facts.is_patients, facts.wide_types)
        )
        self.breaks_glass = bool(facts.purposes & set(rules.policy.break_glass.purposes))
        self._reaches: dict[tuple[str, str, frozenset[str]], tuple[Reach, ...]] = {}
        self._sees_all: dict[tuple[str, str, frozenset[str]], bool] = {}
        self._granted: dict[str, frozenset[Level]] = {}
        self._looked_into: dict[str, bool] = {}
        self._masked: dict[str, dict[str, frozenset[Level]]] = {}

    @property
    def is_own_only(self) -> bool:
        """Whether nothing is reached but by scopes for the token's own patient."""
        return self.levels == ("patient",)

    def looks_into(self, resource_type: str) -> bool:
        """Whether it takes elements of the type's resources to say which of them are reached."""
        known = self._looked_into.get(resource_type)
        if known is None:
            reaches = (one for action in "rs" for one in self.reaches(action, resource_type))
            known = bool(self.masked(resource_type)) or any(one.narrowing.filters for one in reaches)
            self._looked_into[resource_type] = known
        return known

    def reaches(
        self, action: str, resource_type: str, coordinates: frozenset[str] = _NONE
    ) -> tuple[Reach, ...]:
        """By which scopes resources of a type are reached, a whole reach first: `r` by id, `s` by search.

        `coordinates` are fields that the answer would tell of (an argument that finds by them): a scope
        reaches nothing where not all of them are permitted on all that it reaches.
        """
        key = (action, resource_type, coordinates)
        known = self._reaches.get(key)
        if known is None:
            found = [
                reach
                for level in self.levels
                for reach in self._of_level(level, action, resource_type)
                if all(
                    self._grants(one, level, resource_type, reach.narrowing.filters) for one in coordinates
                )
            ]
            known = self._reaches[key] = self._widest(resource_type, found)
        return known

    def sees_all(self, action: str, resource_type: str, coordinates: frozenset[str] = _NONE) -> bool:
        """Whether every resource of a type is reached, with all of its elements (labels aside)."""
        key = (action, resource_type, coordinates)
        known = self._sees_all.get(key)
        if known is None:
            reaches = self.reaches(action, resource_type, coordinates)
            known = bool(reaches) and reaches[0].is_whole and not self.masked(resource_type)
            self._sees_all[key] = known
        return known

    def granted(self, coordinate: str) -> frozenset[Level]:
        """The levels whose scopes permit a field."""
        known = self._granted.get(coordinate)
        if known is None:
            rule = self.rules.of(coordinate)
            known = frozenset(one for one in self.levels if rule is None or self._permits(rule, one))
            known = known.intersection(*map(self.granted, self.rules.behind(coordinate)))
            self._granted[coordinate] = known
        return known

    def denied(self, coordinates: Iterable[str]) -> frozenset[str]:
        """Those of some fields that no level permits."""
        return frozenset(one for one in coordinates if one in self.rules and not self.granted(one))

    def masked(self, resource_type: str) -> dict[str, frozenset[Level]]:
        """Elements that are not permitted on all that is reached of the type, with the levels that permit
        them on all that they reach; of other levels, `shows` tells."""
        known = self._masked.get(resource_type)
        if known is None:
            levels = {one.level for action in "rs" for one in self.reaches(action, resource_type)}
            rules = (one for one in self.rules.on(resource_type) if one.coordinate.is_element)
            granted = {
                one.coordinate.field: self._whole(str(one.coordinate), resource_type)
                for one in rules
                if self.granted(str(one.coordinate))
            }
            known = {field: some for field, some in granted.items() if not levels <= some}
            self._masked[resource_type] = known
        return known

    def shows(
        self, coordinate: str, level: Level, resource_type: str, holds: Callable[[Narrowing], bool]
    ) -> bool:
        """Whether a level permits an element on a resource that it reaches; `holds`: whether that is within
        the narrowing of a scope."""
        narrowed = (
            one.narrowing
            for one in self._scopes[level]
            if one.narrowing
            and (found := narrowing_of(resource_type, one.narrowing))
            and holds(found.by_ids_of(self._facts.local_source))
        )
        filters = tuple(pair for one in narrowed for pair in one)
        return self._grants(coordinate, level, resource_type, filters)

    def would_deny(self, coordinates: Iterable[str]) -> frozenset[str]:
        """Those of some fields that the policy denies, though it is only measured."""
        if not self._measures:
            return _NONE
        return frozenset(
            one for one in coordinates if any(map(self._row_denies, (one, *self.rules.behind(one))))
        )

    def required(self, coordinate: str) -> tuple[tuple[str, ...], ...]:
        """The scopes that a denied field would need: any of the lists, each as a whole."""
        for one in (coordinate, *self.rules.behind(coordinate)):
            rule = self.rules.of(one)
            if rule is not None and not self.granted(one):
                return rule.required()
        return ()

    def _row_denies(self, coordinate: str) -> bool:
        rule = self.rules.of(coordinate)
        return rule is not None and not any(self._row_permits(rule, level) for level in self.levels)

    def _whole(self, coordinate: str, resource_type: str) -> frozenset[Level]:
        """The levels that permit an element on all that they reach."""
        return frozenset(one for one in self.levels if self._grants(coordinate, one, resource_type, ()))

    def _grants(
        self, coordinate: str, level: Level, resource_type: str, filters: Iterable[tuple[str, str]]
    ) -> bool:
        """Whether a level permits an element on every resource that it reaches within these filters: what
        the policy adds, for what the type needs follows from the reach."""
        rule, within = self.rules.of(coordinate), set(filters)
        if rule is None or self._measures:
            return True
        scopes = [
            one
            for one in self._scopes[level]
            if not one.narrowing
            or (one.type in (ANY_TYPE, resource_type) and within.issuperset(one.narrowing))
        ]
        return self._row_permits(rule, level, scopes)

    def _permits(self, rule: Rule, level: Level) -> bool:
        is_derived = not rule.derived or self._holds(rule.derived, level)
        return is_derived and (self._measures or self._row_permits(rule, level))

    def _row_permits(self, rule: Rule, level: Level, scopes: Sequence[Scope] | None = None) -> bool:
        if rule.purposes and not rule.purposes & self._facts.purposes:
            return False
        return not rule.more or self._holds(rule.more, level, scopes)

    def _holds(
        self, alternatives: Iterable[Alternative], level: Level, scopes: Sequence[Scope] | None = None
    ) -> bool:
        """Whether one is satisfied by these scopes of the level (None: by any of them)."""
        held = self._scopes[level] if scopes is None else scopes
        return any(one.holds(level, held, self._facts.words) for one in alternatives)

    def _of_level(self, level: Level, action: str, resource_type: str) -> Iterable[Reach]:
        for scope in self._scopes[level]:
            if action in scope.actions and scope.type in (ANY_TYPE, resource_type):
                narrowing = narrowing_of(resource_type, scope.narrowing)
                if narrowing is not None:
                    yield Reach(level, narrowing.by_ids_of(self._facts.local_source))

    def _widest(self, resource_type: str, reaches: Iterable[Reach]) -> tuple[Reach, ...]:
        """Without those than which another one reaches as much, and shows as many elements of it."""
        rules = [one for one in self.rules.on(resource_type) if one.coordinate.is_element]
        names = [str(one.coordinate) for one in rules]
        shown = {level: {one for one in names if level in self.granted(one)} for level in self.levels}
        always = {
            level: {one for one in names if level in self._whole(one, resource_type)} for level in self.levels
        }
        kept: list[Reach] = []
        for one in sorted(reaches, key=lambda one: (one.breadth, -len(shown[one.level]))):
            level = one.level
            if not any(
                other.holds(one) and (other.level == level or always[other.level] >= shown[level])
                for other in kept
            ):
                kept.append(one)
        return tuple(kept)


class Decisions:
    """Permissions by principal, kept for principals that are alike. `measures`: rows of the policy are only
    reported; what scopes mean by themselves always holds."""

    def __init__(self, rules: Rules, *, measures: bool = False) -> None:
        self.rules = rules
        self._measures = measures
        self._kept: OrderedDict[Facts, Permissions] = OrderedDict()
        self._of_principal: OrderedDict[int, tuple[Principal, Permissions]] = OrderedDict()

    def of(self, principal: Principal) -> Permissions:
        """What a principal may see. Raises ScopeInsufficient where that is nothing."""
        known = self._of_principal.get(id(principal))
        if known is not None:
            return known[1]
        facts = facts_of(principal, self.rules.policy.practitioners)
        made = self._kept.get(facts)
        if made is None:
            made = self._kept[facts] = Permissions(self.rules, facts, measures=self._measures)
            _forget_oldest(self._kept)
        if not made.levels:
            raise ScopeInsufficient(
                "The access token permits nothing here: it needs a scope that reads, "
                "and for patient/ scopes a patient.",
                ("system/*.rs", "user/*.rs", "patient/*.rs"),
            )
        # Authenticated principals are kept with their tokens, so the next request brings the same object.
        self._of_principal[id(principal)] = (principal, made)
        _forget_oldest(self._of_principal)
        return made


def _forget_oldest(kept: "OrderedDict[Any, Any]") -> None:
    while len(kept) > KEPT:
        kept.popitem(last=False)
