"""Which records are linked, which are not, and that it is said: ambiguity, disagreement, replacement."""

from typing import Any

import pytest

from resolvers.upstreams.errors import UpstreamUnavailable
from tests.resolvers.asking import KEY, NHS, Asker, codes, observation, patient, schema
from tests.resolvers.memory import MemoryUpstream

NUMBER, OTHER, THIRD = "9990000018", "9990000026", "9990000034"
CHI = "https://example.org/chi"
WHO = """{ id records { id active } sources { source status } completeness
  identityConflicts { source reason record } }"""
BOTH = {"systems": (NHS, CHI)}


def source(name: str, *patients: dict[str, Any], rows: list[dict[str, Any]] | None = None) -> MemoryUpstream:
    return MemoryUpstream(name, {"Patient": list(patients), "Observation": rows or []})


def stating(id_: str, *identifiers: tuple[str, str], **more: Any) -> dict[str, Any]:
    return {**patient(id_, **more), "identifier": [{"system": s, "value": v} for s, v in identifiers]}


def replaced(id_: str, by: str, nhs: str | None = None, **more: Any) -> dict[str, Any]:
    return patient(id_, nhs, link=[{"other": {"reference": by}, "type": "replaced-by"}], **more)


async def person(asker: Asker, arguments: str) -> Any:
    return (await asker.data(f"{{ patient({arguments}) {WHO} }}"))["patient"]


def ids(found: Any) -> list[str]:
    return [one["id"] for one in found["records"]]


def warned(asker: Asker) -> list[tuple[str, str]]:
    assert asker.context is not None
    return [(one["code"], one["source"]) for one in asker.context.warnings.told()]


async def test_a_record_with_two_numbers_links_by_none_and_that_is_said() -> None:
    a = source("a", stating("1", (NHS, NUMBER), (NHS, OTHER)))
    asker = Asker(a, source("b", patient("8", NUMBER)), source("c", patient("9", OTHER)))
    one = await person(asker, 'id: "b/Patient/8"')
    assert (one["id"], ids(one)) == (KEY.seal(NHS, NUMBER), ["b/Patient/8"])
    conflict = {"source": "a", "reason": "SEVERAL_IDENTIFIERS", "record": "a/Patient/1"}
    assert (one["identityConflicts"], one["completeness"]) == ([conflict], "PARTIAL")
    assert warned(asker) == [("IDENTITY_CONFLICT", "a")]
    alone = await person(asker, 'id: "a/Patient/1"')
    assert (alone["id"], ids(alone), alone["identityConflicts"]) == (
        "a/Patient/1",
        ["a/Patient/1"],
        [conflict],
    )
    assert [one["status"] for one in alone["sources"]] == ["OK", "PARTIAL", "PARTIAL"]


@pytest.mark.parametrize(
    "former",
    [
        {"use": "old"},
        {"period": {"start": "1990", "end": "2019-05"}},
        {"period": {"end": "nonsense"}},
        {"value": "9990000019"},
        {"value": ""},
        {"system": ""},
        {"system": None},
        {"value": None},
    ],
)
async def test_a_number_that_does_not_count_is_no_second_number_and_links_nothing(former: Any) -> None:
    one = patient("1", NUMBER)
    one["identifier"].append({"system": NHS, "value": OTHER, **former})
    asker = Asker(source("a", one), source("b", patient("9", NUMBER)), source("c", patient("7", OTHER)))
    found = await person(asker, 'id: "a/Patient/1"')
    assert (ids(found), found["identityConflicts"]) == (["a/Patient/1", "b/Patient/9"], [])
    assert ids(await person(asker, f'identifier: "{OTHER}"')) == ["c/Patient/7"]


async def test_a_number_whose_period_is_open_counts() -> None:
    one = patient("1", NUMBER)
    one["identifier"][0]["period"] = {"start": "2019"}
    asker = Asker(source("a", one), source("b", patient("9", NUMBER)))
    assert len(ids(await person(asker, 'id: "a/Patient/1"'))) == 2


