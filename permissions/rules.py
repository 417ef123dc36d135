"""Which rule covers which field: the policy's rows over the coordinates of a schema, checked at start.

A field that fetches is covered by what it reads (`r`, `s`), or by a row of the policy. A field that does
not is a part of what it stands on; a row may ask for more. What nothing covers, and a row that names
nothing, is an error: a new field is never an open door.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from permissions.coordinates import Coordinate
from permissions.needs import Alternative, type_needs
from permissions.policy import Policy, RuleSettings

Searches = Mapping[tuple[str, str], frozenset[str]]
"""By resource type and search parameter: the coordinates whose values the parameter looks at."""


class PolicyInvalid(ValueError):
    """A policy that leaves a field open, or that does not mean what it seems to. One sentence a line."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What one field needs: one of `derived`, and one of `more`, and one of `purposes` (none: any)."""

    coordinate: Coordinate
    derived: tuple[Alternative, ...] = ()
    more: tuple[Alternative, ...] = ()
    purposes: frozenset[str] = frozenset()
    reason: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether it needs no more than what it stands on."""
        return not (self.derived or self.more or self.purposes)

    def required(self) -> tuple[tuple[str, ...], ...]:
        """The scopes as clients read them: any of the lists, each as a whole; none that holds another."""
        told = {frozenset(one): one for one in _told(self)}
        return tuple(one for words, one in told.items() if not any(other < words for other in told))


class Rules:
    """The rule of each field that needs something. Raises PolicyInvalid.

    `is_general`: the policy is for any schema, and may name fields that this one does not have.
    """

    def __init__(
        self,
        policy: Policy,
        coordinates: Iterable[Coordinate],
        searches: Searches | None = None,
        *,
        is_general: bool = False,
    ) -> None:
        known = list(coordinates)
        rows, problems = _rows_by_coordinate(policy.rules, known, is_general=is_general)
        made = [_rule(one, rows.get(str(one))) for one in known]
        problems += [problem for one in made for problem in _problems(one, rows)]
        if problems:
            raise PolicyInvalid("\n".join(problems))
        self._rules: Mapping[str, Rule] = {str(one.coordinate): one for one in made if not one.is_open}
        self._behind = {str(one): names for one in known if (names := self._ruled(one.shows))}
        self._searches = searches or {}
        self.policy = policy

    def __contains__(self, coordinate: str) -> bool:
        return coordinate in self._rules or coordinate in self._behind

    def __iter__(self) -> Iterator[Rule]:
        return iter(self._rules.values())

    def of(self, coordinate: str) -> Rule | None:
        """The rule of a coordinate, None where it needs no more than what it stands on."""
        return self._rules.get(coordinate)

    def behind(self, coordinate: str) -> tuple[str, ...]:
        """The ruled fields whose values a field tells in another form: what they need, it needs too."""
        return self._behind.get(coordinate, ())

    def told_by(self, resource_type: str, codes: Iterable[str]) -> frozenset[str]:
        """The ruled fields of which a search by these parameters tells, or a sort by them."""
        found = (self._searches.get((resource_type, one), ()) for one in codes)
        return frozenset(name for names in found for name in names if name in self._rules)

    def on(self, type_name: str) -> tuple[Rule, ...]:
        """The rules of a type's fields."""
        return tuple(one for one in self if one.coordinate.type == type_name)

    def _ruled(self, names: Iterable[str]) -> tuple[str, ...]:
        return tuple(one for one in names if one in self._rules)


def _rows_by_coordinate(
    rows: Sequence[RuleSettings], known: Sequence[Coordinate], *, is_general: bool
) -> tuple[Mapping[str, RuleSettings], list[str]]:
    """The row of each coordinate, and what is wrong with rows; a name goes before a pattern.

    The rule of a primitive element is that of its extensions (`_birthDate`) too.
    """
    names = [str(one) for one in known]
    found: dict[str, RuleSettings] = {}
    problems: list[str] = []
    for is_name in (True, False):
        taken: dict[str, RuleSettings] = {}
        for row in rows:
            for pattern in (one for one in row.coordinates if ("*" not in one) is is_name):
                matched = [one for one in names if fnmatchcase(one.replace("._", "."), pattern)]
                if not matched and not is_general:
                    problems.append(f"the rule for `{pattern}` names no field of the schema")
                left = [one for one in matched if one not in found]
                doubled = [one for one in left if taken.get(one, row) is not row]
                problems += [f"two rules cover `{one}`: write one of them for it by name" for one in doubled]
                taken.update(dict.fromkeys(left, row))
        found |= taken
    return found, problems


def _rule(coordinate: Coordinate, row: RuleSettings | None) -> Rule:
    reads = coordinate.reads
    derived = type_needs(reads.actions, reads.type) if reads is not None else ()
    if row is None:
        return Rule(coordinate, derived)
    if coordinate.resource is not None and coordinate.is_element:
        derived = type_needs("rs", coordinate.resource)  # as its type does, and said at the field
    return Rule(coordinate, derived, row.alternatives, frozenset(row.purposes), row.reason)


def _problems(rule: Rule, rows: Mapping[str, RuleSettings]) -> Iterator[str]:
    one = rule.coordinate
    if one.is_fetched and one.reads is None and str(one) not in rows:
        yield f"no rule covers `{one}`: write a row for it in the policy"
    if (rule.more or rule.purposes) and not one.may_be_null:
        yield f"`{one}` can never be null, so a rule for it would take away all that it stands on"
    has_level = any(alternative.level is not None for alternative in rule.more)
    if has_level and one.reads is None and not (one.is_element and one.resource):
        yield (
            f"the rule for `{one}` names SMART scopes: that works for elements of resources and for fields "
            "that fetch them; use another scope string here"
        )


def _told(rule: Rule) -> Iterator[tuple[str, ...]]:
    """Every alternative of both needs together."""
    if not rule.derived or not rule.more:
        yield from (tuple(one.told()) for one in (rule.derived or rule.more))
        return
    for one in rule.derived:
        for more in rule.more:
            if more.level in (None, one.level):
                yield tuple(dict.fromkeys((*one.told(), *more.told())))
