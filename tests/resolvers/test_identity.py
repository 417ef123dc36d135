"""A person is linked by a verified identifier that a trusted source states, and by nothing else."""

from typing import Any

import pytest

from resolvers.agreement import birth_dates_agree
from resolvers.upstreams.errors import UpstreamError, UpstreamTimeout, UpstreamUnavailable
from tests.resolvers.asking import KEY, NHS, Asker, codes, observation, patient
from tests.resolvers.memory import MemoryUpstream

NUMBER, OTHER = "9990000018", "9990000026"
WHO = "{ id records { id } sources { source status message } completeness }"


def source(name: str, *patients: dict[str, Any], rows: list[dict[str, Any]] | None = None) -> MemoryUpstream:
    return MemoryUpstream(name, {"Patient": list(patients), "Observation": rows or []})


async def person(asker: Asker, arguments: str) -> Any:
    return (await asker.data(f"{{ patient({arguments}) {WHO} }}"))["patient"]


@pytest.mark.parametrize(
    "arguments",
    [
        'id: "a/Patient/1"',
        'id: "b/Patient/9"',
        f'identifier: "{NUMBER}"',
        f'identifier: "{NHS}|{NUMBER}"',
        f'id: "{KEY.seal(NHS, NUMBER)}"',
    ],
)
async def test_every_id_of_a_person_gives_the_same_patient(arguments: str) -> None:
    asker = Asker(source("a", patient("1", NUMBER)), source("b", patient("9", NUMBER)))
    found = await person(asker, arguments)
    assert found["id"] == KEY.seal(NHS, NUMBER)
    assert [record["id"] for record in found["records"]] == ["a/Patient/1", "b/Patient/9"]
    assert found["completeness"] == "COMPLETE"


async def test_a_name_and_a_birth_date_never_link() -> None:
    name = {"name": [{"family": "Same", "given": ["Same"]}]}
    asker = Asker(source("a", patient("1", **name)), source("b", patient("9", NUMBER, **name)))
    found = await person(asker, 'id: "a/Patient/1"')
    assert found["id"] == "a/Patient/1"
    assert [record["id"] for record in found["records"]] == ["a/Patient/1"]


async def test_a_number_with_a_wrong_check_digit_does_not_link() -> None:
    asker = Asker(source("a", patient("1", "9990000019")), source("b", patient("9", "9990000019")))
    assert (await person(asker, 'id: "a/Patient/1"'))["id"] == "a/Patient/1"
    refused = await asker.run('{ patient(identifier: "9990000019") { id } }')
    assert codes(refused.errors) == ["BAD_USER_INPUT"]


async def test_a_record_that_disagrees_on_the_birth_date_is_not_linked_from_either_side() -> None:
    asker = Asker(source("a", patient("1", NUMBER)), source("b", patient("9", NUMBER, born="1999-01-01")))
    one, other = await person(asker, 'id: "a/Patient/1"'), await person(asker, 'id: "b/Patient/9"')
    assert [record["id"] for record in one["records"]] == ["a/Patient/1"]
    assert (one["sources"][1]["status"], one["completeness"]) == ("PARTIAL", "PARTIAL")
    assert "birth date" in one["sources"][1]["message"]
    assert (other["id"], [record["id"] for record in other["records"]]) == ("b/Patient/9", ["b/Patient/9"])


@pytest.mark.parametrize(
    ("one", "other", "agree"),
    [
        ("1980", "1980-05-03", True),
        ("1980-05", "1980-05-03", True),
        ("1980-06", "1980-05-03", False),
        (None, "1980-05-03", True),
        ("nonsense", "1980-05-03", False),
    ],
)
def test_a_partial_birth_date_agrees_with_what_it_contains(
    one: str | None, other: str | None, agree: bool
) -> None:
    assert birth_dates_agree(one, other) is agree
    assert birth_dates_agree(other, one) is agree


