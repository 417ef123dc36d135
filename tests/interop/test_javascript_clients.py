"""What programs in JavaScript see: Apollo Client as it comes, and fetch with JSON.parse."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox.example import first_example
from sandbox.population.model import Population
from tests.interop.conftest import Sandbox
from tests.interop.endpoint import Endpoint
from tests.interop.programs import ask_script

pytestmark = pytest.mark.interop

LIST = """query Observations($id: ID!, $rows: Int!) {
  patient(id: $id) { id name { family } observations(first: $rows) { %s nodes { id origin { name } } } }
}"""
TOLD = LIST % "completeness sources { source status }"
UNTOLD = LIST % ""
DIGITS = "query Digits($id: ID!) { observation(id: $id) { id valueQuantity { value valueText } } }"
SOURCES = {"ehr", "gp", "wearable"}

Told = dict[str, Any]
Ask = Callable[..., Told]


@pytest.fixture
def ask(node: str, interop: Path, endpoint: Endpoint) -> Ask:
    """Asks with both programs."""

    def asking(query: str, **variables: Any) -> Told:
        asks = [{"query": query, "variables": variables}]
        question = {"url": endpoint.url, "token": endpoint.token, "asks": asks}
        told: list[Told] = ask_script(node, interop / "javascript_clients.mjs", question)
        return told[0]

    return asking


@pytest.fixture(scope="module")
def everyone(sandbox: Sandbox, population: Population) -> dict[str, Any]:
    """Variables for a list in which every source has a row, while it answers."""
    example = first_example(population)
    place = population.people.index(example.person)
    return {"id": sandbox.summary["patients"][place]["id"], "rows": example.rows}


def shown(told: Told) -> set[str]:
    """The sources of the rows that Apollo hands to its program."""
    nodes = told["apollo"]["data"]["patient"]["observations"]["nodes"]
    return {node["origin"]["name"] for node in nodes}


def statuses(told: Told) -> dict[str, str]:
    rows = told["apollo"]["data"]["patient"]["observations"]["sources"]
    return {row["source"]: row["status"] for row in rows}


@pytest.mark.parametrize("query", [TOLD, UNTOLD], ids=["told", "untold"])
def test_both_programs_show_every_source_while_all_answer(
    ask: Ask, everyone: dict[str, Any], query: str
) -> None:
    told = ask(query, **everyone)
    assert told["apollo"]["thrown"] is None
    assert shown(told) == SOURCES
    assert '"errors"' not in told["fetch"]["text"]


@pytest.mark.parametrize("missing", sorted(SOURCES))
def test_apollo_shows_the_rest_of_a_list_whose_completeness_is_selected(
    ask: Ask, sandbox: Sandbox, everyone: dict[str, Any], missing: str
) -> None:
    with sandbox.fault(missing, {"status": 500}):
        told = ask(TOLD, **everyone)
    assert told["apollo"]["thrown"] is None
    assert told["apollo"]["data"]["patient"]["observations"]["completeness"] == "PARTIAL"
    assert statuses(told) == dict.fromkeys(SOURCES, "OK") | {missing: "UNAVAILABLE"}
    assert shown(told) == SOURCES - {missing}
    assert '"errors"' not in told["fetch"]["text"]


@pytest.mark.parametrize("missing", ["ehr", "gp"])
def test_apollo_shows_a_person_who_is_asked_for_the_first_time_while_a_source_is_down(
    ask: Ask, sandbox: Sandbox, missing: str
) -> None:
    known = [one["id"] for one in sandbox.summary["patients"] if set(one["sources"]) == SOURCES]
    with sandbox.fault(missing, {"status": 500}):
        told = ask(TOLD, id=known[{"ehr": -1, "gp": -2}[missing]], rows=100)
    assert told["apollo"]["thrown"] is None
    assert statuses(told) == dict.fromkeys(SOURCES, "OK") | {missing: "UNAVAILABLE"}
    assert shown(told)
    assert missing not in shown(told)


@pytest.mark.parametrize("missing", sorted(SOURCES))
def test_apollo_throws_where_nothing_of_the_list_would_tell_the_gap(
    ask: Ask, sandbox: Sandbox, everyone: dict[str, Any], missing: str
) -> None:
    with sandbox.fault(missing, {"status": 500}):
        told = ask(UNTOLD, **everyone)
    thrown = told["apollo"]["thrown"]
    assert thrown["name"] == "CombinedGraphQLErrors"
    assert [(e["path"], e["extensions"]["code"], e["extensions"]["source"]) for e in thrown["errors"]] == [
        (["patient", "observations"], "UPSTREAM_UNAVAILABLE", missing)
    ]
    # A program that reads the response itself has the others' data beside the error.
    assert told["fetch"]["status"] == 200
    assert '"nodes":[{' in told["fetch"]["text"]


def test_apollo_shows_the_rest_while_a_source_hangs(
    ask: Ask, sandbox: Sandbox, everyone: dict[str, Any]
) -> None:
    pid = sandbox.summary["pids"]["gp"]
    os.kill(pid, signal.SIGSTOP)
    try:
        told = ask(TOLD, **everyone)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert statuses(told) == {"ehr": "OK", "gp": "TIMEOUT", "wearable": "OK"}
    assert shown(told) == {"ehr", "wearable"}


def test_value_text_keeps_the_digits_that_json_parse_drops(ask: Ask, population: Population) -> None:
    recorded = next(
        observation["id"]
        for observation in population.ehr["Observation"]
        if str(observation.get("valueQuantity", {}).get("value")) == "5.10"
    )
    told = ask(DIGITS, id=f"ehr/Observation/{recorded}")
    assert '"value":5.10,' in told["fetch"]["text"]
    assert '"value":5.1,"valueText":"5.10"' in told["fetch"]["reprinted"]
    quantity = told["apollo"]["data"]["observation"]["valueQuantity"]
    assert (quantity["value"], quantity["valueText"]) == (5.1, "5.10")
