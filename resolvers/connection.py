"""A list over all sources: planned, merged, counted, and honest about what is missing."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from permissions.narrowing import Narrowing
from resolvers.admission import Admits
from resolvers.context import LocatedError, RequestContext
from resolvers.edge import Edge, Sealer, edge_of
from resolvers.field import FieldCall
from resolvers.given import note_resources, note_rows
from resolvers.merge import Merge
from resolvers.outcome import OK, SourceOutcome, require_complete
from resolvers.persons import Person
from resolvers.plan import SourcePlan
from resolvers.question import Question
from resolvers.resource import Node, Resource
from resolvers.site import Site
from resolvers.straight import Straight, key_of
from resolvers.stream import Stream
from resolvers.upstreams.errors import (
    SearchNotSupported,
    UpstreamDenied,
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamRejected,
    UpstreamThrottled,
    UpstreamTimeout,
    UpstreamUnavailable,
)

TELLING = frozenset({"completeness", "sources"})
ROWS = frozenset({"edges", "nodes"})
OF_THE_PAGE = TELLING | ROWS | {"pageInfo"}

_ERRORS = {
    kind.code: kind
    for kind in (
        UpstreamTimeout,
        UpstreamUnavailable,
        UpstreamRejected,
        UpstreamThrottled,
        UpstreamInvalidResponse,
        SearchNotSupported,
        UpstreamDenied,
    )
}


def gap_error(outcome: SourceOutcome) -> UpstreamError:
    """A source's gap as an error, for a caller who did not ask how complete the list is."""
    kind = _ERRORS.get(outcome.code or "", UpstreamUnavailable)
    return kind(outcome.source, outcome.message or f"the source's part is {outcome.status.value.lower()}")