async def test_an_untrusted_source_links_nobody() -> None:
    sources = (source("a", patient("1", NUMBER)), source("b", patient("9", NUMBER)))
    asker = Asker(*sources, trusted=frozenset({"a"}))
    assert [one["id"] for one in (await person(asker, 'id: "a/Patient/1"'))["records"]] == ["a/Patient/1"]


@pytest.mark.parametrize(
    "id_", ["a/Patient/404", "nowhere/Patient/1", "a/Patient", "", "person/abcd.AAAA", "a/Patient/../1", "x"]
)
async def test_unknown_and_malformed_ids_answer_null(id_: str) -> None:
    asker = Asker(source("a", patient("1", NUMBER)))
    data = await asker.data("query($id: ID!) { patient(id: $id) { id } node(id: $id) { id } }", id=id_)
    assert data == {"patient": None, "node": None}


async def test_a_source_that_is_down_is_told_in_the_persons_sources() -> None:
    down = source("b", patient("9", NUMBER))
    down.down = UpstreamUnavailable("b", "down")
    found = await person(Asker(source("a", patient("1", NUMBER)), down), 'id: "a/Patient/1"')
    assert found["completeness"] == "PARTIAL"
    assert found["sources"][1] == {"source": "b", "status": "UNAVAILABLE", "message": "down"}


async def test_an_id_of_a_source_that_is_down_is_an_error_unless_its_link_is_remembered() -> None:
    a, b = source("a", patient("1", NUMBER)), source("b", patient("9", NUMBER))
    fresh = Asker(a, b)
    b.down = UpstreamUnavailable("b", "down")
    unknown = await fresh.run('{ patient(id: "b/Patient/9") { id } }')
    assert (unknown.data, codes(unknown.errors)) == ({"patient": None}, ["UPSTREAM_UNAVAILABLE"])
    b.down = None
    await person(fresh, 'id: "b/Patient/9"')
    b.down = UpstreamUnavailable("b", "down")
    assert (await person(fresh, 'id: "b/Patient/9"'))["id"] == KEY.seal(NHS, NUMBER)


