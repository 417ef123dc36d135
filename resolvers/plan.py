"""From a question to searches: what each source is asked, and what is checked here instead."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec
from msgspec.structs import replace

from clinical.compartment import patient_parameter
from permissions.narrowing import Narrowing
from resolvers.changed import changed_filters, or_unsaid
from resolvers.context import RequestContext
from resolvers.filtering import divide, is_checked, parameter_of_patient, references_of, test_of, told_at
from resolvers.hidden import hidden_filter
from resolvers.narrowed import narrowed
from resolvers.narrowed_shape import narrowed_shape
from resolvers.outcome import OK, SourceOutcome, SourceStatus
from resolvers.persons import Person
from resolvers.question import Question
from resolvers.resource import Location, Resource
from resolvers.shape import Shape
from resolvers.stream import Keep
from resolvers.upstreams.closed import restriction_outcome
from resolvers.upstreams.errors import SearchNotSupported, UpstreamError
from resolvers.upstreams.upstream import Abilities, Filter, Search, Upstream

_TIE_BREAK = (("_id",), ("-_id",))
"""By whether the list is read from its end."""
LABELS = "_security"
"""The search parameter that finds by security label (R4 search, 3.1.1.5)."""

_WHOLE = ((),)
_BY_PARTS = "the source can only be asked by parts, which may not be all"


class SourcePlan(msgspec.Struct):
    """What one source is asked: `searches`, or none and the `outcome` that says why.

    `keeps` are tests that the gateway applies itself, `checks` those that
    it applies although the source says it does; `records`: the Patient record that each
    search is about. `is_sorted`: the source sorts as the question wants;
    `is_sorted_by_id`: equal rows by id. `is_batched`: it takes many searches at once.
    `pages_max` bounds one walk. `is_counted`: it says how many there are; `counts_hidden`: also of
    those that are not shown, `counts_labelled`: of those with a security label.
    """

    upstream: Upstream
    searches: Sequence[Search] = ()
    keeps: tuple[Keep, ...] = ()
    checks: tuple[Keep, ...] = ()
    records: Sequence[Resource | None] = ()
    is_sorted: bool = False
    is_sorted_by_id: bool = False
    is_batched: bool = False
    pages_max: int = 0
    is_counted: bool = False
    counts_hidden: bool = False
    counts_labelled: bool = False
    outcome: SourceOutcome | None = None
    problems: tuple[str, ...] = ()
    abilities: Abilities | None = None
    """What the source can do with the type; None where it is not asked."""
    is_simple: bool = False
    """Whether the source is asked once, answers in the order asked for, and leaves nothing to be tested."""
    is_short: bool = False
    """Whether moreover its first page, if it is plain, is the list's (`resolvers.straight`)."""


@dataclass(frozen=True, slots=True)
class _Draft:
    """How a source is asked by a question, whoever it is about: the plan of one person is made from it."""

    plan: SourcePlan
    base: Search
    references: tuple[Filter, ...]
    parts: tuple[tuple[Filter, ...], ...]
    """What each of several searches adds, which together find everything."""
    is_simple: bool
    """Whether one search asks for all of a record's rows, the same wherever the record is."""

    def about(self, records: Sequence[Resource], gap: SourceOutcome | None) -> SourcePlan:
        """The plan for a person, who has these records in the source. `gap`: how a lookup of the person fell
        short, so that the source may hold more records than are known."""
        if self.is_simple and gap is None and len(records) == 1:
            search = replace(self.base, location=records[0].location, patient=records[0].id)
            return replace(self.plan, searches=(search,), records=records)
        problems = () if gap is None else (_problem(gap),)
        return self._plan(*self._searches([(one.location, one) for one in records]), problems)

    def about_nobody(self) -> SourcePlan:
        """The plan for a list that is about nobody in particular."""
        return self._plan(*self._searches([(one, None) for one in self.plan.upstream.locations()]), ())

    def _plan(
        self, searches: Sequence[Search], records: Sequence[Resource | None], problems: tuple[str, ...]
    ) -> SourcePlan:
        plan = self.plan
        if len(searches) == 1 and not problems:
            return replace(plan, searches=searches, records=records)
        return replace(
            plan,
            searches=searches,
            records=records,
            problems=(*problems, *plan.problems),
            is_simple=False,
            is_short=False,
        )

    def _searches(
        self, places: Iterable[tuple[Location, Resource | None]]
    ) -> tuple[list[Search], list[Resource | None]]:
        searches, records = [], []
        for location, record in places:
            told = told_at(location, self.references) if self.references else ()
            for part in self.parts if told is not None else ():
                filters = (*self.base.filters, *(told or ()), *part)
                patient = record.id if record else None
                searches.append(replace(self.base, location=location, filters=filters, patient=patient))
                records.append(record)
        return searches, records