@pytest.mark.parametrize("id_", ["a/Patient/1", "b/Patient/2", "c/Patient/3"])
async def test_records_are_joined_by_any_system_in_order_of_configuration(id_: str) -> None:
    a = source("a", stating("1", (CHI, "77")))
    b = source("b", stating("2", (CHI, "77"), (NHS, NUMBER)))
    asker = Asker(a, b, source("c", patient("3", NUMBER)), linking=BOTH)
    found = await person(asker, f'id: "{id_}"')
    assert (found["id"], ids(found)) == (KEY.seal(NHS, NUMBER), ["a/Patient/1", "b/Patient/2", "c/Patient/3"])
    assert (await person(asker, f'identifier: "{CHI}|77"'))["id"] == KEY.seal(NHS, NUMBER)


async def test_a_lesser_identifier_of_two_people_joins_its_record_to_neither() -> None:
    a = source("a", stating("1", (NHS, NUMBER), (CHI, "77")), stating("2", (NHS, OTHER), (CHI, "77")))
    asker = Asker(a, source("b", stating("9", (CHI, "77"))), linking=BOTH)
    for id_, own in (("a/Patient/1", NUMBER), ("a/Patient/2", OTHER)):
        found = await person(asker, f'id: "{id_}"')
        assert (found["id"], ids(found)) == (KEY.seal(NHS, own), [id_])
        assert [one["reason"] for one in found["identityConflicts"]] == ["IDENTIFIER_SHARED"]
    alone = await person(asker, 'id: "b/Patient/9"')
    assert (alone["id"], ids(alone)) == ("b/Patient/9", ["b/Patient/9"])
    refused = await asker.run(f'{{ patient(identifier: "{CHI}|77") {{ id }} }}')
    assert codes(refused.errors) == ["BAD_USER_INPUT"]


async def test_records_that_differ_in_another_identifier_are_not_joined() -> None:
    a = source("a", stating("1", (NHS, NUMBER), (CHI, "77")))
    asker = Asker(a, source("b", stating("9", (NHS, NUMBER), (CHI, "78"))), linking=BOTH)
    found = await person(asker, f'identifier: "{NUMBER}"')
    assert ids(found) == ["a/Patient/1"]
    assert [one["reason"] for one in found["identityConflicts"]] == ["IDENTIFIERS_DISAGREE"]


async def test_a_third_record_must_agree_with_each_of_those_before_it() -> None:
    a, b = (
        source("a", patient("1", NUMBER, born="1980")),
        source("b", patient("2", NUMBER, born="1980-05-03")),
    )
    asker = Asker(a, b, source("c", patient("3", NUMBER, born="1980-06-01")))
    assert ids(await person(asker, f'identifier: "{NUMBER}"')) == ["a/Patient/1", "b/Patient/2"]


@pytest.mark.parametrize(
    ("agree_on", "more", "reason"),
    [
        ((), {"gender": "male"}, None),
        (("gender",), {"gender": "male"}, "GENDER_DISAGREES"),
        (("gender",), {"gender": "unknown"}, None),
        (("family",), {"name": [{"family": "Muller"}]}, None),
        (("family",), {"name": [{"family": "Smith"}, {"family": "MÜLLER"}]}, None),
        (("family",), {"name": [{"family": "Smith"}]}, "FAMILY_NAME_DISAGREES"),
        (("birthDate", "family"), {"name": [{"text": "Jo"}]}, None),
    ],
)
async def test_what_must_agree_is_configured(agree_on: Any, more: Any, reason: str | None) -> None:
    a = source("a", patient("1", NUMBER, gender="female", name=[{"family": "Müller"}]))
    asker = Asker(a, source("b", patient("9", NUMBER, **more)), linking={"agree_on": agree_on})
    found = await person(asker, 'id: "a/Patient/1"')
    assert [one["reason"] for one in found["identityConflicts"]] == ([reason] if reason else [])
    assert len(ids(found)) == (1 if reason else 2)


async def test_swapped_numbers_join_nobody() -> None:
    a = source("a", patient("1", NUMBER), patient("2", OTHER, born="1999-01-01"))
    b = source("b", patient("8", OTHER), patient("9", NUMBER, born="1999-01-01"))
    asker = Asker(a, b)
    for id_ in ("a/Patient/1", "a/Patient/2", "b/Patient/8", "b/Patient/9"):
        found = await person(asker, f'id: "{id_}"')
        assert (ids(found), found["completeness"]) == ([id_], "PARTIAL")
        assert [one["reason"] for one in found["identityConflicts"]] == ["BIRTH_DATE_DISAGREES"]


