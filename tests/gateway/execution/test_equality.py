"""The compiled executor answers as graphql-core does: same data, same errors, for any operation.

Two differences are allowed, both by the specification (6.4.4): where null bubbles up, graphql-core
stops the siblings below it and so tells fewer errors; those at or below a null of the answer are
left out of the comparison. And the order of errors is nobody's.
"""

import re
from collections.abc import Mapping
from functools import cache
from random import Random
from typing import Any

import pytest
from graphql import GraphQLSchema
from hypothesis import HealthCheck, Phase, given, reject, settings
from hypothesis import strategies as st

from clinical.codec import decode_json, encode_json
from gateway.document_errors import DocumentInvalid
from gateway.document_limits import LimitSettings
from gateway.execution import late
from gateway.execution.compiled import CompiledExecutor
from gateway.execution.denials import Denials
from gateway.execution.executor import ExecutionResult, Executor
from gateway.execution.stock import StockExecutor
from gateway.prepare import Preparation, PreparedDocument
from permissions.decision import Decisions, Permissions
from permissions.policy import RuleSettings, default_policy
from permissions.principal import Principal
from permissions.scopes import other_words, parse_scopes
from resolvers.disclosure import Disclosure
from resolvers.upstreams.errors import UpstreamTimeout
from schema.build import BuiltSchema, build_schema, resource_types
from tests.gateway.execution.operations import Operations, Seeded
from tests.resolvers.asking import Asker, observation, patient
from tests.resolvers.memory import MemoryUpstream

NUMBER = "9990000018"
INTERESTING = {
    "Query": ("patient", "patients", "observations", "node", "nodes", "observation"),
    "Patient": (
        "observations",
        "conditions",
        "name",
        "id",
        "records",
        "birthDate",
        "generalPractitioner",
        "age",
        "observationStats",
        "latestObservation",
        "summary",
    ),
    "PatientSummary": ("problems", "results", "latestVitals", "medications", "sections", "sections"),
    "ObservationConnection": ("nodes", "edges", "sources", "completeness", "pageInfo", "totalCount"),
    "ConditionConnection": ("nodes", "nodes", "completeness", "pageInfo"),
    "Condition": ("id", "code", "recordedDate", "verificationStatus", "clinicalStatus", "subject", "note"),
    "Observation": (
        "subject",
        "encounter",
        "valueQuantity",
        "code",
        "contained",
        "component",
        "note",
        "issued",
    ),
    "Reference": ("resource", "reference"),
    "Resource": ("id", "origin"),
    "Quantity": ("value", "valueText", "unit", "display", "converted"),
    "CodeableConcept": ("coding", "text", "display"),
    "HumanName": ("family", "given", "display"),
}


TIGHTENED = (
    {"coordinates": ["Observation.note"], "reason": "t", "scopes": [["notes.read"]]},
    {"coordinates": ["Patient.name"], "reason": "t", "scopes": [["patient/Patient.r"]]},
    {"coordinates": ["Quantity.unit"], "reason": "t", "purposes": ["TREAT"]},
    {"coordinates": ["Patient.birthDate"], "reason": "t", "scopes": [["notes.read"]]},
)

CALLERS = (
    ("system/*.rs notes.read", None),
    ("system/*.rs", None),
    ("user/*.s", None),
    ("user/Patient.rs user/Encounter.r", None),
    ("user/Observation.rs?code=x user/Patient.rs", None),
    ("patient/*.rs", "a/Patient/1"),
    ("patient/*.rs user/Patient.rs", "b/Patient/9"),
    ("patient/Observation.rs patient/Patient.s", "a/Patient/2"),
)
"""Scopes, and the patient that the token is for."""

VARIABLES: tuple[dict[str, Any], ...] = (
    {},
    {"t": False, "s": "http://loinc.org"},
    {"f": True, "n": 2, "p": ["x"]},
    {"n": None, "d": None},
)


@cache
def built() -> BuiltSchema:
    plain = default_policy()
    tightened = tuple(RuleSettings.model_validate(one) for one in TIGHTENED)
    policy = plain.model_copy(update={"rules": (*plain.rules, *tightened)})
    return build_schema(resource_types("default"), policy)