class Asked(msgspec.Struct):
    """A list that the caller may have: `person` is whom it is about (None: nobody in particular), `admits`
    which rows the caller's scopes reach (None: every row)."""

    question: Question
    person: Person | None
    admits: Keep | None = None
    narrowing: Narrowing | None = None
    """What `admits` tests, where it is what a single scope narrows to."""


async def plan_lists(
    upstream: Upstream, lists: Sequence[Asked], context: RequestContext
) -> list[SourcePlan | None]:
    """How one source is asked for each of some lists; None where it cannot hold the type.

    Never raises: a source that cannot be asked gets its outcome.
    """
    name, types = upstream.name, upstream.types
    is_closed = name in context.closed_to_restricted
    drafts: dict[tuple[int, bool], _Draft | SourceOutcome] = {}
    draft: _Draft | SourceOutcome | None = None
    before: Question | None = None
    is_nobodys = is_held = False
    plans: list[SourcePlan | None] = []
    records: Sequence[Resource] = ()
    last: Person | None = None
    for one in lists:
        question, person = one.question, one.person
        if question is not before or is_nobodys is not (person is None):
            before, is_nobodys, draft = question, person is None, None
            is_held = question.type in types
        if not is_held:
            plans.append(None)
            continue
        if person is None:
            if is_closed and patient_parameter(question.type):
                plans.append(SourcePlan(upstream, outcome=restriction_outcome(name, None)))
                continue
        else:
            if person is not last:
                last, records = person, person.subjects
                if len(records) != 1 or records[0].source != name:
                    records = [record for record in records if record.source == name]
            if not records:
                plans.append(SourcePlan(upstream, outcome=_absence(upstream, person)))
                continue
            if is_closed and person.is_restricted:
                plans.append(SourcePlan(upstream, outcome=restriction_outcome(name)))
                continue
        if draft is None:
            key = (id(question), is_nobodys)
            draft = drafts.get(key)
            if draft is None:
                draft = drafts[key] = await _drafted(upstream, question, context, about_nobody=is_nobodys)
        if not isinstance(draft, _Draft):
            plans.append(SourcePlan(upstream, outcome=draft))
        elif person is None:
            plans.append(draft.about_nobody())
        else:
            outcome = person.outcomes.get(name)
            is_whole = outcome is None or outcome.status is OK or not outcome.is_gap
            plans.append(draft.about(records, None if is_whole else outcome))
    return plans


def outcome_of(error: UpstreamError) -> SourceOutcome:
    """The outcome that an error makes of its source."""
    return SourceOutcome(error.source, error.status, error.message, code=error.code)


def _absence(upstream: Upstream, person: Person) -> SourceOutcome:
    """Why a source cannot be asked about a person: the lookup failed, or it does not know the person."""
    return person.outcomes.get(upstream.name) or SourceOutcome(upstream.name, SourceStatus.NOT_LINKED)