OLD = [
    'id: "a/Patient/1"',
    f'identifier: "{NUMBER}"',
    f'id: "{KEY.seal(NHS, NUMBER)}"',
    'id: "a/Patient/2"',
    f'identifier: "{OTHER}"',
]


@pytest.mark.parametrize("arguments", OLD)
@pytest.mark.parametrize("by", ["Patient/2", "https://a.example/fhir/Patient/2", "Patient/2/_history/3"])
async def test_every_id_of_a_replaced_record_leads_to_its_replacements_person(
    arguments: str, by: str
) -> None:
    a = source("a", replaced("1", by, NUMBER), patient("2", OTHER), rows=[observation("o", "2")])
    asker = Asker(a, source("b", patient("9", OTHER)))
    found = await person(asker, arguments)
    assert (found["id"], ids(found)) == (KEY.seal(NHS, OTHER), ["a/Patient/2", "b/Patient/9"])
    assert (found["completeness"], found["identityConflicts"]) == ("COMPLETE", [])


def linked(id_: str, nhs: str | None, *links: tuple[str, str]) -> dict[str, Any]:
    return patient(
        id_, nhs, link=[{"other": {"reference": f"Patient/{to}"}, "type": kind} for kind, to in links]
    )


ROWS = "{ patient(identifier: %s) { observations { completeness totalCount nodes { id } } } }"
HELD = [observation("old", "1"), observation("new", "2"), observation("foreign", "3")]
MERGED = [linked("1", None, ("replaced-by", "2")), linked("2", OTHER, ("replaces", "1"))]


def merged(people: list[dict[str, Any]]) -> MemoryUpstream:
    return source("a", *people, patient("3", THIRD), rows=HELD)


@pytest.mark.parametrize("asked", [f'identifier: "{OTHER}"', 'id: "a/Patient/1"', 'id: "b/Patient/9"'])
@pytest.mark.parametrize(
    "people",
    [
        [replaced("1", "Patient/2", OTHER), patient("2", OTHER)],  # found by its number
        [linked("1", NUMBER, ("replaced-by", "2")), linked("2", OTHER, ("replaces", "1"))],
        [MERGED[0], linked("2", OTHER, ("replaces", "1"), ("replaces", "7"))],  # another one is gone
        [
            linked("1", None, ("replaced-by", "7")),
            linked("7", None, ("replaces", "1"), ("replaced-by", "2")),
            linked("2", OTHER, ("replaces", "7")),
        ],
    ],
)
async def test_what_is_about_a_replaced_record_is_in_the_persons_record(people: Any, asked: str) -> None:
    asker = Asker(merged(people), source("b", patient("9", OTHER)))
    text = ROWS.replace("identifier: %s", asked)
    found = (await asker.data(text))["patient"]["observations"]
    assert sorted(one["id"] for one in found["nodes"]) == ["a/Observation/new", "a/Observation/old"]
    assert (found["completeness"], found["totalCount"]) == ("COMPLETE", 2)


async def test_a_patients_own_token_reaches_what_is_about_a_replaced_record_and_no_more() -> None:
    asker = Asker(merged(MERGED), patient="a/Patient/2")
    text = """{ observations { nodes { id } } by: observations(subject: ["a/Patient/1"]) { nodes { id } }
      old: observation(id: "a/Observation/old") { id }
      foreign: observation(id: "a/Observation/foreign") { id } }"""
    found = await asker.data(text)
    assert (found["old"], found["foreign"]) == ({"id": "a/Observation/old"}, None)
    both = ["a/Observation/new", "a/Observation/old"]
    for name in ("observations", "by"):
        assert sorted(one["id"] for one in found[name]["nodes"]) == both


async def test_a_person_without_an_identifier_has_what_is_about_a_replaced_record() -> None:
    a = merged([MERGED[0], linked("2", None, ("replaces", "1"))])
    found = await Asker(a).data('{ patient(id: "a/Patient/2") { observations { nodes { id } } } }')
    assert len(found["patient"]["observations"]["nodes"]) == 2


