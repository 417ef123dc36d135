"""A line of which parts are kept is byte for byte what it is when all of it is encoded."""

import re
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from graphql import GraphQLError, parse
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit import kept
from gateway.audit.entry import Entry
from gateway.audit.kept import KeptParts
from gateway.audit.record import line_of
from gateway.prepare import PreparedDocument, chosen_operation
from permissions.principal import Principal
from resolvers.disclosure import Disclosures

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
any_text = st.text(st.characters(exclude_categories=()), max_size=5)
maybe_text = st.none() | any_text
id_text = st.text(max_size=5)

principals = st.builds(
    Principal,
    issuer=any_text,
    client=any_text,
    subject=any_text,
    scopes=st.just(()),
    patient=st.none() | st.just("1"),
    fhir_user=st.sampled_from([None, "Practitioner/1", "Patient/9434765919"]) | any_text,
    purposes=st.lists(st.just("BTG") | id_text, max_size=2).map(tuple),
    token_id=maybe_text,
)


def prepared(text: str) -> PreparedDocument:
    document = parse(text)
    operation = chosen_operation(document, None)
    return PreparedDocument("0f" * 32, document, operation, {}, operation.operation.value)


DOCUMENTS = [prepared("{ a }"), prepared("query Named { a }"), prepared("mutation Change { a }")]


def context(draw: Any, principal: Principal) -> Any:
    disclosures = Disclosures()
    for patient in draw(st.lists(st.none() | id_text, max_size=3)):
        disclosures.note(patient, "Observation", "ehr")
    statuses = draw(st.just({}) | st.just({"gp": "OK", "ehr": "TIMEOUT"}))
    conflicts = draw(st.just({}) | st.just({"gp": 2}))
    return SimpleNamespace(
        principal=principal,
        permissions=SimpleNamespace(breaks_glass="BTG" in principal.purposes),
        own_id=draw(st.none() | st.just("person/a")) if principal.has_patient else None,
        statuses=lambda: statuses,
        conflict_counts=lambda: conflicts,
        recorded=lambda: (statuses, conflicts),
        disclosures=disclosures,
    )


def timeless(line: bytes) -> bytes:
    return re.sub(rb'"duration_ms":[0-9.e-]+', b"", line, count=1)


@given(st.lists(principals, min_size=1, max_size=3), st.data())
def test_a_line_of_kept_parts_is_what_it_is_without(callers: list[Principal], data: Any) -> None:
    parts = KeptParts()
    for _ in range(6):
        entry = Entry("f3ba8182-6d56-47d0-ab53-67d8ab61e709", NOON, 0.0)
        entry.principal = data.draw(st.sampled_from(callers))
        entry.prepared = data.draw(st.sampled_from(DOCUMENTS))
        entry.context = context(data.draw, entry.principal)
        entry.denied = data.draw(st.sampled_from([frozenset(), frozenset({"Patient.name", "Query.me"})]))
        entry.document_id = data.draw(st.sampled_from([None, None, "known"]))
        problems = data.draw(st.sampled_from([[], [], [GraphQLError("x")]]))
        if data.draw(st.booleans()):
            entry.answered(200, data.draw(st.booleans()), cast(Any, problems))
        assert timeless(entry.line(parts)) == timeless(line_of(entry.record(1.0)))


def test_only_so_many_callers_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "CALLERS_KEPT", 2)
    parts, callers = KeptParts(), [Principal("i", str(number), "s", ()) for number in range(3)]
    for caller in (*callers, callers[0]):
        entry = Entry("r", NOON, 0.0, caller, DOCUMENTS[0], context=context(lambda _: {}, caller))
        entry.answered(200, True, ())
        assert timeless(entry.line(parts)) == timeless(line_of(entry.record(1.0)))
        assert len(parts.callers) <= 2