class Connection(msgspec.Struct):
    """One page of a merged list: `edges` once the long way has been taken, else `straight`."""

    question: Question
    person: Person | None
    context: RequestContext
    made_plans: Sequence[SourcePlan] | None
    """None: they are made of `site` when they are looked at."""
    straight: Straight | None = None
    outcomes: list[SourceOutcome] = []
    has_next: bool = False
    has_more_before: bool = False
    """Whether rows precede a page that was asked for from its end."""
    missed: frozenset[str] = frozenset()
    """Sources of which rows may be missing that belong before the page: they were not there for an earlier
    one, or cannot be asked now."""
    streams: dict[str, list[Stream]] = {}
    merge: Merge | None = None
    admits: Admits | None = None
    """Which rows the caller's scopes reach; None: every row."""
    narrowing: Narrowing | None = None
    """What `admits` tests, where structs can be tested for it."""
    told: frozenset[str] = frozenset()
    """The ruled fields of which the question's filters and its sort tell."""
    tells: bool = True
    """Whether the caller asked how complete the list is."""
    site: Site | None = None
    """How the list is asked for, whoever it is of, where it is one that was kept (`resolvers.level`)."""
    lookups: Sequence[Any] | None = None
    """How the lookup of each identifier ended, where the list was asked for by identifiers."""
    _edges: list[Edge] | None = None
    _shown: Sequence[tuple[Resource, Node]] = ()
    _sealer: Sealer | None = None

    @property
    def plans(self) -> Sequence[SourcePlan]:
        """How each source is asked."""
        if self.made_plans is None:
            assert self.site is not None
            assert self.person is not None
            self.made_plans = (self.site.about(self.person.records),)
        return self.made_plans

    @property
    def sealer(self) -> Sealer:
        """Makes the list's cursors."""
        if self._sealer is None:
            names = [one.upstream.name for one in self.plans]
            self._sealer = Sealer(self.question, self.person, self.context, names)
        return self._sealer

    @property
    def edges(self) -> list[Edge]:
        """The rows with their cursors."""
        if self._edges is None:
            made = (edge_of(record, node, self.question, self.sealer) for record, node in self._shown)
            self._edges = list(made)
        return self._edges

    @edges.setter
    def edges(self, edges: list[Edge]) -> None:
        self._edges = edges

    @property
    def nodes(self) -> list[Node]:
        """The rows."""
        if self._edges is None:
            return [node for _, node in self._shown]
        return [edge.node for edge in self._edges]

    def show(
        self, rows: Sequence[tuple[Resource, Node]], outcomes: list[SourceOutcome], has_next: bool
    ) -> None:
        """Makes this a page of records that no merge has gone through, each with the node that it is."""
        self._shown, self.outcomes, self.has_next = rows, outcomes, has_next

    @property
    def has_previous(self) -> bool:
        """Whether rows precede the page: that of its cursor does."""
        return self.has_more_before if self.question.is_backward else self.question.after is not None

    @property
    def unasked(self) -> frozenset[str]:
        """The sources that cannot be asked for the list, though they may have rows of it."""
        return frozenset([one.upstream.name for one in self.plans if one.outcome and one.outcome.is_gap])

    @property
    def cursors_expire_at(self) -> datetime | None:
        """When the page's cursors expire; None where it has none."""
        has_rows = bool(self.straight.rows) if self.straight is not None else bool(self.nodes)
        return datetime.fromtimestamp(self.sealer.expires_at, UTC) if has_rows else None

    @property
    def has_strays(self) -> bool:
        """Whether a source sent rows that it was not asked for; its counts are then of no use."""
        return any(one.has_strays for of_source in self.streams.values() for one in of_source)

    def has_failed(self, source: str) -> bool:
        """Whether any of the source's searches failed so far."""
        failures = self.merge.failures if self.merge else {}
        return any(one.id in failures for one in self.streams.get(source, ()))

    def cursor(self, index: int) -> str | None:
        """The cursor of the page's first (0) or last (-1) row; None where there is no row."""
        if self.straight is None:
            return self.edges[index].cursor if self.edges else None
        if not self.straight.rows:
            return None
        row, page = self.straight.rows[index], self.straight.pages[index]
        ordering = self.question.ordering
        return self.sealer.seal((ordering.dump(key_of(row, ordering)), page.source, row.id_), self.unasked)

    @property
    def searched(self) -> int:
        """How many sources are searched for the list."""
        plans = self.plans
        if len(plans) == 1:
            return 1 if plans[0].searches else 0
        return sum([1 for one in plans if one.searches])

    def disclose(self, call: FieldCall, searched: int) -> None:
        """Notes the page, for which so many sources were searched, and its rows that are given out."""
        context, straight = self.context, self.straight
        if call.selected.isdisjoint(ROWS):
            context.tally.page(call.at, searched, 0)
            return
        noted, person_id = context.disclosures, self.person.id if self.person else None
        if straight is not None:
            context.tally.page(call.at, searched, len(straight.rows))
            note_rows(noted, person_id, straight)
            return
        nodes = self.nodes
        context.tally.page(call.at, searched, len(nodes))
        note_resources(noted, person_id, [node.resource for node in nodes])
        if "edges" in call.selected and self.question.collapses:
            same = [node.resource for edge in self.edges for node in edge.duplicates]
            note_resources(noted, person_id, same)


def require(context: RequestContext, outcomes: Sequence[SourceOutcome]) -> None:
    """Raises AnswerIncomplete where the answer to a caller who wants it complete is not."""
    for outcome in outcomes:
        context.note(outcome)
    require_complete(outcomes)


def tell(context: RequestContext, outcomes: Sequence[SourceOutcome], call: FieldCall) -> None:
    """Says what is missing where the client looks: in the list, or else as an error (docs/errors.md)."""
    for outcome in outcomes:
        context.note(outcome)
        if outcome.status is not OK and outcome.is_gap and call.selected.isdisjoint(TELLING):
            context.errors.append(LocatedError(gap_error(outcome), call.path))
