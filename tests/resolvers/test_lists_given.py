"""What lists give out is noted alike, whichever way led to them and however many were asked for together."""

from collections.abc import Sequence
from inspect import isawaitable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from resolvers.connection import Connection
from resolvers.field import FieldCall
from resolvers.listing import connect
from resolvers.plan import Asked
from resolvers.question import Requirement, question_of
from resolvers.shape import shape_of
from resolvers.upstreams.errors import UpstreamError, UpstreamTimeout
from resolvers.upstreams.upstream import Call, Page, Search
from tests.resolvers.asking import observation, patient
from tests.resolvers.searchsets import NUMBER, SearchsetUpstream, context_of, federation

SORTS = frozenset({"date", "_id"})
TYPES = ("Observation",)
SELECTED = ("nodes", "edges", "completeness", "pageInfo", "totalCount")


class Down(SearchsetUpstream):
    """Knows who is who, and answers no search."""

    async def search(self, searches: Sequence[Search], call: Call) -> Sequence[Page | UpstreamError]:
        return [UpstreamTimeout(self.name, "late")] * len(searches)


def source(name: str, rows: int, kind: type[SearchsetUpstream] = SearchsetUpstream) -> SearchsetUpstream:
    """Two persons with so many rows each."""
    made = [
        observation(f"{one}{who}", who, f"202{one}-01-01T00:00:00Z") for who in "12" for one in range(rows)
    ]
    people = [patient("1", NUMBER), patient("2")]
    return kind(name, {"Patient": people, "Observation": made}, sorts=SORTS)


async def noted(sources: Sequence[SearchsetUpstream], asked: Sequence[Any], *, is_short: bool) -> Any:
    """What is noted where lists are asked for together: (whose, what of them, arguments) each."""
    context = context_of(federation(sources, TYPES))
    if is_short:
        context.shapes = {"Observation": shape_of("Observation", ())}
    try:
        calls, lists = [], []
        for place, (who, selected, arguments) in enumerate(asked):
            person = await context.identity.of_id(f"a/Patient/{who}")
            calls.append(FieldCall(None, arguments, context, (None, str(place)), frozenset(selected)))
            lists.append(Asked(question_of("Observation", arguments), person))
        ended = [await _ended(one) for one in await connect(calls, lists)]
        places = sorted(context.tally.pages, key=str)
        errors = sorted((str(one.path), str(one.error)) for one in context.errors)
        return ended, places, context.disclosures.rows(), context.statuses(), errors
    finally:
        context.close()


async def _ended(one: Any) -> Any:
    try:
        made = await one if isawaitable(one) else one
    except Exception as problem:  # noqa: BLE001  told at the list's field
        made = problem
    return (made.has_next, made.tells) if isinstance(made, Connection) else type(made)


_ARGUMENTS = st.fixed_dictionaries(
    {"first": st.integers(0, 3)}, optional={"require": st.just(Requirement.COMPLETE)}
)
_ASKED = st.tuples(st.sampled_from("12"), st.sets(st.sampled_from(SELECTED)), _ARGUMENTS)


@settings(max_examples=150, deadline=None)
@given(st.lists(_ASKED, min_size=1, max_size=4), st.integers(0, 3), st.booleans(), st.booleans())
async def test_the_short_way_notes_what_the_long_way_notes(
    asked: list[Any], rows: int, has_other: bool, is_down: bool
) -> None:
    last = Down if is_down else SearchsetUpstream
    sources = [source("a", rows), source("b", 2, last)] if has_other else [source("a", rows, last)]
    short = await noted(sources, asked, is_short=True)
    assert short == await noted(sources, asked, is_short=False)
    each = [await noted(sources, [one], is_short=True) for one in asked]
    assert [ended for one in each for ended in one[0]] == short[0]