async def test_patients_lists_a_person_once_and_later_sources_after_earlier() -> None:
    a = source("a", patient("1", NUMBER), patient("2", gender="male"))
    b = source("b", patient("9", NUMBER), patient("8", OTHER))
    asker = Asker(a, b)
    seen: list[str] = []
    after = None
    while True:
        text = """query($after: String) { patients(first: 1, after: $after) {
          nodes { records { id } } pageInfo { hasNextPage endCursor } } }"""
        page = (await asker.data(text, after=after))["patients"]
        seen += [node["records"][0]["id"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert seen == ["a/Patient/1", "a/Patient/2", "b/Patient/8"]


async def test_a_later_source_shows_a_person_whose_earlier_record_does_not_match() -> None:
    a = source("a", patient("1", NUMBER, gender="male"))
    b = source("b", patient("9", NUMBER, gender="female"))
    text = '{ patients(gender: ["female"]) { nodes { records { id } } } }'
    data = await Asker(a, b).data(text)
    assert data["patients"]["nodes"] == [{"records": [{"id": "a/Patient/1"}, {"id": "b/Patient/9"}]}]


async def test_identity_of_many_patients_is_one_batch_for_each_source() -> None:
    a = source("a", *(patient(str(i), f"999{i:06}") for i in range(1, 30)), patient("x", NUMBER))
    b = source("b", patient("9", NUMBER), rows=[observation("o", "9")])
    asker = Asker(a, b)
    await asker.data("{ patients(first: 100) { nodes { id observations { nodes { id } } } } }")
    assert [kind for kind, _ in b.calls].count("identify") == 1
    assert [kind for kind, _ in a.calls].count("search") <= 2


async def test_an_identifier_of_another_system_finds_its_one_person() -> None:
    number = {"system": "https://a.example/mrn", "value": "77"}
    one = patient("1", NUMBER)
    one["identifier"].append(number)
    asker = Asker(source("a", one), source("b", patient("9", NUMBER)))
    found = await person(asker, 'identifier: "https://a.example/mrn|77"')
    assert [record["id"] for record in found["records"]] == ["a/Patient/1", "b/Patient/9"]
    assert await person(asker, 'identifier: "https://a.example/mrn|78"') is None
    twice = Asker(source("a", one, {**patient("2"), "identifier": [number]}))
    several = await twice.run('{ patient(identifier: "https://a.example/mrn|77") { id } }')
    assert codes(several.errors) == ["BAD_USER_INPUT"]


async def test_what_a_record_withholds_is_not_filled_in_from_another() -> None:
    address = {"address": [{"city": "Leeds"}], "telecom": [{"value": "1"}], "_photo": [None]}
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
    text = '{ patient(id: "b/Patient/9") { birthDate address { city } telecom { value } } }'
    for restricted, open_ in (("b", "a"), ("a", "b")):
        records = {
            open_: patient("1" if open_ == "a" else "9", NUMBER, **address),
            restricted: patient("1" if restricted == "a" else "9", NUMBER, meta={"security": [label]}),
        }
        asker = Asker(source("a", records["a"]), source("b", records["b"]))
        shown = (await asker.data(text))["patient"]
        assert shown == {"birthDate": "1980-05-03", "address": None, "telecom": None}


async def test_an_open_record_shows_its_address() -> None:
    asker = Asker(
        source("a", patient("1", NUMBER, address=[{"city": "Leeds"}])), source("b", patient("9", NUMBER))
    )
    data = await asker.data('{ patient(id: "a/Patient/1") { address { city } } }')
    assert data["patient"]["address"] == [{"city": "Leeds"}]


@pytest.mark.parametrize("answer", [UpstreamTimeout("a", "slow"), ()])
async def test_a_record_in_hand_stays_with_its_person_when_its_source_fails_or_forgets_the_lookup(
    answer: UpstreamError | tuple[()],
) -> None:
    a = source("a", patient("1", NUMBER), rows=[observation("x", "1")])
    b = source("b", patient("9", NUMBER), rows=[observation("y", "9")])

    async def identify(identifiers: Any, *_: Any) -> Any:
        return [answer] * len(identifiers)

    a.identify = identify  # type: ignore[method-assign]
    text = """{ patient(id: "a/Patient/1") { id records { id } completeness
      observations { nodes { id } completeness } } }"""
    found = (await Asker(a, b).data(text))["patient"]
    assert found["id"] == KEY.seal(NHS, NUMBER)
    assert [one["id"] for one in found["records"]] == ["a/Patient/1", "b/Patient/9"]
    assert len(found["observations"]["nodes"]) == 2
    told = "PARTIAL" if isinstance(answer, UpstreamError) else "COMPLETE"
    assert (found["completeness"], found["observations"]["completeness"]) == (told, told)


async def test_a_disagreeing_record_beside_an_agreeing_one_of_the_same_source_is_told() -> None:
    a = source("a", patient("1", NUMBER), patient("2", NUMBER, born="1999-01-01"))
    text = f'{{ patient(identifier: "{NUMBER}") {{ completeness observations {{ completeness }} }} }}'
    found = (await Asker(a).data(text))["patient"]
    assert found == {"completeness": "PARTIAL", "observations": {"completeness": "PARTIAL"}}


async def test_patients_tells_where_an_earlier_source_could_not_look_a_person_up() -> None:
    a, b = source("a", patient("1", NUMBER)), source("b", patient("9", NUMBER))

    async def identify(identifiers: Any, *_: Any) -> Any:
        return [UpstreamTimeout("a", "slow")] * len(identifiers)

    a.identify = identify  # type: ignore[method-assign]
    data = await Asker(a, b).data("{ patients { completeness sources { source status } } }")
    assert data["patients"]["completeness"] == "PARTIAL"
    assert [one["status"] for one in data["patients"]["sources"]] == ["PARTIAL", "OK"]


async def test_an_earlier_record_that_the_gateway_filters_out_hides_nobody() -> None:
    poe = {"name": [{"family": "Poe"}]}
    a = source("a", patient("1", NUMBER, born="1980", **poe))
    a.unsupported = frozenset({"birthdate"})
    b = source("b", patient("9", NUMBER, **poe))
    text = '{ patients(name: {startsWith: "poe"}, birthdate: {eq: "1980-05-03"}) { nodes { id } } }'
    assert (await Asker(a, b).data(text))["patients"]["nodes"] == [{"id": KEY.seal(NHS, NUMBER)}]


@pytest.mark.parametrize("restricted", [True, False])
async def test_what_a_record_withholds_cannot_be_searched_for(restricted: bool) -> None:
    code = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
    meta = {"meta": {"security": [code]}} if restricted else {}
    home = {"address": [{"postalCode": "AB1 2CD"}], "telecom": [{"system": "phone", "value": "07"}]}
    asker = Asker(source("a", patient("1", NUMBER, **home, **meta)))
    for search in ('addressPostalcode: {startsWith: "AB"}', 'phone: ["07"]'):
        found = (await asker.data(f"{{ patients({search}) {{ totalCount nodes {{ id }} }} }}"))["patients"]
        assert (found["totalCount"], len(found["nodes"])) == (None, 0 if restricted else 1)
    by_birth_date = '{ patients(birthdate: {eq: "1980-05-03"}) { totalCount nodes { id } } }'
    assert (await asker.data(by_birth_date))["patients"]["totalCount"] == 1


CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
RESTRICTED = {"security": [{"system": CONFIDENTIALITY, "code": "R"}]}
WHERE = '{ patient(id: "b/Patient/9") { address { city } %s } }'
LEEDS = {"address": [{"city": "Leeds"}]}


async def test_while_a_source_that_may_withhold_is_down_nobodys_whereabouts_are_told() -> None:
    a, b = source("a", patient("1", NUMBER, meta=RESTRICTED)), source("b", patient("9", NUMBER, **LEEDS))
    asker = Asker(a, b)
    a.down = UpstreamUnavailable("a", "down")
    untold = await asker.run(WHERE % "")
    assert (untold.data, codes(untold.errors)) == ({"patient": {"address": None}}, ["UPSTREAM_UNAVAILABLE"])
    told = await asker.data(WHERE % "completeness")
    assert told["patient"] == {"address": None, "completeness": "PARTIAL"}


@pytest.mark.parametrize(("meta", "city"), [({}, [{"city": "Leeds"}]), (RESTRICTED, None)])
async def test_a_restriction_is_remembered_while_its_source_is_down(meta: Any, city: Any) -> None:
    a, b = source("a", patient("1", NUMBER, meta=meta)), source("b", patient("9", NUMBER, **LEEDS))
    asker = Asker(a, b)
    await asker.data(WHERE % "completeness")
    a.down = UpstreamUnavailable("a", "down")
    assert (await asker.data(WHERE % "completeness"))["patient"]["address"] == city


async def test_a_down_source_that_goes_before_the_shown_one_is_an_error_where_nobody_asks() -> None:
    a, b = source("a", patient("1", NUMBER)), source("b", patient("9", NUMBER), rows=[observation("o", "9")])
    asker = Asker(a, b)
    await asker.data('{ patient(id: "b/Patient/9") { birthDate } }')
    a.down = UpstreamUnavailable("a", "down")
    bare = await asker.run('{ patient(id: "b/Patient/9") { birthDate } }')
    assert codes(bare.errors) == ["UPSTREAM_UNAVAILABLE"]
    listed = await asker.run('{ patient(id: "b/Patient/9") { birthDate observations { completeness } } }')
    assert listed.errors == []
    a.down, b.down = None, UpstreamUnavailable("b", "down")
    later = await asker.run('{ patient(id: "a/Patient/1") { birthDate } }')
    assert later.errors == []


async def test_the_last_page_of_patients_says_that_it_is() -> None:
    a, b = source("a", patient("1", NUMBER)), source("b", patient("9", NUMBER))
    data = await Asker(a, b).data("{ patients(first: 1) { nodes { id } pageInfo { hasNextPage } } }")
    assert data["patients"]["pageInfo"] == {"hasNextPage": False}