async def test_a_record_that_says_nothing_of_it_was_not_replaced() -> None:
    claims = linked("2", OTHER, ("replaces", "1"), ("replaces", "3"))
    a = merged([linked("1", NUMBER, ("replaced-by", "3")), claims])
    found = (await Asker(a).data(ROWS % f'"{OTHER}"'))["patient"]["observations"]
    assert [one["id"] for one in found["nodes"]] == ["a/Observation/new"]


async def test_while_a_record_that_was_merged_cannot_be_read_its_source_is_partial() -> None:
    a = merged(MERGED)
    find = a._find

    def failing(read: Any) -> Any:
        return UpstreamUnavailable("a", "down") if read.id == "1" else find(read)

    a._find = failing  # type: ignore[method-assign]
    found = (await Asker(a).data(ROWS % f'"{OTHER}"'))["patient"]["observations"]
    assert [one["id"] for one in found["nodes"]] == ["a/Observation/new"]
    assert found["completeness"] == "PARTIAL"


async def test_a_reference_to_a_replaced_record_leads_to_the_person() -> None:
    a = source("a", replaced("1", "Patient/2", NUMBER), patient("2", OTHER), rows=[observation("o", "1")])
    text = '{ observation(id: "a/Observation/o") { subject { resource { ... on Patient { id } } } } }'
    found = await Asker(a).data(text)
    assert found["observation"]["subject"]["resource"] == {"id": KEY.seal(NHS, OTHER)}


@pytest.mark.parametrize(
    "targets",
    [
        [],
        [replaced("2", "Patient/1", OTHER)],
        [replaced("2", "Patient/2", OTHER)],
        [replaced(str(i), f"Patient/{i + 1}", OTHER) for i in range(2, 12)] + [patient("12", OTHER)],
    ],
)
async def test_a_replacement_that_cannot_be_told_is_said_and_links_nothing(targets: Any) -> None:
    a = source("a", replaced("1", "Patient/2", NUMBER), *targets)
    asker = Asker(a, source("b", patient("9", NUMBER)))
    found = await person(asker, 'id: "b/Patient/9"')
    assert (ids(found), found["completeness"]) == (["b/Patient/9"], "PARTIAL")
    assert [one["reason"] for one in found["identityConflicts"]] == ["REPLACED_RECORD_UNREADABLE"]
    alone = await person(asker, 'id: "a/Patient/1"')
    assert (alone["id"], alone["completeness"]) == ("a/Patient/1", "PARTIAL")


@pytest.mark.parametrize(
    "reference", ["https://b.example/fhir/Patient/9", "Practitioner/2", "#2", "urn:uuid:2", None]
)
async def test_a_replacement_elsewhere_is_not_followed(reference: str | None) -> None:
    a = source("a", replaced("1", reference or "", NUMBER), patient("2", OTHER))
    found = await person(Asker(a, source("b", patient("9", OTHER))), 'id: "a/Patient/1"')
    assert found["id"] == "a/Patient/1"


@pytest.mark.parametrize("kind", ["replaces", "refer", "seealso"])
async def test_other_links_link_nothing(kind: str) -> None:
    link = [{"other": {"reference": "Patient/2"}, "type": kind}]
    asker = Asker(source("a", patient("1", NUMBER, link=link), patient("2", OTHER)))
    assert ids(await person(asker, 'id: "a/Patient/1"')) == ["a/Patient/1"]
    assert ids(await person(asker, 'id: "a/Patient/2"')) == ["a/Patient/2"]


async def test_a_number_in_use_elsewhere_is_not_its_former_owners() -> None:
    a, b = (
        source("a", replaced("1", "Patient/2", NUMBER), patient("2", OTHER)),
        source("b", patient("9", NUMBER)),
    )
    asker = Asker(a, b)
    found = await person(asker, f'identifier: "{NUMBER}"')
    assert (found["id"], ids(found)) == (KEY.seal(NHS, NUMBER), ["b/Patient/9"])
    assert [one["reason"] for one in found["identityConflicts"]] == ["IDENTIFIER_SUPERSEDED"]
    b.down = UpstreamUnavailable("b", "down")
    unknown = await asker.run(f'{{ patient(identifier: "{NUMBER}") {{ id }} }}')
    assert (unknown.data, codes(unknown.errors)) == ({"patient": None}, ["UPSTREAM_UNAVAILABLE"])
    assert (await person(asker, 'id: "a/Patient/1"'))["id"] == KEY.seal(NHS, OTHER)


