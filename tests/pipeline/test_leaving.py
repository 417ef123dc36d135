"""Work ends when nobody waits for it any more: in the gateway, and at its sources."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from sandbox.population.model import Population
from tests.pipeline import house as houses
from tests.pipeline import odd_source
from tests.pipeline.house import House
from tests.pipeline.odd_source import Seen
from tests.running import Sandbox, eventually

LONG_S = 30.0
"""Shorter than the time that the gateway gives its sources: what ends by then was ended."""

LIST = "query Q($id: ID!) { patient(id: $id) { observations(first: 5) { completeness nodes { id } } } }"
ONE = 'query Q { observation(id: "odd/Observation/o1") { id } }'
QUESTIONS = {
    "a search": (LIST, "/Observation"),
    "a read": (ONE, "/Observation/o1"),
    "a lookup of a person": (LIST, "/Patient"),
}


@contextmanager
def asking(house: House, query: str) -> Iterator[None]:
    """A client that has sent its question and waits for the answer until the end of the block."""
    body = json.dumps({"query": query, "variables": {"id": house.person}}).encode()
    address = urlsplit(house.gateway.url)
    head = (
        f"POST {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {house.gateway.token}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall(head.encode() + body)
        yield


def request_for(house: House, piece: str) -> Seen:
    return eventually(lambda: next(iter(house.odd.asked(piece)), None))


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_client_that_leaves_ends_its_work_at_the_source(patient_house: House, name: str) -> None:
    query, piece = QUESTIONS[name]
    with patient_house.odd.doing(odd_source.hanging, piece):
        with asking(patient_house, query):
            request = request_for(patient_house, piece)
            assert not request.left.is_set(), "while the client waits, the gateway does"
        assert request.left.wait(LONG_S)
        if piece == "/Patient":
            assert patient_house.odd.asked("/Observation") == []
    assert patient_house.ask(LIST).whole()["patient"]["observations"]["completeness"] == "COMPLETE"


def test_a_client_that_leaves_ends_an_answer_that_drips(patient_house: House) -> None:
    with patient_house.odd.doing(odd_source.dripping):
        with asking(patient_house, LIST):
            request = request_for(patient_house, "/Observation")
        assert request.left.wait(LONG_S)


def test_a_client_that_leaves_does_not_end_anothers_work(patient_house: House) -> None:
    with (
        patient_house.odd.doing(odd_source.hanging),
        asking(patient_house, LIST),
    ):
        first = request_for(patient_house, "/Observation")
        with asking(patient_house, LIST):
            second = eventually(lambda: next(iter(patient_house.odd.asked("/Observation")[1:]), None))
        assert second.left.wait(LONG_S)
        assert not first.left.is_set()


def test_the_deadline_ends_the_work_at_the_source(
    sandbox: Sandbox, population: Population, tmp_path: Path
) -> None:
    with (
        houses.house(sandbox, population, tmp_path, timeout_s=1.0, deadline_s=1.0) as hurried,
        hurried.odd.doing(odd_source.hanging),
    ):
        answer = hurried.ask(LIST)
        assert answer.whole()["patient"]["observations"]["completeness"] == "PARTIAL"
        assert request_for(hurried, "/Observation").left.wait(LONG_S)
