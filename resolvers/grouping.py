"""Which of some records are one person's, by the identifiers that they state: a pure function.

Records that state the same identifier of their foremost system belong together where they agree; those
that state a lesser system only join them by it, where it leads to one person and no other. A record that
speaks against the others, or states two values of one system, stays alone and leads nobody anywhere.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from clinical.identifiers import Token
from resolvers.agreement import Demographic, all_agree, disagreement
from resolvers.conflict import ConflictReason, IdentityConflict
from resolvers.linking import Statement
from resolvers.resource import Resource


class Group(msgspec.Struct, eq=False):
    """The records of one person. `key`: the identifier that names the person."""

    key: Token
    records: list[Resource] = []
    tokens: set[Token] = set()


class Grouping(msgspec.Struct, eq=False):
    """`groups` by the identifier that names each; `loners`: why each record that is not linked is not."""

    groups: dict[Token, Group]
    loners: dict[Resource, IdentityConflict]

    def of_token(self, token: Token) -> list[Group]:
        """The groups of which a record states the identifier: one, none, or several who share it."""
        own = self.groups.get(token)
        return [own] if own is not None else [one for one in self.groups.values() if token in one.tokens]


class Grouper:
    """Groups records by what a deployment links by."""

    def __init__(self, systems: Sequence[str], agree_on: Sequence[Demographic]) -> None:
        self.ranks = {system: rank for rank, system in enumerate(systems)}
        self._agree_on = agree_on

    def grouped(
        self, stated: Mapping[Resource, Statement], unreadable: Collection[Resource] = ()
    ) -> Grouping:
        """Who is one with whom. `stated`: records in order of precedence, with what each states (at least one
        identifier); `unreadable`: those that must not be used while nobody knows what instead."""
        making = _Making(self, stated)
        for one, said in stated.items():
            if one in unreadable:
                making.leave(one, ConflictReason.REPLACED_RECORD_UNREADABLE)
            elif said.is_ambiguous:
                making.leave(one, ConflictReason.SEVERAL_IDENTIFIERS)
        making.enter_all()
        return making.grouping

    def are_one(self, records: Sequence[Resource]) -> bool:
        """Whether records that state the same identifier and no other all make one group."""
        return all_agree(records, self._agree_on)

    def objection(
        self, record: Resource, said: Statement, others: Mapping[Resource, Statement]
    ) -> ConflictReason | None:
        """Why a record cannot be of the person of all the others; None where nothing speaks against it."""
        own = {token.system: token for token in said.tokens}
        for other in others.values():
            if any(own.get(token.system, token) != token for token in other.tokens):
                return ConflictReason.IDENTIFIERS_DISAGREE
        return disagreement(record, tuple(others), self._agree_on)


class _Making:
    """A grouping that is being made: the foremost systems first."""

    def __init__(self, grouper: Grouper, stated: Mapping[Resource, Statement]) -> None:
        self.grouping = Grouping({}, {})
        self._grouper = grouper
        self._stated = stated
        self._homes: dict[Token, Group] = {}
        """For each foremost identifier, the group that the records with it went to."""
        self._foremost: dict[Token, set[Token]] = {}
        """For each identifier, the foremost ones of the records that state it."""

    def leave(self, record: Resource, reason: ConflictReason) -> None:
        """Has a record linked to nobody."""
        self.grouping.loners[record] = IdentityConflict(record, reason)

    def enter_all(self) -> None:
        """Has every record that was not left enter its person's group."""
        by_key: dict[Token, list[Resource]] = {}
        for one, said in self._stated.items():
            if one not in self.grouping.loners:
                by_key.setdefault(said.tokens[0], []).append(one)
                for token in said.tokens:
                    self._foremost.setdefault(token, set()).add(said.tokens[0])
        for key in sorted(by_key, key=lambda one: (self._rank(one), one.code or "")):
            self._enter(key, by_key[key])

    def _enter(self, key: Token, records: Sequence[Resource]) -> None:
        """Puts the records whose foremost identifier is `key` into the group of their person."""
        tokens = {token for one in records for token in self._stated[one].tokens}
        above = self._above(key, tokens)
        if len(above) > 1:
            for one in records:
                self.leave(one, ConflictReason.IDENTIFIER_SHARED)
            return
        (found,) = above or (None,)
        is_joined = isinstance(found, Group) and not found.tokens.isdisjoint(tokens)
        group = found if isinstance(found, Group) and is_joined else Group(key, [], set())
        self._homes[key] = group
        if not is_joined:  # else whoever states it there is linked
            self.grouping.groups[key] = group
        for one in records:
            self._join(group, one)

    def _above(self, key: Token, tokens: Iterable[Token]) -> set[Group | Token]:
        """The persons, by systems that go before, whom any of the identifiers may mean."""
        rank = self._rank(key)
        names = {name for token in tokens for name in self._foremost[token] if self._rank(name) < rank}
        return {self._homes.get(name, name) for name in names}

    def _join(self, group: Group, record: Resource) -> None:
        members = {one: self._stated[one] for one in group.records}
        reason = self._grouper.objection(record, self._stated[record], members)
        if reason is not None:
            self.leave(record, reason)
            return
        group.records.append(record)
        group.tokens.update(self._stated[record].tokens)

    def _rank(self, key: Token) -> int:
        return self._grouper.ranks.get(key.system or "", len(self._grouper.ranks))


def conflicts_about(
    tokens: Iterable[Token], loners: Mapping[Resource, IdentityConflict], stated: Mapping[Resource, Statement]
) -> tuple[IdentityConflict, ...]:
    """The records that state one of these identifiers and are not linked."""
    wanted = set(tokens)
    return tuple(one for record, one in loners.items() if not wanted.isdisjoint(stated[record].tokens))