async def test_an_inactive_record_is_linked_behind_the_active_ones_and_says_so() -> None:
    a = source("a", patient("1", NUMBER, active=False, gender="male"), patient("2", NUMBER, gender="female"))
    asker = Asker(a, source("b", patient("9", NUMBER, active=True)))
    found = (await asker.data('{ patient(id: "a/Patient/1") { gender records { id active } } }'))["patient"]
    assert found["gender"] == "female"
    assert [(one["id"], one["active"]) for one in found["records"]] == [
        ("a/Patient/2", None),
        ("a/Patient/1", False),
        ("b/Patient/9", True),
    ]


async def _while_down(asker: Asker, source_: MemoryUpstream, id_: str) -> Any:
    source_.down = UpstreamUnavailable(source_.name, "down")
    try:
        return (await asker.run(f'{{ patient(id: "{id_}") {{ id }} }}')).data["patient"]
    finally:
        source_.down = None


@pytest.mark.parametrize(
    "change",
    [
        {"active": False},
        {"birthDate": "1999-01-01"},
        {"identifier": []},
        {"identifier": [{"system": NHS, "value": NUMBER}, {"system": NHS, "value": OTHER}]},
        None,
    ],
)
@pytest.mark.parametrize("by", ["b/Patient/9", "a/Patient/1"])
async def test_a_remembered_link_is_forgotten_when_its_record_no_longer_bears_it(
    change: Any, by: str
) -> None:
    if by == "a/Patient/1" and change in (None, {"identifier": []}):
        return  # seen from elsewhere, a record that does not state the number is not seen at all
    b = source("b", patient("9", NUMBER))
    asker = Asker(source("a", patient("1", NUMBER)), b)
    await person(asker, 'id: "b/Patient/9"')
    assert await _while_down(asker, b, "b/Patient/9") == {"id": KEY.seal(NHS, NUMBER)}
    kept = b.resources["Patient"]
    b.resources["Patient"] = [] if change is None else [{**kept[0], **change}]
    await asker.run(f'{{ patient(id: "{by}") {{ id }} }}')
    assert await _while_down(asker, b, "b/Patient/9") is None


async def test_a_replaced_record_is_remembered_as_its_replacements_person() -> None:
    b = source("b", patient("8", NUMBER), patient("9", OTHER))
    asker = Asker(source("a", patient("1", OTHER)), b)
    await person(asker, 'id: "b/Patient/8"')
    b.resources["Patient"][0] = replaced("8", "Patient/9", NUMBER)
    await person(asker, 'id: "b/Patient/8"')
    assert await _while_down(asker, b, "b/Patient/8") == {"id": KEY.seal(NHS, OTHER)}


async def test_a_patients_own_token_learns_of_no_other_record() -> None:
    a, b = source("a", patient("1", NUMBER)), source("b", patient("9", NUMBER, born="1999-01-01"))
    asker = Asker(a, b, patient="a/Patient/1")
    found = (await asker.data("{ me { id identityConflicts { record } completeness } }"))["me"]
    assert found == {"id": KEY.seal(NHS, NUMBER), "identityConflicts": [], "completeness": "PARTIAL"}
    rule = schema().rules.of("Patient.identityConflicts")
    assert rule is not None
    assert rule.required() == (("user/Patient.r",), ("system/Patient.r",))
    user = Asker(a, b, scopes="user/*.rs")
    assert len((await person(user, 'id: "a/Patient/1"'))["identityConflicts"]) == 1


@pytest.mark.parametrize("by", ["a/Patient/1", "b/Patient/9"])
async def test_while_a_record_in_doubt_is_restricted_nobodys_whereabouts_are_told(by: str) -> None:
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
    home = {"address": [{"city": "Leeds"}]}
    a = source("a", patient("1", NUMBER, meta={"security": [label]}, **home))
    asker = Asker(a, source("b", patient("9", NUMBER, born="1999-01-01", **home)))
    found = await asker.data(f'{{ patient(id: "{by}") {{ id address {{ city }} }} }}')
    assert found["patient"]["address"] is None


