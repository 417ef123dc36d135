"""`patients(identifiers:)`: an outcome for each identifier, in order; no more than the caller may know."""

from typing import Any

import pytest

from resolvers.upstreams.errors import UpstreamUnavailable
from tests.resolvers.asking import KEY, NHS, Asker, codes, patient
from tests.resolvers.memory import MemoryUpstream

NUMBER, OTHER, THIRD, UNKNOWN = "9990000018", "9990000026", "9990000034", "9990000042"
TEXT = """query($of: [String!]!) { patients(identifiers: $of) {
  nodes { id } totalCount completeness sources { source status }
  lookups { identifier status source patient { id } } pageInfo { hasNextPage } } }"""
LABEL = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "HIV"}
HIDDEN = {"meta": {"security": [LABEL]}}


def source(name: str, *patients: dict[str, Any]) -> MemoryUpstream:
    return MemoryUpstream(name, {"Patient": list(patients)})


async def cohort(asker: Asker, *identifiers: str) -> Any:
    return (await asker.data(TEXT, of=list(identifiers)))["patients"]


def told(found: Any) -> list[tuple[str, str]]:
    return [(one["identifier"], one["status"]) for one in found["lookups"]]


async def test_every_identifier_gets_its_outcome_in_order_and_every_person_is_shown_once() -> None:
    disagreeing = patient("4", THIRD, born="1999-01-01")
    mrn = {**patient("3"), "identifier": [{"system": "https://a.example/mrn", "value": "77"}]}
    a = source("a", patient("1", NUMBER), patient("2", OTHER, **HIDDEN), mrn, patient("5", THIRD))
    asker = Asker(a, source("b", patient("9", NUMBER), disagreeing))
    asked = (
        UNKNOWN,
        f"{NHS}|{NUMBER}",
        OTHER,
        "999 000 0018",
        THIRD,
        "https://a.example/mrn|77",
        "9990000019",
        "x|",
    )
    found = await cohort(asker, *asked)
    statuses = ["NOT_FOUND", "FOUND", "WITHHELD", "FOUND", "CONFLICT", "FOUND", "INVALID", "INVALID"]
    assert told(found) == list(zip(asked, statuses, strict=True))
    people = [one["patient"] and one["patient"]["id"] for one in found["lookups"]]
    first, third = KEY.seal(NHS, NUMBER), KEY.seal(NHS, THIRD)
    assert people == [None, first, None, first, third, "a/Patient/3", None, None]
    assert [one["id"] for one in found["nodes"]] == [first, "a/Patient/3"]
    assert (found["totalCount"], found["pageInfo"]) == (2, {"hasNextPage": False})
    assert found["sources"] == [{"source": "a", "status": "OK"}, {"source": "b", "status": "PARTIAL"}]


async def test_a_source_that_does_not_answer_leaves_open_who_is_not_found() -> None:
    a, b = source("a", patient("1", NUMBER)), source("b", patient("9", OTHER))
    b.down = UpstreamUnavailable("b", "down")
    found = await cohort(Asker(a, b), NUMBER, OTHER)
    assert [(one["status"], one["source"]) for one in found["lookups"]] == [
        ("FOUND", None),
        ("SOURCE_UNAVAILABLE", "b"),
    ]
    assert (found["completeness"], found["totalCount"]) == ("PARTIAL", 1)
    silent = await Asker(a, b).run(f'{{ patients(identifiers: ["{NUMBER}"]) {{ nodes {{ id }} }} }}')
    assert codes(silent.errors) == ["UPSTREAM_UNAVAILABLE"]


async def test_a_cohort_can_be_required_complete() -> None:
    a, b = source("a", patient("1", NUMBER)), source("b", patient("9", OTHER))
    asker = Asker(a, b)
    text = TEXT.replace("identifiers: $of", "identifiers: $of, require: COMPLETE")
    found = await asker.data(text, of=[NUMBER, OTHER, UNKNOWN])
    assert [one["status"] for one in found["patients"]["lookups"]] == ["FOUND", "FOUND", "NOT_FOUND"]
    b.down = UpstreamUnavailable("b", "down")
    partial = await asker.run(text, of=[NUMBER, OTHER])
    assert (partial.data, codes(partial.errors)) == ({"patients": None}, ["INCOMPLETE"])
    assert asker.context is not None
    assert asker.context.disclosures.total == 0


