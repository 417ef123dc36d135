"""Answers that a cache before a source gives in its place are told as STALE, and never taken for news."""

from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from clinical.identifiers import Token
from resolvers.outcome import STALE_ANSWER
from resolvers.upstreams.errors import UpstreamUnavailable
from resolvers.upstreams.staleness import is_stale
from resolvers.upstreams.upstream import Page, Read
from tests.resolvers.asking import Asker
from tests.resolvers.paging import page, source
from tests.resolvers.upstreams.sources import (
    PLACE,
    Server,
    bundle,
    call,
    fhir_json,
    observation,
    patient,
    search,
)

OLD = {"Cache-Status": 'edge; hit; ttl=-412; detail="stale-if-error"'}
NUMBER, OTHER = Token("urn:x", "1"), Token("urn:x", "2")
ROWS = [{"when": "2020"}, {"when": "2021"}]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, False),
        (OLD, True),
        ({"Cache-Status": "a; hit; ttl=30, b; fwd=miss"}, False),
        ({"Warning": '110 edge "Response is Stale"'}, True),
        ({"Warning": '199 a "Miscellaneous", 111 - "Revalidation Failed"'}, True),
        ({"Warning": '299 - "1101 is deprecated"'}, False),
    ],
)
def test_headers_say_whether_an_answer_is_old(headers: Mapping[str, str], expected: bool) -> None:
    assert is_stale(headers) is expected


def old(json: Any) -> httpx.Response:
    answer = fhir_json(json)
    answer.headers.update(OLD)
    return answer


async def test_an_old_page_is_given_with_that_it_is_old() -> None:
    upstream = Server(lambda request: old(bundle(observation("1")))).source()
    (found,) = await upstream.search([search()], call())
    assert isinstance(found, Page)
    assert ([one.id for one in found.resources], found.problems) == (["1"], (STALE_ANSWER,))
    assert found.resources[0].cached
    fresh = Server(lambda request: bundle(observation("1"))).source()
    (other,) = await fresh.search([search()], call())
    assert isinstance(other, Page)
    assert (other.problems, other.resources[0].cached) == ((), False)


async def test_an_old_resource_says_that_it_is_from_a_cache() -> None:
    upstream = Server(lambda request: old(observation("1"))).source()
    (found,) = await upstream.read([Read("Observation", "1", PLACE)], call())
    assert not isinstance(found, Exception)
    assert found is not None
    assert found.cached


async def test_who_is_not_in_an_old_answer_is_not_known() -> None:
    upstream = Server(lambda request: old(bundle(patient("p", ("urn:x", "1"))))).source()
    known, unknown = await upstream.identify([NUMBER, OTHER], [PLACE], call())
    assert isinstance(known, tuple)
    assert [(one.id, one.cached) for one in known] == [("p", True)]
    assert isinstance(unknown, UpstreamUnavailable)


@pytest.mark.parametrize("of", ["Observation", "Patient"])
async def test_a_source_of_old_answers_is_stale_and_its_rows_are_given(of: str) -> None:
    a, b = source("a", ROWS), source("b", ROWS)
    if of == "Patient":  # the lookup is old
        made = b._resource

        def kept(json: Any) -> Any:
            resource = made(json)
            resource.cached = resource.type == "Patient"
            return resource

        b._resource = kept  # type: ignore[method-assign]
    else:
        found = b._page
        b._page = lambda search: Page(found(search).resources, problems=(STALE_ANSWER,))  # type: ignore[method-assign]
    one = await page(Asker(a, b))
    assert {each["source"]: each["status"] for each in one["sources"]} == {"a": "OK", "b": "STALE"}
    assert (len(one["nodes"]), one["completeness"]) == (4, "PARTIAL")
    person = await Asker(a, b).data(
        '{ patient(identifier: "9990000018") { completeness sources { source status } } }'
    )
    statuses = [each["status"] for each in person["patient"]["sources"]]
    assert statuses == ["OK", "STALE" if of == "Patient" else "OK"]