async def test_a_hidden_identifier_keeps_a_person_whole() -> None:
    a, b = source("a", patient("1", NUMBER)), source("b", patient("9", NUMBER), rows=[observation("o", "9")])
    asker = Asker(a, b, scopes="user/Patient.rs user/Observation.rs?code=http://loinc.org|29463-7")
    text = '{ patient(id: "a/Patient/1") { records { id } observations { nodes { id } } } }'
    found = (await asker.data(text))["patient"]
    assert (len(found["records"]), len(found["observations"]["nodes"])) == (2, 1)


async def test_conflicts_are_counted_for_the_audit_record() -> None:
    a, b = source("a", patient("1", NUMBER)), source("b", patient("9", NUMBER, born="1999-01-01"))
    asker = Asker(a, b)
    await person(asker, 'id: "a/Patient/1"')
    assert asker.context is not None
    assert asker.context.conflict_counts() == {"b": 1}


ACCOUNTS = "urn:account"


@pytest.mark.parametrize("id_", ["a/Patient/1", "b/Patient/9", "vendor/Patient/u7"])
async def test_an_account_is_linked_by_the_identifier_that_a_trusted_source_states(id_: str) -> None:
    vendor = source("vendor", stating("u7", (ACCOUNTS, "u7")))
    vendor.links_by_table = True
    a, b = source("a", stating("1", (NHS, NUMBER), (ACCOUNTS, "u7"))), source("b", patient("9", NUMBER))
    linking = {"systems": (NHS, ACCOUNTS)}
    asker = Asker(a, b, vendor, trusted=frozenset({"a", "b"}), linking=linking)
    assert ids(await person(asker, f'id: "{id_}"')) == ["a/Patient/1", "b/Patient/9", "vendor/Patient/u7"]
    untrusted = Asker(a, b, vendor, trusted=frozenset({"b"}), linking=linking)
    assert ids(await person(untrusted, 'id: "vendor/Patient/u7"')) == ["vendor/Patient/u7"]


async def test_an_account_that_two_people_claim_is_nobodys() -> None:
    vendor = source("vendor", stating("u7", (ACCOUNTS, "u7")))
    vendor.links_by_table = True
    people = (stating("1", (NHS, NUMBER), (ACCOUNTS, "u7")), stating("2", (NHS, OTHER), (ACCOUNTS, "u7")))
    asker = Asker(source("a", *people), vendor, linking={"systems": (NHS, ACCOUNTS)})
    for id_ in ("a/Patient/1", "a/Patient/2", "vendor/Patient/u7"):
        assert ids(await person(asker, f'id: "{id_}"')) == [id_]


async def test_a_list_shows_a_person_once_who_has_a_replaced_record() -> None:
    a = source("a", replaced("1", "Patient/2", NUMBER, gender="male"), patient("2", OTHER, gender="female"))
    asker = Asker(a, source("b", patient("9", OTHER)))
    everybody = (await asker.data("{ patients { nodes { id } } }"))["patients"]
    assert everybody["nodes"] == [{"id": KEY.seal(NHS, OTHER)}]
    by_number = await asker.data(f'{{ patients(identifier: ["{NHS}|{NUMBER}"]) {{ nodes {{ id }} }} }}')
    assert by_number["patients"]["nodes"] == [{"id": KEY.seal(NHS, OTHER)}]


async def test_an_order_of_a_sources_answer_changes_no_link() -> None:
    records = [
        patient("1", NUMBER),
        patient("2", NUMBER, born="1999-01-01"),
        patient("3", NUMBER, born="1980"),
    ]
    for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0)):
        asker = Asker(source("a", *(records[place] for place in order)))
        assert ids(await person(asker, f'identifier: "{NUMBER}"')) == ["a/Patient/1", "a/Patient/3"]


async def test_a_record_in_doubt_is_withheld_however_a_page_leads_to_it() -> None:
    """Its two numbers are looked up one after the other; what the first brings up withholds for both."""
    restricted = {"meta": {"security": [{"code": "R"}]}}
    a = source("a", patient("1", NUMBER, **restricted), replaced("2", "Patient/1"))
    doubted = stating("3", (NHS, NUMBER), (NHS, OTHER), telecom=[{"value": "0"}])
    doubted["link"] = replaced("3", "Patient/3")["link"]
    asker = Asker(a, source("b", doubted))
    data = await asker.data("{ patients(first: 9) { nodes { id telecom { value } } } }")
    assert {"id": "b/Patient/3", "telecom": None} in data["patients"]["nodes"]
