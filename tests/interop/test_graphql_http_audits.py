"""The audits of npm graphql-http: no error, and every warning is explained in the docs."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.interop.endpoint import Endpoint
from tests.interop.programs import ask_script
from tests.running import ROOT

pytestmark = pytest.mark.interop
EXPLAINED = re.compile(r"^\| `([0-9A-Z]{4})` \|", re.MULTILINE)


@pytest.fixture(scope="module")
def audits(node: str, interop: Path, endpoint: Endpoint) -> list[dict[str, Any]]:
    question = {"url": endpoint.url, "token": endpoint.token}
    found: list[dict[str, Any]] = ask_script(node, interop / "graphql_http_audits.mjs", question)
    return found


def test_every_audit_was_made(audits: list[dict[str, Any]]) -> None:
    assert len(audits) > 50
    assert len({audit["id"] for audit in audits}) == len(audits)


def test_no_audit_finds_an_error(audits: list[dict[str, Any]]) -> None:
    assert [audit for audit in audits if audit["status"] == "error"] == []


def test_the_docs_explain_exactly_the_warnings_that_are_left(audits: list[dict[str, Any]]) -> None:
    left = {audit["id"]: audit["name"] for audit in audits if audit["status"] in ("warn", "notice")}
    explained = EXPLAINED.findall((ROOT / "docs" / "interop.md").read_text("utf-8"))
    assert set(explained) == set(left), left
