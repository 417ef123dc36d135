"""Generated populations: links equal an oracle's, nobody else's data ever, restricted never refilled,
whichever sources fail."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from resolvers.upstreams.errors import UpstreamTimeout
from tests.resolvers.asking import KEY, NHS, Asker
from tests.resolvers.link_oracle import SOURCES, Oracle, Rec
from tests.resolvers.memory import MemoryUpstream

NUMBERS = ("9990000018", "9990000026", "9990000034")
BORN = st.sampled_from((None, "1980", "1980-05", "1980-05-03", "1980-06-01", "1999-01-01"))
CHI, MRN = "https://example.org/chi", "https://example.org/mrn"


@st.composite
def populations(draw: st.DrawFn) -> list[Rec]:
    made = []
    for source in SOURCES:
        ids = [f"{source}{i}" for i in range(draw(st.integers(0, 3)))]
        for id_ in ids:
            numbers = draw(
                st.lists(st.sampled_from(NUMBERS), max_size=2 if draw(st.integers(0, 5)) == 0 else 1)
            )
            dead = st.tuples(st.sampled_from(NUMBERS), st.sampled_from(("old", "ended", "wrong")))
            is_replaced = draw(st.integers(0, 4)) == 0
            made.append(
                Rec(
                    source,
                    id_,
                    tuple(numbers),
                    tuple(draw(st.lists(dead, max_size=1))),
                    draw(BORN),
                    draw(st.sampled_from([*ids, "gone"])) if is_replaced else None,
                    draw(st.integers(0, 4)) == 0,
                    draw(st.integers(0, 4)) == 0,
                    draw(st.sampled_from((None, id_))),
                )
            )
    return made


def sources(records: list[Rec], *, says_back: bool = True) -> dict[str, MemoryUpstream]:
    held: dict[str, dict[str, list[dict[str, Any]]]] = {
        name: {"Patient": [], "Observation": []} for name in SOURCES
    }
    for one in records:
        replaced = [other.id for other in records if (other.source, other.by) == (one.source, one.id)]
        held[one.source]["Patient"].append(one.patient(*(replaced if says_back else ())))
        held[one.source]["Observation"] += one.rows()
    return {name: MemoryUpstream(name, resources) for name, resources in held.items()}


WHOLE = """{ id records { id } telecom { value } completeness
  observations(first: 100) { nodes { id origin { name } subject { reference } } completeness } }"""


async def asked(asker: Asker, arguments: str) -> Any:
    """The Patient; False where a source that may know is down."""
    result = await asker.run(f"{{ patient({arguments}) {WHOLE} }}")
    if result.data["patient"] is None and result.errors:
        return False
    return result.data["patient"]


def check(found: Any, expected: set[str] | None, oracle: Oracle, *, says_back: bool = True) -> None:
    if expected is None:
        assert found is False
        return
    if not expected:
        assert not found
        return
    assert {one["id"] for one in found["records"]} == expected
    rows = {(row["origin"]["name"], row["subject"]["reference"]) for row in found["observations"]["nodes"]}
    told = {f"{name}/{reference}" for name, reference in rows}
    about = oracle.about(expected)
    assert expected <= told <= about
    if says_back:
        assert told == about
    if oracle.down and any(one.numbers for one in oracle.records if one.name in expected):
        assert (found["completeness"], found["observations"]["completeness"]) == ("PARTIAL", "PARTIAL")
    if oracle.may_withhold(expected):
        assert found["telecom"] is None
    elif found["telecom"] is not None:
        assert found["telecom"][0]["value"] in {one.phone for one in oracle.records if one.name in expected}


REPLACED_AND_RESTRICTED = [
    Rec("b", "b0", (NUMBERS[2],), phone="b0"),
    Rec("b", "b1", (NUMBERS[2],), by="b0", restricted=True),
]
"""The record in use says where the person is, the one that it has replaced withholds it."""

REPLACED_TWO = [
    Rec("a", "a0"),
    Rec("a", "a1", by="a0", restricted=True),
    Rec("a", "a2", (NUMBERS[0],), by="a0"),
]
"""A record without an identifier has replaced two, one of which states the identifier that is asked for."""


@settings(max_examples=60, deadline=None)
@example(REPLACED_TWO, set(), True)
@example(REPLACED_AND_RESTRICTED, set(), False)
@example(REPLACED_AND_RESTRICTED, set(), True)
@given(populations(), st.sets(st.sampled_from(SOURCES), max_size=2), st.booleans())
async def test_links_equal_the_oracles_whichever_sources_are_down(
    records: list[Rec], down: set[str], says_back: bool
) -> None:
    oracle, held = Oracle(records, frozenset(down)), sources(records, says_back=says_back)
    for name in down:
        held[name].down = UpstreamTimeout(name, "slow")
    asker = Asker(*held.values(), linking={"refill": ("telecom",)})
    for one in records:
        check(await asked(asker, f'id: "{one.name}"'), oracle.of_record(one), oracle, says_back=says_back)
    for number in NUMBERS:
        check(
            await asked(asker, f'identifier: "{number}"'),
            oracle.of_number(number),
            oracle,
            says_back=says_back,
        )
        check(
            await asked(asker, f'id: "{KEY.seal(NHS, number)}"'),
            oracle.of_number(number),
            oracle,
            says_back=says_back,
        )


@settings(max_examples=60, deadline=None)
@given(populations(), st.sets(st.sampled_from(SOURCES), max_size=2))
async def test_what_was_learnt_before_an_outage_tells_nothing_else_in_it(
    records: list[Rec], down: set[str]
) -> None:
    before, held = Oracle(records), sources(records)
    asker = Asker(*held.values(), linking={"refill": ("telecom",)})
    for one in records:
        check(await asked(asker, f'id: "{one.name}"'), before.of_record(one), before)
    for name in down:
        held[name].down = UpstreamTimeout(name, "slow")
    for one in records:
        found, known = await asked(asker, f'id: "{one.name}"'), before.of_record(one) or set()
        if found:
            ids = {row["id"] for row in found["records"]}
            assert not ids & {other.name for other in records if other.source in down}
            if one.source in down:  # from memory
                assert all(ids & (before.of_record(other) or set()) for other in records if other.name in ids)
            if before.may_withhold(known | ids):
                assert found["telecom"] is None


@settings(max_examples=60, deadline=None)
@given(populations())
async def test_a_list_of_everybody_shows_each_person_once(records: list[Rec]) -> None:
    oracle, held = Oracle(records), sources(records)
    data = await Asker(*held.values()).data("{ patients(first: 100) { nodes { id records { id } } } }")
    nodes = data["patients"]["nodes"]
    assert len({one["id"] for one in nodes}) == len(nodes)
    listed = [frozenset(row["id"] for row in one["records"]) for one in nodes]
    assert set(listed) == {frozenset(oracle.of_record(one) or ()) for one in records}


@st.composite
def statements(draw: st.DrawFn) -> list[tuple[str, list[tuple[str, str]], str | None]]:
    values = {NHS: NUMBERS[:2], CHI: ("1", "2"), MRN: ("7", "8")}
    made = []
    for _ in range(draw(st.integers(1, 6))):
        systems = draw(st.lists(st.sampled_from((NHS, CHI, MRN)), min_size=1, max_size=3))
        said = [(system, draw(st.sampled_from(values[system]))) for system in systems]
        made.append((draw(st.sampled_from(SOURCES)), said, draw(BORN)))
    return made


@settings(max_examples=60, deadline=None)
@given(statements())
async def test_over_several_systems_every_record_of_a_person_leads_to_the_same_records(
    population: list[tuple[str, list[tuple[str, str]], str | None]],
) -> None:
    held = {name: MemoryUpstream(name, {"Patient": []}) for name in SOURCES}
    said: dict[str, dict[str, set[str]]] = {}
    for number, (source, identifiers, born) in enumerate(population):
        entries = [{"system": system, "value": value} for system, value in identifiers]
        one = {"resourceType": "Patient", "id": str(number), "identifier": entries}
        held[source].resources["Patient"].append({**one, **({"birthDate": born} if born else {})})
        mine = said.setdefault(f"{source}/Patient/{number}", {})
        for system, value in identifiers:
            mine.setdefault(system, set()).add(value)
    asker = Asker(*held.values(), linking={"systems": (NHS, CHI, MRN)})
    persons = {}
    for name in said:
        found = (await asker.data(f'{{ patient(id: "{name}") {{ id records {{ id }} }} }}'))["patient"]
        persons[name] = (found["id"], frozenset(one["id"] for one in found["records"]))
    for name, (id_, together) in persons.items():
        assert name in together
        assert all(persons[other] == (id_, together) for other in together)
        for system in (NHS, CHI, MRN):
            assert (
                len(set().union(*(said[one].get(system, set()) for one in together))) <= 1
                or len(together) == 1
            )