async def test_a_superseded_number_finds_the_person_that_it_became() -> None:
    link = [{"other": {"reference": "Patient/2"}, "type": "replaced-by"}]
    a = source("a", patient("1", NUMBER, link=link), patient("2", OTHER))
    found = await cohort(Asker(a), NUMBER, OTHER)
    assert [one["patient"]["id"] for one in found["lookups"]] == [KEY.seal(NHS, OTHER)] * 2
    assert len(found["nodes"]) == 1


async def test_a_number_that_only_a_doubtful_record_states_is_a_conflict() -> None:
    one = patient("1", NUMBER)
    one["identifier"].append({"system": NHS, "value": OTHER})
    asker = Asker(source("a", one))
    found = await cohort(asker, NUMBER, OTHER)
    assert [(one["status"], one["patient"]) for one in found["lookups"]] == [("CONFLICT", None)] * 2
    assert asker.context is not None
    assert [one["source"] for one in asker.context.warnings.told()] == ["a"]


async def test_to_a_patients_token_withheld_foreign_contested_and_unknown_are_alike() -> None:
    people = (patient("1", NUMBER), patient("2", OTHER, **HIDDEN), patient("3", THIRD))
    b = source("b", patient("4", THIRD, born="1999-01-01"))
    asker = Asker(source("a", *people), b, patient="a/Patient/1")
    found = await cohort(asker, OTHER, NUMBER, THIRD, UNKNOWN)
    assert [one["status"] for one in found["lookups"]] == ["NOT_FOUND", "FOUND", "NOT_FOUND", "NOT_FOUND"]
    assert {one["status"] for one in found["sources"]} == {"OK"}
    b.down = UpstreamUnavailable("b", "down")
    found = await cohort(asker, OTHER, NUMBER, THIRD, UNKNOWN)
    assert [(one["status"], one["source"]) for one in found["lookups"]] == [
        ("SOURCE_UNAVAILABLE", "b"),
        ("FOUND", None),
        ("SOURCE_UNAVAILABLE", "b"),
        ("SOURCE_UNAVAILABLE", "b"),
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        "identifiers: []",
        "identifiers: [" + '"x" ' * 101 + "]",
        f'identifiers: ["{NUMBER}"], gender: ["male"]',
        f'identifiers: ["{NUMBER}"], sort: "_id"',
        f'identifiers: ["{NUMBER}"], after: "x"',
        f'identifiers: ["{NUMBER}", "{OTHER}"], first: 1',
    ],
)
async def test_what_does_not_go_with_identifiers_is_refused(arguments: str) -> None:
    asker = Asker(source("a", patient("1", NUMBER)))
    found = await asker.run(f"{{ patients({arguments}) {{ lookups {{ status }} }} }}")
    assert codes(found.errors) == ["BAD_USER_INPUT"]


async def test_a_hundred_people_are_one_batch_for_each_source_and_a_list_without_them_has_no_lookups() -> (
    None
):
    numbers = [f"999000{i:04}" for i in range(100)]
    a = source("a", *(patient(str(i), f"999000{i:04}") for i in range(100)))
    b = source("b", patient("9", NUMBER))
    await cohort(Asker(a, b), NUMBER, *numbers[1:])
    assert [[kind for kind, _ in one.calls] for one in (a, b)] == [["identify"], ["identify"]]
    assert (await Asker(a).data("{ patients { lookups { status } } }"))["patients"] == {"lookups": None}


async def test_edges_and_who_was_given_out() -> None:
    asker = Asker(source("a", patient("1", NUMBER)))
    data = await asker.data(
        f'{{ patients(identifiers: ["{NUMBER}"]) {{ edges {{ cursor node {{ id }} }} }} }}'
    )
    (edge,) = data["patients"]["edges"]
    assert edge["node"] == {"id": KEY.seal(NHS, NUMBER)}
    assert asker.context is not None
    assert asker.context.disclosures.total == 1
    await asker.data(f'{{ patients(identifiers: ["{NUMBER}"]) {{ totalCount }} }}')
    assert asker.context.disclosures.total == 0