async def _drafted(
    upstream: Upstream, question: Question, context: RequestContext, *, about_nobody: bool
) -> _Draft | SourceOutcome:
    try:
        abilities = await upstream.abilities(question.type, context.call)
        if isinstance(abilities, UpstreamError):
            raise abilities
        if abilities.needs_patient and about_nobody:
            raise SearchNotSupported(upstream.name, f"the source lists {question.type} of one patient only")
        shape = context.shapes.get(question.type)
        is_general = True
        if question.narrowings:
            is_general = question.narrowing is not None
            if shape is not None:
                shape = narrowed_shape(shape, question.narrowing) if question.narrowing is not None else None
        key = (upstream.name, question, abilities, shape, context.pages_max, about_nobody)
        if is_general and not (question.filters or question.references or question.changed_since):
            draft: _Draft | None = context.drafts.get(key)
            return draft or context.drafts.keep(key, _draft_of(upstream, *key[1:], (), ()))
        references, gaps = await references_of(upstream, question, context)
        if references is None:
            return gaps[0] if gaps else SourceOutcome(upstream.name, OK)
        return _draft_of(upstream, *key[1:], references, tuple(map(_problem, gaps)))
    except UpstreamError as error:
        # The fault may be another source's, met while a person was looked up: this one is the one not asked.
        return SourceOutcome(upstream.name, error.status, error.message, code=error.code)


def _draft_of(
    upstream: Upstream,
    question: Question,
    abilities: Abilities,
    shape: Shape | None,
    pages_max: int,
    about_nobody: bool,
    references: tuple[Filter, ...],
    problems: tuple[str, ...],
) -> _Draft:
    sent, kept = divide(upstream, question, question.filters, abilities)
    more_sent, more_kept = divide(upstream, question, references, abilities)
    filters = (*sent, *more_sent)
    partition = upstream.partition(question.type, filters)
    narrowings = narrowed(upstream, question, abilities)
    only, others = (narrowings[0], ((),)) if len(narrowings) == 1 else ((), narrowings)
    parts = tuple((*((one,) if one else ()), *more) for one in partition.filters for more in others)
    changed_sent, changed_kept = changed_filters(question, abilities)
    is_sorted = abilities.sorts_by(question.direction.sort) and question.is_in_order
    by_id = is_sorted and "_id" in abilities.sorts
    tie_break = _TIE_BREAK[question.is_backward] if by_id and "_id" not in question.ordering.codes else ()
    is_lazy = is_sorted and not kept and not more_kept and not changed_kept
    base = Search(
        type=question.type,
        location=upstream.locations()[0],
        filters=(*sent, *only, *changed_sent),
        patient_parameter=None if about_nobody else parameter_of_patient(upstream, question.type, abilities),
        sort=(*question.direction.sort, *tie_break) if is_sorted else (),
        count=_count(question, abilities, is_lazy=is_lazy),
        shape=shape,
    )
    checks = tuple(test_of(question.type, one) for one in filters if is_checked(question.type, one))
    checks += tuple(or_unsaid(test_of(question.type, one)) for one in changed_sent)
    told = (*problems, *(() if partition.exhaustive else (_BY_PARTS,)))
    is_simple = is_lazy and by_id and not question.is_backward and not checks and not told and parts == _WHOLE
    plan = SourcePlan(
        upstream,
        keeps=tuple(test_of(question.type, one) for one in (*kept, *more_kept, *changed_kept)),
        checks=checks,
        is_sorted=is_sorted,
        is_sorted_by_id=by_id,
        is_batched=abilities.batches,
        pages_max=min(abilities.pages_max, pages_max),
        is_counted=abilities.counts and len(parts) == 1 and not question.narrowings,
        counts_hidden=_counts_hidden(question, abilities),
        counts_labelled=LABELS in abilities.parameters,
        problems=told,
        abilities=abilities,
        is_simple=is_simple,
        is_short=is_simple and question.is_newest_first and question.after is None and shape is not None,
    )
    return _Draft(plan, base, more_sent, parts, not more_sent and parts == _WHOLE)


def _problem(gap: SourceOutcome) -> str:
    return gap.message or "the lookup of a person fell short in this source"


def _count(question: Question, abilities: Abilities, *, is_lazy: bool) -> int:
    """One row more than asked tells whether a page follows; what is sorted here comes in full pages."""
    return min(question.first + 1, abilities.page_size_max) if is_lazy else abilities.page_size_max


def _counts_hidden(question: Question, abilities: Abilities) -> bool:
    hidden = hidden_filter(question.type)
    return question.shows_hidden or hidden is None or hidden.code in abilities.parameters
