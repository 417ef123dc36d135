"""A vendor's API that misbehaves is told like any other source, in whichever of its ways it says so."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from starlette.types import ASGIApp

from sandbox.population.model import Population
from sandbox.quota import Quota
from sandbox.wearable.app import build_wearable
from tests.pipeline import odd_source
from tests.pipeline.asking import Gateway
from tests.pipeline.holdings import of_population
from tests.pipeline.odd_source import Elsewhere, Flood, OddSource, fixed
from tests.pipeline.own_gateway import own_gateway, patience, types, upstream
from tests.running import Sandbox, served

LIST = """query Observations($id: ID!, $first: Int!, $after: String) {
  patient(id: $id) {
    observations(first: $first, after: $after) {
      completeness sources { source status }
      pageInfo { hasNextPage endCursor } nodes { origin { name fhirId } }
    }
  }
}"""
MAX_BYTES = 2 * odd_source.MEGABYTE

Json = dict[str, Any]


def said(status: int, **body: Any) -> Callable[[], ASGIApp]:
    """An answer in the vendor's envelope: HTTP 200, whatever it says."""
    return lambda: fixed(200, json.dumps({"status": status, "body": body}).encode(), "application/json")


def strange(body: bytes, status: int = 200, media_type: str = "application/json") -> Callable[[], ASGIApp]:
    return lambda: fixed(status, body, media_type)


# what it does -> its status in `sources`
DOES: dict[str, tuple[Callable[[], ASGIApp], str]] = {
    "an invalid token, with 200": (said(401), "DENIED"),
    "too many requests, with 200": (said(601, wait_seconds=30), "UNAVAILABLE"),
    "an unknown problem, with 200": (said(9999), "UNAVAILABLE"),
    "too many requests": (strange(b"", 429), "UNAVAILABLE"),
    "500": (strange(b"", 500), "UNAVAILABLE"),
    "HTML": (strange(b"<!doctype html>", media_type="text/html"), "UNAVAILABLE"),
    "truncated JSON": (strange(b'{"status": 0, "body": {"measuregrps": ['), "UNAVAILABLE"),
    "no envelope": (strange(b"[]"), "UNAVAILABLE"),
    "no body": (strange(b'{"status": 0}'), "UNAVAILABLE"),
    "no rows": (said(0, more=0), "UNAVAILABLE"),
    "rows that are none": (said(0, measuregrps="x", activities=5, series={}), "UNAVAILABLE"),
    "pages that do not move on": (
        said(0, measuregrps=[], activities=[], series=[], more=1, offset=0),
        "UNAVAILABLE",
    ),
    "200 MB": (Flood, "UNAVAILABLE"),
    "an answer that breaks off": (lambda: odd_source.broken_off, "UNAVAILABLE"),
    "no answer": (lambda: odd_source.hanging, "TIMEOUT"),
}


@pytest.fixture(scope="module")
def vendor(population: Population) -> OddSource:
    return OddSource(lambda _: build_wearable(population.wearable, Quota(1_000_000)))


@pytest.fixture(scope="module")
def beside(sandbox: Sandbox, vendor: OddSource) -> Iterator[Gateway]:
    """A gateway over the sandbox's FHIR servers and the odd vendor."""

    def change(written: Json) -> None:
        upstream(written, "wearable").update(base_url=vendor.base_url, max_response_bytes=MAX_BYTES)

    with served(vendor) as origin:
        vendor.open(origin)
        with own_gateway(sandbox, types("Patient", "Observation"), patience(1.0), change) as gateway:
            yield gateway


@pytest.fixture(scope="module")
def person(sandbox: Sandbox, population: Population) -> tuple[str, frozenset[str]]:
    """Somebody whom every source knows, and what the FHIR servers hold of them."""
    known = next(one for one in population.people if len(one.sources) == 3)
    held = of_population(population, known).shown
    fhir = frozenset(id_ for source, _, id_ in held if source != "wearable")
    return sandbox.summary["patients"][known.index]["id"], fhir


def walked(gateway: Gateway, id_: str) -> tuple[dict[str, set[str]], dict[str, str]]:
    """Ids by source, and how the sources fared on the first page."""
    pages = list(gateway.pages(LIST, ("patient", "observations"), id=id_, first=100))
    found: dict[str, set[str]] = {}
    for row in (row for page in pages for row in page["nodes"]):
        found.setdefault(row["origin"]["name"], set()).add(row["origin"]["fhirId"])
    return found, {row["source"]: row["status"] for row in pages[0]["sources"]}


@pytest.mark.parametrize("name", DOES)
def test_a_vendors_trouble_costs_its_own_part_alone(
    beside: Gateway, vendor: OddSource, person: tuple[str, frozenset[str]], name: str
) -> None:
    id_, fhir = person
    make, status = DOES[name]
    with vendor.doing(make(), "/"):
        found, sources = walked(beside, id_)
    assert sources == {"ehr": "OK", "gp": "OK", "wearable": status}
    assert found["ehr"] | found["gp"] == fhir
    assert "wearable" not in found


def test_a_vendor_in_order_is_given_in_full(beside: Gateway, person: tuple[str, frozenset[str]]) -> None:
    found, sources = walked(beside, person[0])
    assert set(sources.values()) == {"OK"}
    assert len(found["wearable"]) > 20


def test_endless_pages_of_a_vendor_are_cut_and_told(
    beside: Gateway, vendor: OddSource, person: tuple[str, frozenset[str]]
) -> None:
    rows: Json = {"measuregrps": [], "activities": [], "series": []}

    def page(number: int) -> bytes:
        return json.dumps({"status": 0, "body": {**rows, "more": 1, "offset": number + 1}}).encode()

    with vendor.doing(odd_source.paging(page), "/"):
        found, sources = walked(beside, person[0])
    assert sources["wearable"] in ("PARTIAL", "UNAVAILABLE")
    assert found["ehr"] | found["gp"] == person[1]


def test_a_vendors_redirect_is_not_followed(
    beside: Gateway, vendor: OddSource, person: tuple[str, frozenset[str]]
) -> None:
    elsewhere = Elsewhere()
    with served(elsewhere) as other, vendor.doing(fixed(307, b"", location=f"{other}/measure"), "/"):
        _, sources = walked(beside, person[0])
    assert sources["wearable"] == "UNAVAILABLE"
    assert elsewhere.seen == []


def test_rows_that_cannot_be_read_are_left_out_and_told(
    beside: Gateway, vendor: OddSource, person: tuple[str, frozenset[str]]
) -> None:
    good = {"grpid": 1, "attrib": 0, "date": 1_700_000_000, "category": 1, "deviceid": "x"}
    measures = [{"value": 70_500, "type": 1, "unit": -3}]
    groups = [None, "x", {}, {"grpid": "y"}, {**good, "grpid": 2}, {**good, "measures": measures}]
    answer = {"measuregrps": groups, "activities": [], "series": [], "more": 0, "offset": 0}
    with vendor.doing(said(0, **answer)(), "/"):
        found, sources = walked(beside, person[0])
    assert sources["wearable"] == "PARTIAL"
    assert [id_.partition("-")[2] for id_ in found["wearable"]] == ["1-1"]
