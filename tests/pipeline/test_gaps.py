"""A source that is down, hangs or fails: the others' data arrive in time, and the gap is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import pytest

from sandbox.example import first_example
from sandbox.population.model import Population
from tests.pipeline.asking import Gateway, Told
from tests.pipeline.own_gateway import own_gateway, patience, types, upstream
from tests.running import Sandbox, listening_port

TOLD = """query Observations($id: ID!, $first: Int!) {
  patient(id: $id) {
    id name { family }
    observations(first: $first) {
      completeness sources { source status message } nodes { id origin { name } }
    }
  }
}"""
BOTH = """query Observations($id: ID!, $first: Int!) {
  patient(id: $id) { ...told }
  other: patient(id: $id) { observations(first: $first) { nodes { id origin { name } } } }
}
fragment told on Patient {
  observations(first: $first) { completeness sources { source status message } nodes { id origin { name } } }
}"""
SOURCES = ("ehr", "gp", "wearable")
ALL_OK = dict.fromkeys(SOURCES, "OK")

Json = dict[str, Any]
Trouble = Callable[[Sandbox, str], AbstractContextManager[None]]

# what happens to a source -> what it is called in `sources`, and the code of its error
TROUBLES: dict[str, tuple[Trouble, str, str]] = {
    "its process stands still": (Sandbox.stopped, "TIMEOUT", "UPSTREAM_TIMEOUT"),
    "it hangs": (lambda s, name: s.fault(name, hang=True), "TIMEOUT", "UPSTREAM_TIMEOUT"),
    "it answers 500": (lambda s, name: s.fault(name, status=500), "UNAVAILABLE", "UPSTREAM_UNAVAILABLE"),
    "it answers 502": (lambda s, name: s.fault(name, status=502), "UNAVAILABLE", "UPSTREAM_UNAVAILABLE"),
    "it answers 403": (lambda s, name: s.fault(name, status=403), "DENIED", "UPSTREAM_REJECTED"),
    "it answers 429": (lambda s, name: s.fault(name, status=429), "UNAVAILABLE", "UPSTREAM_THROTTLED"),
    "it says to come back": (lambda s, name: s.fault(name, status=503), "UNAVAILABLE", "UPSTREAM_THROTTLED"),
    "its answers break off": (
        lambda s, name: s.fault(name, truncate=40),
        "UNAVAILABLE",
        "UPSTREAM_INVALID_RESPONSE",
    ),
}


@pytest.fixture(scope="module")
def brisk(sandbox: Sandbox) -> Iterator[Gateway]:
    """A gateway that waits a second and a half for a source."""
    with own_gateway(sandbox, types("Patient", "Observation"), patience(1.5)) as started:
        yield started


@pytest.fixture(scope="module")
def everyone(sandbox: Sandbox, population: Population) -> Json:
    """Variables for a list in which every source has a row, while it answers."""
    example = first_example(population)
    return {
        "id": sandbox.summary["patients"][population.people.index(example.person)]["id"],
        "first": example.rows,
    }


def statuses(answer: Told) -> dict[str, str]:
    rows = answer.data["patient"]["observations"]["sources"]
    return {row["source"]: row["status"] for row in rows}


def shown(answer: Told) -> set[str]:
    return {row["origin"]["name"] for row in answer.data["patient"]["observations"]["nodes"]}


def summed(answer: Told) -> dict[str, str]:
    return {row["source"]: row["status"] for row in answer.document["extensions"]["sources"]}


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("missing", SOURCES)
def test_the_others_data_arrive_and_the_missing_source_is_named(
    brisk: Gateway, sandbox: Sandbox, everyone: Json, missing: str, trouble: str
) -> None:
    happens, status, code = TROUBLES[trouble]
    assert shown(brisk.ask(TOLD, **everyone)) == set(SOURCES)
    with happens(sandbox, missing):
        answer = brisk.ask(BOTH, **everyone)
    assert answer.status == 200
    told, untold = (answer.data[name]["observations"] for name in ("patient", "other"))
    assert told["completeness"] == "PARTIAL"
    assert statuses(answer) == ALL_OK | {missing: status}
    assert shown(answer) == set(SOURCES) - {missing}
    assert untold["nodes"] == told["nodes"]
    assert summed(answer)[missing] == status
    # Where the client could not know, and only there, the gap is an error.
    assert [(e["extensions"]["code"], e["extensions"]["source"], e["path"]) for e in answer.errors] == [
        (code, missing, ["other", "observations"])
    ]
    again = brisk.ask(TOLD, **everyone)
    assert statuses(again) == ALL_OK, "the source is asked again as soon as it answers"


@contextmanager
def gone(sandbox: Sandbox, name: str) -> Iterator[Gateway]:
    """A gateway whose source `name` is at a port where nobody listens."""
    with listening_port() as port:

        def change(written: Json) -> None:
            table = upstream(written, name)
            for place in (table, *table.get("locations", ())):
                if "base_url" in place:
                    scheme, _, rest = place["base_url"].partition("://")
                    place["base_url"] = f"{scheme}://127.0.0.1:{port}/{rest.partition('/')[2]}"

        with own_gateway(sandbox, types("Patient", "Observation"), change) as started:
            yield started


@pytest.mark.parametrize("missing", SOURCES)
def test_a_source_that_was_never_there_costs_its_own_data_alone(
    sandbox: Sandbox, everyone: Json, missing: str
) -> None:
    with gone(sandbox, missing) as started:
        answer = started.ask(TOLD, **everyone)
        ready = sandbox.client.get(f"{started.origin}/readyz")
    assert statuses(answer) == ALL_OK | {missing: "UNAVAILABLE"}
    assert shown(answer) == set(SOURCES) - {missing}
    assert ready.status_code == 200
    assert {name: state["up"] for name, state in ready.json()["upstreams"].items()} == {
        name: name != missing for name in SOURCES
    }


def test_an_id_of_a_source_that_is_down_is_an_error_and_not_an_unknown_id(
    sandbox: Sandbox, population: Population
) -> None:
    person = next(one for one in population.people if len(one.sources) == 3)
    query = "query Q($id: ID!) { patient(id: $id) { id } }"
    with gone(sandbox, "ehr") as started:
        lost = started.ask(query, id=f"ehr/{person.sources['ehr']}")
        found = started.ask(query, id=f"gp/{person.sources['gp']}")
        never = started.ask(query, id="gp/Patient/999999")
    assert (lost.data, lost.codes) == ({"patient": None}, ["UPSTREAM_UNAVAILABLE"])
    assert lost.errors[0]["extensions"]["source"] == "ehr"
    assert found.whole()["patient"]["id"] == sandbox.summary["patients"][person.index]["id"]
    assert never.whole() == {"patient": None}


def test_an_id_whose_link_is_known_serves_while_its_source_is_down(
    brisk: Gateway, sandbox: Sandbox, population: Population
) -> None:
    person = next(one for one in population.people if len(one.sources) == 3)
    query = "query Q($id: ID!) { patient(id: $id) { id completeness sources { source status } } }"
    id_ = f"ehr/{person.sources['ehr']}"
    canonical = brisk.ask(query, id=id_).whole()["patient"]["id"]
    with sandbox.fault("ehr", status=500):
        patient = brisk.ask(query, id=id_).whole()["patient"]
    assert patient["id"] == canonical
    assert patient["completeness"] == "PARTIAL"
    assert {"source": "ehr", "status": "UNAVAILABLE"} in patient["sources"]


def test_a_source_that_does_not_know_the_person_is_no_gap(
    gateway: Gateway, sandbox: Sandbox, population: Population
) -> None:
    person = next(one for one in population.people if "ehr-only" in one.traits)
    answer = gateway.ask(TOLD, id=sandbox.summary["patients"][person.index]["id"], first=5)
    assert answer.whole()["patient"]["observations"]["completeness"] == "COMPLETE"
    assert statuses(answer) == {"ehr": "OK", "gp": "NOT_LINKED", "wearable": "NOT_LINKED"}


def test_the_whole_request_ends_by_its_deadline_with_what_there_is(sandbox: Sandbox, everyone: Json) -> None:
    two = types("Patient", "Observation")
    with (
        own_gateway(sandbox, two, patience(timeout_s=2.0, deadline_s=2.0)) as started,
        sandbox.fault("gp", hang=True),
    ):
        answer = started.ask(TOLD, **everyone)
    assert statuses(answer) == ALL_OK | {"gp": "TIMEOUT"}
    assert shown(answer) == {"ehr", "wearable"}


@pytest.mark.parametrize("count", [2, 3])
def test_with_several_sources_down_each_is_named(
    brisk: Gateway, sandbox: Sandbox, everyone: Json, count: int
) -> None:
    down = SOURCES[:count]
    with ExitStack() as faults:
        for name in down:
            faults.enter_context(sandbox.fault(name, status=500))
        answer = brisk.ask(TOLD, **everyone)
    assert answer.whole()["patient"]["observations"]["completeness"] == "PARTIAL"
    assert statuses(answer) == ALL_OK | dict.fromkeys(down, "UNAVAILABLE")
    assert shown(answer) == set(SOURCES) - set(down)


def test_a_list_of_all_persons_is_partial_while_an_earlier_source_is_down(
    brisk: Gateway, sandbox: Sandbox, population: Population
) -> None:
    query = "{ patients(first: 100) { completeness sources { source status } nodes { id } } }"
    whole = brisk.ask(query).whole()["patients"]
    everybody = [row["id"] for row in sandbox.summary["patients"]]
    assert (whole["completeness"], sorted(row["id"] for row in whole["nodes"])) == (
        "COMPLETE",
        sorted(everybody),
    )
    with sandbox.fault("ehr", status=500):
        part = brisk.ask(query).whole()["patients"]
    assert part["completeness"] == "PARTIAL"
    assert {"source": "ehr", "status": "UNAVAILABLE"} in part["sources"]
    elsewhere = {everybody[one.index] for one in population.people if {"gp", "wearable"} & set(one.sources)}
    assert {row["id"] for row in part["nodes"]} == elsewhere
