"""Lists by granular scopes: what the scopes narrow to and nothing else, whichever way the rows come."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clinical.codec import decode_json, encode_json
from clinical.identifiers import NHS_NUMBER_SYSTEM
from permissions.narrowing import narrowing_of
from resolvers import listing
from resolvers.narrowed_shape import narrowed_shape
from resolvers.parts import Part
from resolvers.shape import shape_of
from resolvers.upstreams.upstream import Search
from tests.resolvers.asking import Asker, observation, patient
from tests.resolvers.memory import MemoryUpstream

SYSTEM = "http://terminology.hl7.org/CodeSystem/observation-category"
LAB, VITAL = f"{SYSTEM}|laboratory", f"{SYSTEM}|vital-signs"
SORTS = frozenset({"date", "_id"})
NUMBERS = ("9990000018", "9990000026")


def plain(data: Any) -> Any:
    """An answer as a client reads it."""
    return decode_json(encode_json(data))


class Wide(MemoryUpstream):
    """A source that answers without looking at filters."""

    def _matching(self, search: Search) -> list[dict[str, Any]]:
        return [
            one
            for one in self.resources.get(search.type, ())
            if search.patient is None or one["subject"]["reference"] == f"Patient/{search.patient}"
        ]


def categories(*codes: str, system: str | None = SYSTEM) -> list[dict[str, Any]]:
    coding = [{"code": one} | ({"system": system} if system else {}) for one in codes]
    return [{"coding": coding}]


KINDS: tuple[Any, ...] = (
    categories("laboratory"),
    categories("vital-signs"),
    categories("vital-signs", "laboratory"),
    categories("laboratory", system=None),
    categories("laboratory", system="urn:other"),
    None,
    [],
    [{"text": "laboratory"}],
)


def source(kind: type[MemoryUpstream], made: list[tuple[int, Any]], **more: Any) -> MemoryUpstream:
    rows = []
    for place, (who, category) in enumerate(made):
        held = {} if category is None else {"category": category}
        rows.append(observation(f"o{place:02}", str(who), f"2020-01-01T10:00:{59 - place:02}Z", **held))
    persons = [patient("1", NUMBERS[0]), patient("2", NUMBERS[1])]
    return kind("a", {"Patient": persons, "Observation": rows}, sorts=SORTS, **more)


def is_of(row: dict[str, Any], system: str, code: str) -> bool:
    codings = [one for concept in row.get("category", ()) for one in concept.get("coding", ())]
    return any((one.get("system"), one["code"]) == (system, code) for one in codings)


def visible(scopes: str, row: dict[str, Any]) -> bool:
    """The oracle: by the words of the scopes alone."""
    is_own, is_lab = row["subject"]["reference"] == "Patient/1", is_of(row, SYSTEM, "laboratory")
    return (
        ("patient/Observation.rs" in scopes.split() and is_own)
        or (f"patient/Observation.rs?category={LAB}" in scopes and is_own and is_lab)
        or (f"user/Observation.s?category={LAB}" in scopes and is_lab)
        or (f"user/Observation.s?category={VITAL}" in scopes and is_of(row, SYSTEM, "vital-signs"))
    )


SCOPES = (
    f"user/Observation.s?category={LAB} user/Patient.r",
    f"user/Observation.s?category={LAB} user/Observation.s?category={VITAL} user/Patient.r",
    f"user/Observation.s?category={LAB} patient/Observation.rs user/Patient.r",
    f"patient/Observation.rs?category={LAB} patient/Patient.r",
    f"patient/Observation.rs?category={LAB} user/Observation.s?category={VITAL} user/Patient.r",
)
SELECTIONS = (
    "id",
    "id category { coding { system code } }",
    "id category { text }",
    "id status issued",
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.sampled_from((1, 2)), st.sampled_from(KINDS)), max_size=12),
    st.sampled_from(SCOPES),
    st.sampled_from(SELECTIONS),
    st.sampled_from((MemoryUpstream, Wide)),
    st.sampled_from((frozenset(), frozenset({"category"}))),
    st.integers(1, 5),
)
async def test_pages_hold_what_the_scopes_reach_in_order_and_once(
    made: list[tuple[int, Any]],
    scopes: str,
    selected: str,
    kind: type[MemoryUpstream],
    unsupported: frozenset[str],
    size: int,
) -> None:
    up = source(kind, made, unsupported=unsupported)
    asker = Asker(up, patient="a/Patient/1", scopes=scopes)
    found, after = [], None
    while True:
        text = f"""query($n: Int, $after: String) {{ observations(first: $n, after: $after) {{
          totalCount pageInfo {{ hasNextPage endCursor }} nodes {{ {selected} }} }} }}"""
        page = plain(await asker.data(text, n=size, after=after))["observations"]
        found += [node["id"] for node in page["nodes"]]
        assert page["totalCount"] is None or page["totalCount"] == len(found)
        if not page["pageInfo"]["hasNextPage"]:
            break
        after = page["pageInfo"]["endCursor"]
    expected = [f"a/Observation/{row['id']}" for row in up.resources["Observation"] if visible(scopes, row)]
    assert found == expected


async def test_a_row_that_two_scopes_reach_does_not_end_the_list() -> None:
    up = source(MemoryUpstream, [(1, None), (1, KINDS[0]), (1, None)])
    asker = Asker(up, patient="a/Patient/1", scopes=SCOPES[2])
    text = """query($after: String) {
      observations(first: 1, after: $after) { pageInfo { hasNextPage endCursor } nodes { id } } }"""
    found, after = [], None
    for _ in range(3):
        page = plain(await asker.data(text, after=after))["observations"]
        found += [node["id"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
    assert (found, page["pageInfo"]["hasNextPage"]) == ([f"a/Observation/o0{n}" for n in range(3)], False)


@pytest.mark.parametrize("who", ["1", "2"])
@pytest.mark.parametrize("scopes", SCOPES)
async def test_a_patients_list_holds_what_the_scopes_reach(scopes: str, who: str) -> None:
    up = source(Wide, [(1, one) for one in KINDS] + [(2, one) for one in KINDS])
    asker = Asker(up, patient="a/Patient/1", scopes=scopes)
    result = await asker.run(f'{{ patient(id: "a/Patient/{who}") {{ observations {{ nodes {{ id }} }} }} }}')
    shown = (plain(result.data).get("patient") or {}).get("observations") or {"nodes": []}
    about = f"Patient/{who}"
    rows = [row for row in up.resources["Observation"] if row["subject"]["reference"] == about]
    assert [one["id"] for one in shown["nodes"]] == [
        f"a/Observation/{row['id']}" for row in rows if visible(scopes, row)
    ]


async def test_the_source_is_told_what_the_scope_narrows_to() -> None:
    up = source(MemoryUpstream, [(1, KINDS[0]), (2, KINDS[1])])
    asker = Asker(up, scopes=f"user/Observation.s?category={LAB},{VITAL}")
    await asker.data("{ observations { nodes { id } } }")
    (search,) = (one for kind, asked in up.calls if kind == "search" for one in asked)
    assert [(one.code, one.values) for one in search.filters] == [("category", (f"{LAB},{VITAL}",))]


@pytest.mark.parametrize("selected", SELECTIONS[:2])
async def test_rows_of_one_granular_scope_come_the_short_way(
    monkeypatch: pytest.MonkeyPatch, selected: str
) -> None:
    async def refuse(connection: Any) -> None:
        raise AssertionError("the long way")

    monkeypatch.setattr(listing, "load_merged", refuse)
    up = source(MemoryUpstream, [(1, KINDS[0]), (1, KINDS[2]), (1, KINDS[1])])
    asker = Asker(up, scopes=f"user/Observation.s?category={LAB}")
    data = await asker.data(f"{{ observations {{ nodes {{ {selected} }} }} }}")
    assert len(data["observations"]["nodes"]) == 2


def test_a_shape_is_narrowed_by_plain_elements_alone() -> None:
    plain = shape_of("Observation", (("issued", Part("text")),))

    def narrowed(*pairs: tuple[str, str], shape: Any = plain) -> Any:
        narrowing = narrowing_of("Observation", pairs)
        assert narrowing is not None
        return narrowed_shape(shape, narrowing)

    assert narrowed(("category", "x"), ("code", "y")) is not None
    assert narrowed(("_id", "x")) is None
    assert narrowed(("patient", "Patient/1")) is None
    assert narrowed(("combo-code", "x")) is None
    text = shape_of("Observation", (("category", Part(is_list=True, parts=(("text", Part("text")),))),))
    assert narrowed(("category", "x"), shape=text) is None


async def test_a_token_that_names_its_patient_twice_must_mean_one() -> None:
    up = source(MemoryUpstream, [(1, KINDS[0])])
    number = f"{NHS_NUMBER_SYSTEM}|{NUMBERS[0]}"
    for id_, is_one in (("a/Patient/1", True), ("a/Patient/2", False)):
        asker = Asker(up, patient=id_, patient_identifier=number, scopes="patient/*.rs")
        result = await asker.run("{ me { id } }")
        assert (result.data == {"me": None}) is not is_one
    asker = Asker(up, patient_identifier=number, scopes="patient/*.rs")
    mine = plain(await asker.data("{ me { id observations { nodes { id } } } }"))
    assert [one["id"] for one in mine["me"]["observations"]["nodes"]] == ["a/Observation/o00"]
