"""Which identifiers link a record to a person: of configured systems, verified, from trusted sources."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from clinical.dates import DateInvalid, interval
from clinical.identifiers import NHS_NUMBER_SYSTEM, Token, are_nhs_numbers, is_nhs_number
from resolvers.agreement import BIRTH_DATE, Demographic
from resolvers.person import PersonKey
from resolvers.resource import Resource
from resolvers.upstreams.upstream import Upstream

_VERIFIED: Mapping[str, Callable[[str], bool]] = {NHS_NUMBER_SYSTEM: is_nhs_number}
"""Identifier systems with a check of their own; values that fail it never link."""

_ALL_VERIFIED: Mapping[str, Callable[[Sequence[str]], bool]] = {NHS_NUMBER_SYSTEM: are_nhs_numbers}
"""The same checks, of many values at once."""


@dataclass(frozen=True, slots=True)
class Linking:
    """How a deployment links: identifier systems in order of preference, the sources trusted to state them,
    what else must agree, and the elements of Patient that one record may lend another."""

    systems: tuple[str, ...]
    trusted_sources: frozenset[str]
    key: PersonKey
    agree_on: tuple[Demographic, ...] = (BIRTH_DATE,)
    refill: tuple[str, ...] = ()
    checks: Mapping[str, Callable[[str], bool]] = field(init=False, repr=False, compare=False)
    """For each system, which of its values link."""

    def __post_init__(self) -> None:
        checks = {system: _VERIFIED.get(system, _is_value) for system in self.systems}
        object.__setattr__(self, "checks", checks)


class Statement(msgspec.Struct, frozen=True):
    """The linking identifiers that a record states, in order of their systems.

    `is_ambiguous`: it states two current values of one system, so that it links by none.
    """

    tokens: tuple[Token, ...] = ()
    is_ambiguous: bool = False


NOTHING = Statement()


class Links(msgspec.Struct, eq=False):
    """The linking identifiers of records, each verified once in a request.

    A vendor's account is linked by a reviewed table, which is trusted as such.
    """

    linking: Linking
    _upstreams: Mapping[str, Upstream]
    _known: dict[str, dict[str, Statement]] = {}
    """By system, what each value that was stated means; filled when the first is looked into."""

    def links(self, identifier: Token) -> bool:
        """Whether the identifier can link at all."""
        check = self.linking.checks.get(identifier.system or "")
        return check is not None and check(identifier.code or "")

    def of(self, record: Resource) -> Statement:
        """The verified identifiers by which a record links, if a trusted source states any.

        One that is old (`use`), or whose period is over, does not count (R4 datatypes, Identifier).
        """
        entries = record.json.get("identifier")
        if type(entries) is not list or not self._trusts(record.source):
            return NOTHING
        known, only = self._known or self._begun(), NOTHING
        more: set[Token] | None = None
        for entry in entries:
            if type(entry) is not dict or type(system := entry.get("system")) is not str:
                continue
            if (values := known.get(system)) is None or type(value := entry.get("value")) is not str:
                continue
            if entry.get("use") == "old" or ("period" in entry and _is_over(entry["period"])):
                continue
            stated = values.get(value) or self._verified(system, value)
            if stated is only or stated is NOTHING:
                continue
            if only is not NOTHING:
                more = more or set(only.tokens)
                more.update(stated.tokens)
            only = stated
        return only if more is None or len(more) < 2 else self._several(more)

    def of_each(self, records: Sequence[Resource]) -> list[Token] | None:
        """The one identifier that each record states, each another one of the only system; None where it
        takes `of` to tell one."""
        trusted = self.linking.trusted_sources
        if not self._upstreams.keys() <= trusted:
            trusted = trusted.union([name for name, one in self._upstreams.items() if one.links_by_table])
        stated = stated_by_each(records, self.linking, trusted)
        return None if stated is None else list(stated)

    def states_only(self, record: Resource, identifier: Token) -> bool:
        """Whether a record plainly states an identifier, which links, and none beside it."""
        systems, only = self.linking.systems, None
        try:
            for entry in record.json["identifier"]:
                if entry.get("system") in systems:
                    if only is not None:
                        return False
                    only = entry
        except (AttributeError, KeyError, TypeError):  # what is not as FHIR has it
            return False
        return (
            only is not None
            and only.get("value") == identifier.code
            and only["system"] == identifier.system
            and "period" not in only
            and only.get("use") != "old"
            and (record.source in self.linking.trusted_sources or self._trusts(record.source))
        )

    @staticmethod
    def are_alike(one: Resource, other: Resource) -> bool:
        """Whether two records state the same, because they say the same of their identifiers."""
        return one.source == other.source and one.json.get("identifier") == other.json.get("identifier")

    def _several(self, stated: Iterable[Token]) -> Statement:
        ranks = self.linking.systems
        tokens = sorted(stated, key=lambda one: (ranks.index(one.system or ""), one.code or ""))
        systems = {one.system for one in tokens}
        return Statement(tuple(tokens), len(systems) < len(tokens))

    def _trusts(self, source: str) -> bool:
        if source in self.linking.trusted_sources:
            return True
        upstream = self._upstreams.get(source)
        return upstream is not None and upstream.links_by_table

    def _begun(self) -> dict[str, dict[str, Statement]]:
        self._known.update((system, {}) for system in self.linking.systems)
        return self._known

    def _verified(self, system: str, value: str) -> Statement:
        """The token of an identifier as stated; nothing where the value fails its system's check."""
        code = value.replace(" ", "")
        made = Statement((Token(system, code),)) if self.linking.checks[system](code) else NOTHING
        (self._known or self._begun())[system][value] = made
        return made


def stated_by_each(
    records: Sequence[Resource], linking: Linking, trusted: frozenset[str]
) -> dict[Token, Resource] | None:
    """The one identifier that each record of `trusted` sources states, with the record; None where that
    takes a closer look, as at records that lead to others."""
    systems = linking.systems
    if len(systems) > 1 or not records:
        return None
    (system,) = systems
    stated: dict[Token, Resource] = {}
    values = []
    try:
        for record in records:
            json, only = record.json, None
            if record.source not in trusted or "link" in json or record.container is not None:
                return None
            for row in json["identifier"]:
                if row.get("system") == system:
                    if only is not None:
                        return None
                    only = row
            if only is None or "period" in only or only.get("use") == "old":
                return None
            value = only["value"]
            values.append(value)
            stated[Token(system, value)] = record
        is_plain = len(stated) == len(records) and _ALL_VERIFIED.get(system, _are_values)(values)
    except (AttributeError, KeyError, TypeError):  # what is not as FHIR has it
        return None
    return stated if is_plain else None


def _is_value(code: str) -> bool:
    return bool(code) and "\0" not in code and " " not in code


def _are_values(codes: Sequence[str]) -> bool:
    return all(map(_is_value, codes))


def _is_over(period: Any) -> bool:
    """Whether the period in which an Identifier counts has ended (R4 datatypes, Identifier)."""
    end = period.get("end") if type(period) is dict else None
    if type(end) is not str:
        return False
    try:
        return interval(end).high <= datetime.now(UTC)
    except DateInvalid:
        return True  # it ends, nobody knows when
