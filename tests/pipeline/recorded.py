"""The disclosure record of a sandbox's gateway, read by the request that an answer belongs to."""

from __future__ import annotations

import json
from typing import Any

from sandbox.population.model import Person
from tests.pipeline.asking import Told
from tests.running import Sandbox

Json = dict[str, Any]


def lines_of(sandbox: Sandbox, answer: Told) -> list[str]:
    """The lines of the request that was answered so."""
    id_ = answer.headers["x-request-id"]
    lines = (sandbox.state / "audit.jsonl").read_text("utf-8").splitlines()
    return [line for line in lines if json.loads(line)["request_id"] == id_]


def record_of(sandbox: Sandbox, answer: Told) -> Json:
    """The one line of the request."""
    (line,) = lines_of(sandbox, answer)
    record: Json = json.loads(line)
    return record


def id_of(sandbox: Sandbox, person: Person) -> str:
    """The person's canonical id."""
    return str(sandbox.summary["patients"][person.index]["id"])
