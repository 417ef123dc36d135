"""Lists that are planned from what was kept are asked for, and answered, as those that are planned anew."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from clinical.codec import decode_json, encode_json
from permissions.decision import Permissions
from permissions.principal import Principal
from permissions.scopes import other_words, parse_scopes
from resolvers.cache import MemoryCache
from resolvers.cursor import Cursors
from resolvers.federation import Federation
from resolvers.level import Level
from resolvers.linking import Linking
from resolvers.upstreams.closed import SourceRules
from resolvers.upstreams.errors import UpstreamError
from resolvers.upstreams.upstream import Abilities, Call, Declaring, Preparing, Search
from tests.resolvers.asking import KEY, NHS, TYPES, executor, observation, patient, permissions_of
from tests.resolvers.searchsets import PreparedInMemory, SearchsetUpstream

Json = dict[str, Any]
NUMBERS = ("9990000018", "9990000026", "9990000034")
RESTRICTED = {
    "security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}]
}
SORTS = frozenset({"date", "recorded-date", "_id"})

MANY = """query Q($id: ID!, $first: Int) { patient(id: $id) {
  observations(first: 2) { completeness nodes { id status } pageInfo { hasNextPage } }
  conditions(first: 2) { completeness nodes { id } }
  more: observations(first: $first) { nodes { id } } } }"""
FOUND = """query Q($id: ID!) { patient(id: $id) {
  observations(first: 2, code: ["http://loinc.org|29463-7"]) { completeness nodes { id } }
  conditions(first: 2, sort: "_id") { sources { source status } nodes { id } }
  encounters(first: 2) { totalCount } } }"""
ONE = "query Q($id: ID!) { patient(id: $id) { observations(first: 2) { completeness nodes { id } } } }"
UNTOLD = "query Q($id: ID!) { patient(id: $id) { observations(first: 2) { nodes { id status } } } }"
STRICT = """query Q($id: ID!) { patient(id: $id) {
  observations(first: 2, require: COMPLETE) { nodes { id } } conditions { nodes { id } } } }"""
ALL = "{ patients(first: 5) { nodes { id observations(first: 2) { completeness nodes { id status } } } } }"
SAME = """query Q($id: ID!) { patient(id: $id) { observations(first: 3) { nodes {
  subject { resource { ... on Patient { id conditions(first: 2) { completeness nodes { id } } } } } } } } }"""
TEXTS = (MANY, FOUND, ONE, UNTOLD, STRICT, ALL, SAME)
SCOPES = (
    "system/*.rs",
    "system/Patient.rs system/Observation.rs",
    "patient/*.rs",
    "system/Patient.rs patient/Observation.rs system/Condition.rs",
    "system/Patient.rs system/Condition.rs system/Observation.rs?status=final",
)


@dataclass
class DeclaringUpstream(SearchsetUpstream):
    """A source in memory that says what it can do."""

    declared: object | None = field(default_factory=object)

    async def abilities(self, resource_type: str, call: Call) -> Abilities | UpstreamError:
        assert isinstance(self, Declaring)
        assert isinstance(self, Preparing)
        return await super().abilities(resource_type, call)

    def prepare(self, searches: Sequence[Search]) -> PreparedInMemory | None:
        assert all(one.patient is None for one in searches)
        return PreparedInMemory(self, searches) if len(set(searches)) == len(searches) else None


def source(name: str = "a") -> DeclaringUpstream:
    """Three persons: one with rows of each type, one who is restricted, one with an odd page."""
    rows = {
        "Patient": [
            patient("1", NUMBERS[0]),
            patient("2", NUMBERS[1], meta=RESTRICTED),
            patient("3", NUMBERS[2]),
        ],
        "Observation": [
            observation(f"{who}-{day}", who, f"2020-05-0{day}T10:00:00Z")
            for who in "123"
            for day in range(1, 5)
        ],
        "Condition": [
            {"resourceType": "Condition", "id": f"c{who}", "subject": {"reference": f"Patient/{who}"}}
            for who in "13"
        ],
        "Encounter": [],
    }
    rows["Observation"].append(observation("odd", "3", "2020-05-09", status="entered-in-error"))
    return DeclaringUpstream(name, rows, sorts=SORTS)


@cache
def prepared(text: str) -> Any:
    """A document, which is compiled once."""
    return executor()[1].prepare(text, None, "")


@cache
def allowed(scopes: str) -> tuple[Principal, Permissions]:
    """A caller, whose permissions are shared by requests as in a deployment."""
    own = "a/Patient/1" if "patient/" in scopes else None
    principal = Principal("i", "c", "s", parse_scopes(scopes), other_words(scopes), patient=own)
    return principal, permissions_of(principal)


def deployed(*sources: DeclaringUpstream, closes: bool = False) -> Federation:
    cache_ = MemoryCache()
    linking = Linking((NHS,), frozenset(one.name for one in sources), KEY)
    rules = {one.name: SourceRules(is_closed_to_restricted=closes) for one in sources}
    made = (sources, linking, Cursors(b"c" * 32, cache_), cache_, frozenset(TYPES))
    return Federation(*made, pages_max=1000, rules=rules)


async def answer(opened: Federation, scopes: str, text: str, who: str, first: int) -> tuple[Any, ...]:
    """All that a request tells, and what the sources were asked for it."""
    runner, _ = executor()
    sources: Any = opened.upstreams.values()
    for one in sources:
        one.calls.clear()
    principal, permissions = allowed(scopes)
    context = opened.open(principal, permissions, deadline_s=30, request_id="r")
    try:
        variables: Json = {"id": f"a/Patient/{who}"} if "$id" in text else {}
        variables |= {"first": first} if "$first" in text else {}
        found = await runner.run(prepared(text), variables, context)
        errors = sorted(str(error) for error in found.errors)
        given = context.disclosures.rows(), [note[1:] for note in context.tally.pages], context.statuses()
        asked = [[call for call in one.calls if call[0] == "search"] for one in sources]
        return decode_json(encode_json(found.data)), errors, given, asked
    finally:
        context.close()


request = st.tuples(
    st.sampled_from(SCOPES), st.sampled_from(TEXTS), st.sampled_from("1123"), st.integers(0, 3)
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(request, st.sampled_from(["", "", "", "sorts", "down", "page", "types", "silent"])),
        max_size=8,
    ),
    st.booleans(),
    st.booleans(),
)
async def test_what_was_kept_changes_no_answer_and_no_search(
    requests: list[Any], closes: bool, has_other: bool
) -> None:
    names = "ab" if has_other else "a"
    warm = deployed(*map(source, names), closes=closes)
    for asked, event in requests:
        fresh = deployed(*map(source, names), closes=closes)
        for one, other in zip(warm.upstreams.values(), fresh.upstreams.values(), strict=True):
            change(one, event)
            copy(one, other)
        for _ in range(2):
            assert await answer(warm, *asked) == await answer(fresh, *asked)


def change(source: Any, event: str) -> None:
    """What a source declares from now on."""
    if event == "sorts":
        source.sorts = frozenset() if source.sorts else SORTS
    elif event == "page":
        source.page_size_max = 1 if source.page_size_max > 1 else 100
    elif event == "types":
        source.types = source.types ^ {"Condition"}
    elif event == "down":
        source.down = None if source.down else UpstreamError(source.name, "down")
    if event:
        source.declared = None if event == "silent" or source.down else object()


def copy(source: Any, other: Any) -> None:
    for name in ("sorts", "page_size_max", "types", "down"):
        setattr(other, name, getattr(source, name))


async def test_a_level_is_kept_once_for_all_persons() -> None:
    opened = deployed(source())
    for who in "1123":
        data, _, _, asked = await answer(opened, SCOPES[0], ONE, who, 2)
        assert data["patient"]["observations"]["completeness"] == "COMPLETE"
        assert {one.patient for _, searches in asked[0] for one in searches} == {who}
    await answer(opened, SCOPES[0], ALL, "1", 2)
    levels = [one for one in opened._levels._kept.values() if isinstance(one, Level)]
    assert len(levels) == 2
    for level in levels:
        assert [(one.search.patient, one.plan.searches, one.plan.records) for one in level.sites] == [
            (None, (), ())
        ]


async def test_a_list_of_one_person_is_asked_for_once_whatever_leads_there() -> None:
    opened = deployed(source())
    for _ in range(3):
        data, *_, asked = await answer(opened, SCOPES[0], SAME, "1", 2)
        rows = data["patient"]["observations"]["nodes"]
        lists = [row["subject"]["resource"]["conditions"] for row in rows]
        assert lists == [{"completeness": "COMPLETE", "nodes": [{"id": "a/Condition/c1"}]}] * 3
        searches = [one for _, of in asked[0] for one in of]
        assert len(searches) == len(set(searches))


async def test_a_restricted_person_is_asked_about_at_no_closed_source_that_others_are_asked_about_at() -> (
    None
):
    opened = deployed(source(), closes=True)
    for who, status in (("1", "OK"), ("2", "DENIED"), ("1", "OK")):
        *_, given, asked = await answer(opened, SCOPES[0], ONE, who, 2)
        assert given[2]["a"] == status
        assert any(one.type == "Observation" for _, of in asked[0] for one in of) is (status == "OK")
    assert opened._levels._kept


async def test_what_differs_from_request_to_request_is_not_kept() -> None:
    opened = deployed(source())
    for scopes, text in ((SCOPES[0], FOUND), (SCOPES[0], STRICT), (SCOPES[2], ONE), (SCOPES[4], ONE)):
        await answer(opened, scopes, text, "1", 2)
    assert opened._levels._kept == {}
