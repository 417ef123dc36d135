"""Patients are decoded to what a request reads of them, and the answer is the one that whole records give."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinical.codec import decode_json, encode_json
from gateway.execution.collect import Collector
from gateway.execution.shapes import Survey
from resolvers.partial import patient_record
from resolvers.upstreams.fhir_bundles import decoded
from tests.resolvers.asking import NHS, Asker, executor
from tests.resolvers.upstreams.sources import Json, Server, asked, bundle, patient, statement

NUMBERS = ("9990000018", "9990000026", "9990000034")
NEEDED = {"resourceType", "id", "meta", "identifier", "birthDate", "contained", "status"}
CHANGING = {"active", "deceasedBoolean", "deceasedDateTime", "link", "modifierExtension"}
"""What changes the meaning of the rest, looked at wherever it is not selected."""


def of_patient(text: str) -> frozenset[str] | None:
    _, preparation = executor()
    prepared = preparation.prepare(text, None, "")
    schema = preparation.schema
    survey = Survey(schema, Collector(schema, prepared.fragments, {}))
    survey.shapes(schema.query_type, prepared.operation.selection_set)  # type: ignore[arg-type]
    return survey.of_patient


@pytest.mark.parametrize(
    ("text", "elements"),
    [
        ("{ patients { nodes { id resourceType } } }", set()),
        ("{ patients(first: 3) { nodes { gender name { family } } } }", {"gender", "name", *CHANGING}),
        ("{ patients { edges { node { ...f } } } } fragment f on Patient { active }", {*CHANGING}),
        (
            '{ patient(id: "x") { birthDate observations { nodes { id } } records { id } } }',
            {"birthDate", *CHANGING},
        ),
        ('{ node(id: "x") { id ... on Patient { gender } } patients { nodes { active } } }', None),
        (
            "{ observations { nodes { subject { resource { ... on Patient { gender } } } } } }",
            {"gender", *CHANGING},
        ),
        ("{ patients { nodes { age } } }", {"birthDate", *CHANGING}),
        ("{ patients { nodes { contact { name { family } } } } }", {"contact", *CHANGING}),
    ],
)
def test_what_is_read_of_a_patient_is_what_is_selected_anywhere(text: str, elements: set[str] | None) -> None:
    assert of_patient(text) == ({"gender", *CHANGING} if elements is None else elements)


@pytest.mark.parametrize(
    "text",
    [
        '{ patients(gender: ["male"]) { nodes { id } } }',
        '{ patients(sort: "family") { nodes { id } } }',
        "query q($s: String) { patients(sort: $s) { nodes { id } } }",
        "{ patients { nodes { origin { name } } } }",
        "{ patients { nodes { extension { url } } } }",
    ],
)
def test_patients_are_read_whole_where_more_than_their_selected_elements_may_count(text: str) -> None:
    assert of_patient(text) is None


ODD = st.sampled_from([None, "", "text", 5, [], ["text"], {}, [{}], {"x": 1}, [None]])
IDENTIFIERS = st.one_of(
    ODD,
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "use": st.sampled_from(["official", "old", 5]),
                "system": st.sampled_from([NHS, "urn:x", None]),
                "value": st.one_of(st.sampled_from(NUMBERS), ODD),
                "period": ODD,
            },
        ),
        max_size=3,
    ),
)
LABELS = st.sampled_from(
    [{"security": [{"code": "R"}]}, {"security": [{"code": "N"}], "tag": []}, {"versionId": "1"}]
)
PEOPLE = st.lists(
    st.fixed_dictionaries(
        {"resourceType": st.just("Patient"), "id": st.sampled_from("abcd")},
        optional={
            "identifier": IDENTIFIERS,
            "birthDate": st.one_of(st.sampled_from(["1980", "1980-05-03"]), ODD),
            "meta": st.one_of(LABELS, ODD),
            "gender": ODD,
            "name": st.one_of(ODD, st.just([{"family": "Boo", "given": ["May"]}])),
            "address": ODD,
            "status": st.sampled_from(["active", "entered-in-error"]),
            "generalPractitioner": st.one_of(ODD, st.just([{"reference": "Organization/A81001"}])),
        },
    ),
    max_size=4,
    unique_by=lambda one: one["id"],
)


@given(PEOPLE, st.frozensets(st.sampled_from(["gender", "name", "identifier", "meta"])), st.booleans())
def test_a_partial_record_holds_what_the_whole_one_has(
    people: list[Json], elements: frozenset[str], is_located: bool
) -> None:
    body = encode_json(bundle(*people))
    partial = decoded(body, patient_record(elements, is_located))
    if partial is None:
        return  # something has not the type that FHIR gives it; the whole is looked at then
    for entry, whole in zip(partial.entry, decode_json(body)["entry"], strict=True):
        kept = {name for name in whole["resource"] if name in NEEDED | elements}
        assert kept <= entry.resource.keys()
        for name in elements & kept:
            assert entry.resource[name] == whole["resource"][name]
        assert "address" not in entry.resource


def answers(people: list[Json]) -> Any:
    def handler(request: Any) -> Json:
        told = asked(request)
        wanted = (
            {one.split("|")[1] for one in told["identifier"].split(",")} if "identifier" in told else None
        )
        return bundle(*(one for one in people if wanted is None or wanted & set(_values(one))))

    return Server(handler, statement(parameters=("_id", "identifier", "_sort")))


def _values(person: Json) -> Iterator[str]:
    listed = person.get("identifier")
    for one in listed if isinstance(listed, list) else ():
        if isinstance(one, dict) and isinstance(one.get("value"), str):
            yield one["value"]


QUERY = "{ patients { completeness nodes { id gender name { family given } records { id } %s } } }"


@settings(max_examples=60, deadline=None)
@given(PEOPLE)
async def test_the_answer_is_the_one_that_whole_records_give(people: list[Json]) -> None:
    found = []
    for more in ("", "extension { url }"):  # what reads all has records decoded whole
        source = answers(people).source(capabilities={"sort": ("_id",)})
        await source.start()
        result = await Asker(source).run(QUERY % more)
        data: Any = result.data
        for node in (data and data["patients"] and data["patients"]["nodes"]) or ():
            node.pop("extension", None)
        errors = sorted(
            str((one.message, one.path)) for one in result.errors if "extension" not in str(one.path)
        )
        found.append((data, errors))
        await source.close()
    assert found[0] == found[1]


async def test_elements_that_nobody_reads_are_not_decoded() -> None:
    people = [patient("1", (NHS, NUMBERS[0]), gender="male", address=[{"city": "Leeds"}])]
    source = answers(people).source(capabilities={"sort": ("_id",)})
    await source.start()
    asker = Asker(source)
    await asker.data("{ patients { nodes { gender } } }")
    assert asker.context is not None
    (record, *_) = asker.context.identity.known.persons
    assert record.json["gender"] == "male"
    assert "address" not in record.json
    await source.close()
