"""What a level of an operation costs a source that can batch, and that batching changes no answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tests.pipeline.asking import Gateway, Told
from tests.pipeline.own_gateway import own_gateway, upstream
from tests.running import Sandbox

PEOPLE, ROWS, MOST_A_LEVEL = 20, 10, 3

NODES = """
  id name { family }
  observations(first: 10 %s) {
    completeness
    nodes {
      id status effectiveDateTime code { text coding { system code } }
      valueQuantity { value unit valueText }
      component { code { text } valueQuantity { value } }
      subject { reference resource { id } }
      encounter { reference resource { id ... on Encounter { status period { start end } } } }
    }
  }
"""
NEWEST = NODES % ""
OLDER = NODES % ', date: { lt: "2025-06" }'

# name -> the document, whether it takes ids, and the path to the people
QUESTIONS: dict[str, tuple[str, bool]] = {
    "list": ("{ people: patients(first: 20) { nodes {" + NEWEST + "} } }", False),
    "list of older": ("{ people: patients(first: 20) { nodes {" + OLDER + "} } }", False),
    "ids": ("query Q($ids: [ID!]!) { people: nodes(ids: $ids) { ... on Patient {" + OLDER + "} } }", True),
}


@pytest.fixture(scope="module")
def plain(sandbox: Sandbox) -> Iterator[Gateway]:
    """A gateway over the same sources that asks them one thing at a time."""

    def change(written: dict[str, Any]) -> None:
        upstream(written, "ehr")["capabilities"] = {"batch": "parallel", "id_lists": False}
        upstream(written, "gp")["capabilities"]["id_lists"] = False

    with own_gateway(sandbox, change) as started:
        yield started


def ask(gateway: Gateway, sandbox: Sandbox, name: str) -> Told:
    document, takes_ids = QUESTIONS[name]
    return gateway.ask(document, **({"ids": ids(sandbox)} if takes_ids else {}))


def ids(sandbox: Sandbox) -> list[str]:
    """An id of each person: the record in the last source that knows the person, which is nobody's own."""
    return [f"{name}/{ref}" for one in sandbox.summary["patients"] for name, ref in [last(one["sources"])]]


def last(sources: dict[str, str]) -> tuple[str, str]:
    return list(sources.items())[-1]


def people_of(answer: Told) -> list[dict[str, Any]]:
    people = answer.whole()["people"]
    return list(people["nodes"] if isinstance(people, dict) else people)


def levels(requests: list[dict[str, Any]]) -> Counter[str]:
    """How often a source was asked for what: identities, people, their observations, encounters."""
    found: Counter[str] = Counter()
    for one in requests:
        told = [entry["request"]["url"] for entry in bundled(one)] or [one["path"] + "?" + one["query"]]
        found.update({level(text) for text in told})
    return found


def bundled(request: dict[str, Any]) -> list[dict[str, Any]]:
    body = request["body"]
    return list(msgspec.json.decode(body)["entry"]) if body.startswith("{") else []


def level(address: str) -> str:
    """The type that was asked for; a Patient by identifier is another question than a Patient by id."""
    path, _, query = address.removeprefix("/fhir/").partition("?")
    name = path.partition("/")[0]
    return f"{name} by identifier" if "identifier=" in query else name


def data_of(answer: Told) -> bytes:
    return bytes(msgspec.json.decode(answer.content, type=dict[str, msgspec.Raw])["data"])


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_level_costs_a_batching_source_three_requests_at_most(
    gateway: Gateway, sandbox: Sandbox, name: str
) -> None:
    sandbox.forget_requests()
    people = people_of(ask(gateway, sandbox, name))
    found = levels(sandbox.requests("ehr"))
    rows = [row for person in people for row in person["observations"]["nodes"]]
    assert len(people) == PEOPLE
    assert len(rows) > PEOPLE * ROWS * 0.9
    assert all(row["subject"]["resource"] for row in rows)
    assert found["Observation"] > 0
    assert found["Encounter"] > 0
    assert max(found.values()) <= MOST_A_LEVEL, found


@pytest.mark.parametrize("name", QUESTIONS)
def test_the_data_are_the_same_byte_for_byte_without_batching(
    gateway: Gateway, plain: Gateway, sandbox: Sandbox, name: str
) -> None:
    batched = ask(gateway, sandbox, name)
    sandbox.forget_requests()
    alone = ask(plain, sandbox, name)
    assert levels(sandbox.requests("ehr"))["Encounter"] > MOST_A_LEVEL, "nothing was batched here"
    assert not any(one["method"] == "POST" for one in sandbox.requests("ehr"))
    assert data_of(batched) == data_of(alone)
    assert people_of(alone)


def test_one_thing_asked_under_many_names_is_fetched_once(gateway: Gateway, sandbox: Sandbox) -> None:
    id_ = sandbox.summary["patients"][0]["id"]
    once = "observations(first: 5) { nodes { id encounter { resource { id } } } }"
    sandbox.forget_requests()
    single = gateway.ask("query Q($id: ID!) { patient(id: $id) { " + once + " } }", id=id_).whole()
    asked = levels(sandbox.requests("ehr"))
    sandbox.forget_requests()
    aliases = " ".join(f"a{place}: patient(id: $id) {{ b{place}: {once} c: {once} }}" for place in range(4))
    many = gateway.ask("query Q($id: ID!) { " + aliases + " }", id=id_).whole()
    assert levels(sandbox.requests("ehr")) == asked
    assert all(many[f"a{place}"]["c"] == single["patient"]["observations"] for place in range(4))