@cache
def permissions(scopes: str, launch: str | None) -> Permissions:
    caller = Principal("i", "c", "s", parse_scopes(scopes), other_words(scopes), launch)
    return Decisions(built().rules).of(caller)


def schema() -> GraphQLSchema:
    return built().graphql


@cache
def denials() -> Denials:
    return Denials(schema(), built().rules)


@cache
def executors() -> tuple[Executor, Executor, Preparation]:
    made = schema()
    limits = LimitSettings(
        max_characters=1_000_000,
        max_tokens=100_000,
        max_depth=100,
        max_aliases=10_000,
        max_directives=10_000,
        max_root_fields=1_000,
    )
    rules = built().rules
    return CompiledExecutor(made, rules), StockExecutor(made, rules), Preparation(made, limits)


def condition(id_: str, patient_id: str, when: str) -> dict[str, Any]:
    made = observation(id_, patient_id)
    status = {"coding": [{"code": "confirmed"}]}
    return {
        **made,
        "resourceType": "Condition",
        "status": None,
        "verificationStatus": status,
        "recordedDate": when,
    }


def rows(source: str, patient_id: str) -> list[dict[str, Any]]:
    """Good rows and bad ones: misshapen elements, dead references, contained resources, errors."""
    quantity = {"value": 5, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"}
    inner = [
        {"resourceType": "Encounter", "id": "in", "status": "planned"},
        {"resourceType": "Group", "id": "g"},
        "nonsense",
    ]
    made = [
        observation(
            "o1", patient_id, "2020-01-01", valueQuantity=quantity, encounter={"reference": "Encounter/1"}
        ),
        observation("o2", patient_id, "2019-05", encounter={"reference": "#in"}, contained=inner, note="bad"),
        observation(
            "o3", patient_id, None, encounter={"reference": "Encounter/none"}, issued=7, category=[None, 3]
        ),
        observation(
            "o4", patient_id, "2021", status="entered-in-error", component=[{"valueQuantity": quantity}]
        ),
        observation(
            "o5", patient_id, "2018", valueInteger=2**40, code="bad", hasMember=[{"reference": "urn:x"}]
        ),
        observation(
            "o6", patient_id, "2017", extension=[{"url": "9990000018", "valueDecimal": 1}, 5], subject=8
        ),
    ]
    text = encode_json(made).replace(b'"value":5,', b'"value":5.10,')
    return decode_json(text)  # type: ignore[no-any-return]


def good_rows(patient_id: str) -> list[dict[str, Any]]:
    """Rows with nothing odd about them, which are decoded straight into structs."""
    made = [
        observation(
            f"g{index}",
            patient_id,
            when,
            valueQuantity={"value": 5, "unit": "kg"},
            note=[{"text": "a"}, None],
            component=[{"valueQuantity": {"value": index}}, {"valueString": "x", "code": {"text": "t"}}],
            issued="2020-01-01T00:00:00Z",
        )
        for index, when in enumerate(("2020-01-02T10:00:00Z", "2020-01-01", "2019", "2018-03-04"))
    ]
    del made[3]["effectiveDateTime"]
    made[3]["effectivePeriod"] = {"start": "2018-03-04"}
    return decode_json(encode_json(made).replace(b'"value":5,', b'"value":5.10,'))  # type: ignore[no-any-return]


def sources(is_down: bool) -> list[MemoryUpstream]:
    smith = {"use": "usual", "family": "Smith", "given": ["A", None, "B"], "_given": [None, {"id": "x"}]}
    former = {"use": "official", "text": "A Jones", "period": {"end": "2001"}}
    name = {"name": [smith, "bad", former, {"use": "official", "prefix": "Dr", "family": "Smith"}]}
    visit = {
        "resourceType": "Encounter",
        "id": "1",
        "status": "finished",
        "subject": {"reference": "Patient/1"},
    }
    a = MemoryUpstream(
        "a",
        {
            "Patient": [patient("1", NUMBER, **name), patient("2", gender=5)],
            "Observation": rows("a", "1") + good_rows("2"),
            "Encounter": [visit],
            "Condition": [condition(f"c{index}", "1", f"201{index}-05-06") for index in range(3)],
        },
        sorts=frozenset({"date", "recorded-date", "_id"}),
    )
    conditions = [condition(f"d{index}", "9", f"201{index}-05-0{index + 5}") for index in range(3)]
    b = MemoryUpstream(
        "b",
        {"Patient": [patient("9", NUMBER)], "Observation": rows("b", "9"), "Condition": conditions},
        sorts=frozenset({"recorded-date", "_id"}),
    )
    c = MemoryUpstream("c", {"Patient": [], "Observation": [], "Condition": []})
    c.down = UpstreamTimeout("c", "too slow") if is_down else None
    return [a, b, c]


async def execute(
    executor: Executor,
    prepared: PreparedDocument,
    variables: Mapping[str, Any],
    is_down: bool,
    caller: tuple[str, str | None] = CALLERS[0],
) -> tuple[ExecutionResult, tuple[list[Disclosure], list[str]]]:
    """What is answered, what the record says was given out, and what the client is warned of."""
    asker = Asker(*sources(is_down), patient=caller[1])
    allowed = permissions(*caller)
    context = asker.federation.open(asker.principal, allowed, deadline_s=30, request_id="r")
    context.denied = denials().denied(prepared, allowed)
    try:
        result = await executor.run(prepared, variables, context)
        return result, (list(context.disclosures), sorted(map(str, context.cautions.told())))
    finally:
        context.close()


def told(result: ExecutionResult) -> set[tuple[Any, ...]]:
    """Errors as (path, message), without those below a null of the answer."""
    return {
        (tuple(error.path or ()), error.message)
        for error in result.errors
        if not _is_below_null(result.data, list(error.path or ()))
    }


def _is_below_null(data: Any, path: list[Any]) -> bool:
    for key in path[:-1]:
        if data is None:
            return True
        # A denied selection is told once for all places of a list, and for types that no place has.
        if key == "@" or (isinstance(data, dict) and key not in data):
            return False
        data = data[key]
    return data is None


@settings(max_examples=2000, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**64))
async def test_both_executors_answer_the_same(seed: int) -> None:
    text, random = Operations(Seeded(seed), schema(), INTERESTING).text(), Random(seed)
    variables, is_down, caller = random.choice(VARIABLES), random.random() < 0.5, random.choice(CALLERS)
    compiled, stock, preparation = executors()
    try:
        prepared = preparation.prepare(text, None, "")
    except DocumentInvalid:
        reject()  # fields that meet with different shapes are refused before execution
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(late, "PIECES_SERVE", len(text) % 2)  # half of them by code of their own at once
        ours, our_record = await execute(compiled, prepared, variables, is_down, caller)
    theirs, their_record = await execute(stock, prepared, variables, is_down, caller)
    assert encode(ours.data) == encode(theirs.data), text
    assert told(ours) == told(theirs), text
    if len(ours.errors) == len(theirs.errors):  # nothing was left off that the other still fetched
        assert our_record == their_record, text


NOW = re.compile(r"2[0-9]{3}-[0-9-]{5}T[0-9:]{8}\.[0-9]{3}Z")
CURSOR = re.compile(r"[A-Za-z0-9_-]{40,}")


def encode(data: Any) -> bytes:
    """The bytes of an answer; cursors are sealed anew each time, and time goes on."""
    return encode_json(_steady(data))


def _steady(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _steady(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_steady(one) for one in data]
    return "?" if isinstance(data, str) and (NOW.fullmatch(data) or CURSOR.fullmatch(data)) else data


async def test_a_search_parameter_may_be_called_as_the_executor_calls_its_own() -> None:
    text = '{ medicationStatements(source: ["a/Patient/1"]) { sources { source status } } }'
    for executor in executors()[:2]:
        prepared = executors()[2].prepare(text, None, "")
        result, _ = await execute(executor, prepared, {}, False)
        assert result.errors == []
        assert result.data == {"medicationStatements": {"sources": []}}
