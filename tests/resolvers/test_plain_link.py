"""What is found at one look at many plain records is what is found by looking at each by itself."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinical.hidden import has_entered_in_error, is_entered_in_error
from clinical.identifiers import Token, are_nhs_numbers, is_nhs_number
from resolvers.cache import MemoryCache
from resolvers.known_persons import KnownPersons
from resolvers.linking import Linking, Links, stated_by_each
from resolvers.person import Sealing
from resolvers.plain_link import plain_person, plainly_found, plainly_linked
from resolvers.resource import Location, Resource
from resolvers.upstreams.errors import UpstreamTimeout
from resolvers.upstreams.fhir_query import token_text, token_texts
from resolvers.upstreams.patients import _stating, stating
from tests.permissions.asking import principal
from tests.resolvers.asking import KEY, NHS, Asker, permissions_of
from tests.resolvers.link_oracle import Oracle, Rec
from tests.resolvers.memory import NOW, MemoryUpstream
from tests.resolvers.test_link_oracle import NUMBERS, populations

MRN = "https://example.org/mrn"
PLACE = Location("https://a.example/fhir")
VALUES = (*NUMBERS, "999 000 0018", " 9990000026", "9990000019", "", "x\0", 7, None, ["9990000018"])
SYSTEMS = (NHS, NHS, NHS, MRN, "", None, 5, [NHS])

rows = st.one_of(
    st.fixed_dictionaries(
        {"system": st.just(NHS), "value": st.sampled_from(NUMBERS)},
        optional={"use": st.sampled_from(("official", "old", None))},
    ),
    st.fixed_dictionaries(
        {},
        optional={
            "system": st.sampled_from(SYSTEMS),
            "value": st.sampled_from(VALUES),
            "use": st.sampled_from(("official", "old", None, [])),
            "period": st.sampled_from(({"end": "2001"}, {"start": "2001"}, None)),
        },
    ),
    st.sampled_from((None, "identifier", 3, [])),
)
plain = st.sampled_from(NUMBERS).map(lambda one: {"system": NHS, "value": one})
listed = st.one_of(
    st.lists(plain, min_size=1, max_size=1),
    st.tuples(plain, st.just({"system": MRN, "value": "H1"})).map(list),
    st.lists(rows, max_size=3),
    st.sampled_from((None, "", {}, {"system": NHS}, 3)),
)
jsons = st.one_of(
    st.builds(lambda one: {"identifier": one}, listed),
    st.just({}),
)


@st.composite
def records(draw: st.DrawFn) -> list[Resource]:
    return [
        Resource(draw(st.sampled_from("aaab")), PLACE, "Patient", f"p{place}", json, NOW)
        for place, json in enumerate(draw(st.lists(jsons, max_size=4)))
    ]


tokens = st.lists(
    st.builds(
        Token,
        st.sampled_from((NHS, NHS, NHS, NHS, MRN, "", None)),
        st.sampled_from((*NUMBERS, "999 000 0018", "H1", "", None)),
    ),
    max_size=4,
    unique=True,
)


@settings(max_examples=600, deadline=None)
@given(records(), st.sampled_from(((NHS,), (NHS, MRN), (MRN,))))
def test_what_many_records_plainly_state_is_what_each_states(
    found: list[Resource], systems: tuple[str, ...]
) -> None:
    links = Links(Linking(systems, frozenset("a"), KEY), {})
    said = links.of_each(found)
    each = [links.of(one).tokens for one in found]
    assert said is None or [(one,) for one in said] == each
    for one, stated in zip(found, each, strict=True):
        for token in (Token(system, value) for system in systems for value in NUMBERS):
            assert links.links(token) == (links._verified(token.system or "", token.code or "").tokens != ())
            assert stated == (token,) or not (links.links(token) and links.states_only(one, token))


@settings(max_examples=600, deadline=None)
@given(records(), st.sampled_from(((NHS,), (NHS, MRN), (MRN,))))
def test_a_record_that_is_found_alone_states_what_it_states_among_others(
    found: list[Resource], systems: tuple[str, ...]
) -> None:
    linking = Linking(systems, frozenset("a"), KEY)
    links = Links(linking, {})
    for one in found:
        for token in (Token(system, value) for system in systems for value in NUMBERS):
            remember: dict[str, bytes] = {}
            person = plain_person(token, "person/x", (one,), linking, remember)
            assert (person is not None) == links.states_only(one, token)
            assert bool(remember) == (person is not None) == (one.person_id is not None)
            one.person_id = None


@settings(max_examples=600, deadline=None)
@given(tokens, records())
def test_who_states_an_identifier_is_the_same_however_it_is_found(
    wanted: list[Token], found: list[Resource]
) -> None:
    assert stating(wanted, found) == _stating(wanted, found)


@given(st.lists(st.one_of(st.sampled_from(NUMBERS), st.text("0123456789x ٣", max_size=11)), max_size=4))
def test_many_numbers_are_checked_as_each_is(texts: list[str]) -> None:
    assert are_nhs_numbers(texts) == (bool(texts) and all(map(is_nhs_number, texts)))


@given(tokens)
def test_many_identifiers_are_written_and_sealed_as_each_is(wanted: list[Token]) -> None:
    assert token_texts(wanted) == [token_text(one) for one in wanted]
    codes = [one.code for one in wanted if one.code]
    assert KEY.seal_all(NHS, codes) == [KEY.seal(NHS, one) for one in codes]


@given(
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "status": st.sampled_from(("entered-in-error", "active")),
                "verificationStatus": st.sampled_from(({"coding": [{"code": "entered-in-error"}]}, {}, None)),
                "meta": st.sampled_from((None, 3, "security", {}, {"security": None}, {"security": "R"}))
                | st.builds(lambda code: {"security": [{"code": code}]}, st.sampled_from("RVNU")),
            },
        ),
        max_size=3,
    )
)
def test_many_records_are_hidden_or_withheld_as_each_is(found: list[dict[str, Any]]) -> None:
    assert has_entered_in_error(found) == any(map(is_entered_in_error, found))
    labels = permissions_of(principal("patient/*.rs", "1")).labels
    assert labels.withhold_any(found, "Patient") == any(labels.withhold(one, "Patient") for one in found)


ODD: tuple[dict[str, Any], ...] = (
    {},
    {"inactive": True},
    {"restricted": True},
    {"numbers": ()},
    {"numbers": NUMBERS[:2]},
    {"numbers": NUMBERS[1:2]},
    {"dead": ((NUMBERS[0], "old"),)},
    {"dead": ((NUMBERS[0], "ended"),)},
    {"numbers": (), "dead": ((NUMBERS[0], "wrong"),)},
    {"by": "a1"},
    {"by": "gone"},
)
"""How the one record may differ that is not as plain as the others."""


@st.composite
def people(draw: st.DrawFn) -> list[Rec]:
    """Some plain records of one source, one perhaps odd, and perhaps one of another source."""
    made = [
        Rec("a", f"a{place}", (number,), phone="1")
        for place, number in enumerate(NUMBERS[: draw(st.sampled_from((3, 2, 1, 0)))])
    ]
    if made and draw(st.booleans()):
        made[0] = replace(made[0], **draw(st.sampled_from(ODD)))
    if draw(st.integers(0, 3)) == 0:
        made.append(Rec("b", "b1", NUMBERS[1:2], born=draw(st.sampled_from((None, "1980")))))
    return made


LISTED = "{ patients(first: 100) { nodes { id telecom { value } records { id } completeness } } }"


@settings(max_examples=200, deadline=None)
@given(st.one_of(people(), people(), populations()), st.booleans())
async def test_a_page_of_one_source_shows_who_each_record_alone_leads_to(
    population: list[Rec], is_only: bool
) -> None:
    population = [one for one in population if one.source == "a" or (one.source == "b" and not is_only)]
    names = "a" if is_only else "ab"
    held = {name: MemoryUpstream(name, {"Patient": []}, sorts=frozenset({"_id"})) for name in names}
    for one in population:
        replaced = [two.id for two in population if (two.source, two.by) == (one.source, one.id)]
        held[one.source].resources["Patient"].append(one.patient(*replaced))
    oracle = Oracle(population)
    nodes = (await Asker(*held.values()).data(LISTED))["patients"]["nodes"]
    shown = {node["id"]: node for node in nodes}
    assert len(shown) == len(nodes)
    for one in population:
        alone = await Asker(*held.values()).data(
            f'{{ patient(id: "{one.name}") {{ id telecom {{ value }} records {{ id }} completeness }} }}'
        )
        assert shown.get(alone["patient"]["id"]) == alone["patient"]
        assert {row["id"] for row in alone["patient"]["records"]} == oracle.of_record(one)


async def test_a_plain_person_is_remembered_like_any_other() -> None:
    one = Rec("a", "1", NUMBERS[:1], phone="1")
    a = MemoryUpstream("a", {"Patient": [one.patient()]}, sorts=frozenset({"_id"}))
    asker = Asker(a)
    (node,) = (await asker.data(LISTED))["patients"]["nodes"]
    assert node["id"] == KEY.seal(NHS, NUMBERS[0])
    cache = asker.federation._cache
    assert await cache.get("link:a/1") == node["id"].encode()
    assert await cache.get(f"restricted:{node['id']}") == b"0"


def linked(found: list[Any], asked: list[Resource | None]) -> Any:
    wanted = {Token(NHS, number): one for number, one in zip(NUMBERS, asked, strict=False)}
    links = Links(Linking((NHS,), frozenset("ab"), KEY), {})
    return plainly_linked(wanted, (found,), ("a", "b"), links, Sealing(KEY))


def stating_number(place: int, **more: Any) -> Resource:
    json = {"identifier": [{"system": NHS, "value": NUMBERS[place]}], **more.pop("json", {})}
    made = {
        "source": "a",
        "location": PLACE,
        "type": "Patient",
        "id": str(place),
        "retrieved_at": NOW,
        **more,
    }
    return Resource(json=json, **made)


RESTRICTED = {"meta": {"security": [{"code": "R"}]}}
LABELLED = {"meta": {"security": [{"code": "U"}]}}


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("is_asked_about", [True, False])
@pytest.mark.parametrize(
    ("more", "is_plain"),
    [
        ({}, True),
        ({"json": LABELLED}, True),
        ({"json": {"meta": None}}, None),
        ({"json": RESTRICTED}, False),
        ({"json": {"link": [{"type": "replaces", "other": {"reference": "Patient/9"}}]}}, False),
        ({"json": {"active": False}}, False),
        ({"json": {"identifier": []}}, False),
        ({"json": {"identifier": [{"system": NHS, "value": "9990000042"}]}}, False),
        ({"cached": True}, False),
        ({"source": "c"}, False),
    ],
)
def test_only_plain_records_are_linked_at_one_look(
    count: int, is_asked_about: bool, more: dict[str, Any], is_plain: bool | None
) -> None:
    records = [*(stating_number(one) for one in range(count - 1)), stating_number(count - 1, **more)]
    asked = [stating_number(one) if is_asked_about else None for one in range(count)]
    made = linked([(one,) for one in records], asked)
    assert is_plain is None or (made is not None) == is_plain
    if made is not None:
        ids = [KEY.seal(NHS, number) for number in NUMBERS[:count]]
        assert [one.person_id for one in records] == ids
        assert [(one.id, one.records, one.is_withheld) for one in made.persons] == [
            (id_, (record,), False) for id_, record in zip(ids, records, strict=True)
        ]
        assert {name: one.status.value for name, one in made.persons[0].outcomes.items()}["a"] == "OK"
        assert [one.person_id for one in asked if one] == (ids if is_asked_about else [])


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("answer", [(), UpstreamTimeout("a", "slow"), (0, 0)])
def test_who_is_not_found_once_is_not_linked_at_one_look(count: int, answer: Any) -> None:
    several = tuple(stating_number(count - 1, id=str(one)) for one in answer) if answer == (0, 0) else answer
    found = [*((stating_number(one),) for one in range(count - 1)), several]
    assert linked(found, [None] * count) is None


async def found_again(asked: list[Resource], said: list[Any]) -> Any:
    """What becomes of a page of the only source, which answers so to a lookup of its identifiers."""

    async def identify_all(*_: Any) -> list[Any]:
        return said

    linking, known, cache = Linking((NHS,), frozenset("a"), KEY), KnownPersons(), MemoryCache()
    stated = stated_by_each(asked, linking, linking.trusted_sources)
    assert stated is not None
    loaders: Any = SimpleNamespace(identify_all=identify_all, prime=lambda *_: None)
    source = MemoryUpstream("a", {"Patient": []})
    found = await plainly_found(stated, source, linking, loaders, principal("system/*.rs"), cache, known)
    if found is None:
        assert not known.persons
        assert not [one for one in asked if one.person_id is not None]
        return None
    for one, (record,), person in zip(asked, said, found.values(), strict=True):
        assert known.persons[one] is known.persons[record] is person is known.by_id[one.person_id or ""]
        assert record.person_id == one.person_id
        assert await cache.get(f"link:a/{one.id}") == (one.person_id or "").encode()
    return [*found.values()]


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize(
    ("more", "is_plain"),
    [
        ({}, True),
        ({"json": LABELLED}, True),
        ({"json": {"meta": 3}}, False),
        ({"json": RESTRICTED}, False),
        ({"json": {"link": [{"type": "replaces", "other": {"reference": "Patient/9"}}]}}, False),
        ({"json": {"active": False}}, False),
        ({"json": {"identifier": []}}, False),
        ({"json": {"identifier": [{"system": NHS, "value": "9990000042"}]}}, False),
        ({"cached": True}, False),
        ({"id": "9"}, False),
        ({"location": Location("https://b.example/fhir")}, False),
    ],
)
async def test_a_fresh_page_is_linked_as_its_records_are_at_one_look(
    place: int, more: dict[str, Any], is_plain: bool
) -> None:
    asked = [stating_number(one) for one in range(2)]
    said: list[Any] = [(stating_number(one, **(more if one == place else {})),) for one in range(2)]
    persons = await found_again(asked, said)
    assert (persons is not None) == is_plain
    if persons is not None:
        plain = linked(said, [stating_number(one) for one in range(2)])
        assert [(one.id, one.records, one.is_plain) for one in persons] == [
            (one.id, one.records, one.is_plain) for one in plain.persons
        ]
        assert {one.is_unlabelled for one in persons} == {"json" not in more}
        assert persons[0].outcomes["a"] == plain.persons[0].outcomes["a"]


@pytest.mark.parametrize("said", [(), UpstreamTimeout("a", "slow"), (stating_number(0), stating_number(0))])
async def test_a_fresh_page_is_not_linked_at_one_look_where_one_is_not_found_once(said: Any) -> None:
    assert await found_again([stating_number(one) for one in range(2)], [(stating_number(1),), said]) is None
