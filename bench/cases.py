"""The requests that are measured."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench import records
from clinical.identifiers import NHS_NUMBER_SYSTEM
from resolvers.person import PersonKey

QUERIES: Final = Path(__file__).parent / "queries"

TITLES: Final = {
    "typename": "{ __typename }",
    "a": "20 patients, 6 fields",
    "b": "1 patient, 50 observations, 10 fields",
    "c": "20 patients, 10 observations each",
    "ips": "a summary: 8 connections of a patient",
    "thousand": "1,000 observations of 10 patients",
}
QUICK: Final = ("a", "b", "c", "ips")


@dataclass(frozen=True)
class Question:
    """One POST request. `path` is that of the server under measurement; the gateway's is always /graphql."""

    path: str
    body: bytes


def question(query: str, key: PersonKey, **variables: Any) -> Question:
    """The question of a query file; `$id` is a patient's canonical id."""
    text = (QUERIES / f"{query}.graphql").read_text()
    if "$id" in text:
        variables["id"] = person_id(key)
    return Question(f"/{query}", body_of(text, variables))


def person_id(key: PersonKey) -> str:
    """The first patient's canonical id."""
    return key.seal(NHS_NUMBER_SYSTEM, records.nhs_number(0))


def case(name: str, key: PersonKey) -> Question:
    """The question of a case."""
    if name == "thousand":
        return question("rows", key, patients=10, each=100)
    return question(name, key)


def body_of(text: str, variables: dict[str, Any]) -> bytes:
    return json.dumps({"query": text, "variables": variables}).encode()
