"""One question goes out the same whether it is asked alone or as a list of one, and as HTTP allows it."""

import asyncio
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace import NoOpTracer

from resolvers.resource import Location
from resolvers.upstreams.credential import NoCredential
from resolvers.upstreams.exchange import Exchange
from resolvers.upstreams.fhir_raw import RawAnswer
from resolvers.upstreams.fhir_server import Ask, FhirServer
from resolvers.upstreams.settings import CapabilitySettings, UpstreamSettings
from resolvers.upstreams.transport import Request, Response
from tests.resolvers.upstreams.sources import call

ORIGIN = "https://ehr.test"
PLACES = (Location(f"{ORIGIN}/fhir", (("X-Practice", "a"),)), Location(f"{ORIGIN}/a/longer/path"))
LONGEST = 300
PAGE = f"{ORIGIN}/fhir?page=2"


class Line:
    """A transport that keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[Request] = []

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def send(self, request: Request, deadline: float) -> Response:
        self.sent.append(request)
        return Response(200, {}, b'{"resourceType":"Bundle","entry":[{"response":{"status":"200"}}]}')


def server(line: Line, post_search: str = "never") -> FhirServer:
    settings = UpstreamSettings.model_validate(
        {"name": "ehr", "kind": "fhir", "base_url": PLACES[0].base_url}
    )
    exchange = Exchange(settings, line, NoCredential(), NoOpTracer(), frozenset((ORIGIN,)))
    capabilities = {"url_length_max": LONGEST, "post_search": post_search}
    return FhirServer(exchange, CapabilitySettings.model_validate(capabilities), PLACES)


@given(
    st.sampled_from(PLACES),
    st.sampled_from(["", "Patient", "Patient/1"]),
    st.integers(0, 20) | st.integers(LONGEST - 60, LONGEST + 20),
    st.sampled_from([None, PAGE]),
    st.sampled_from(["never", "form"]),
)
def test_a_list_of_one_is_asked_like_one(
    place: Location, path: str, length: int, page: str | None, post_search: str
) -> None:
    async def run() -> None:
        line = Line()
        asking, one = server(line, post_search), Ask("search", place, path, "q" * length, page)
        asked = call()
        alone = await asking.fetch(one, asked)
        (listed,) = await asking.fetch_all([one], asked, has_batch=False)
        assert isinstance(listed, RawAnswer)
        assert listed.body == alone.body
        assert line.sent[0] == line.sent[1]

    asyncio.run(run())


@pytest.mark.parametrize(
    ("post_search", "has_batch"), [*product(["never", "form"], [True, False])], ids=lambda one: str(one)
)
async def test_a_page_of_a_long_query_is_asked_at_its_own_address(post_search: str, has_batch: bool) -> None:
    line = Line()
    one = Ask("search", PLACES[0], "Observation", "code=" + "1," * LONGEST, PAGE)
    (answer,) = await server(line, post_search).fetch_all([one], call(), has_batch)
    assert isinstance(answer, RawAnswer)
    assert [(sent.method, sent.url) for sent in line.sent] == [("GET", PAGE)]


@pytest.mark.parametrize(("over", "method"), [(0, "GET"), (1, "POST")])
async def test_a_query_that_fits_no_address_goes_as_a_batch(over: int, method: str) -> None:
    line = Line()
    place = PLACES[1]
    room = LONGEST - len(f"{place.base_url}/Observation?") + over
    await server(line).fetch_all([Ask("search", place, "Observation", "q" * room)], call(), has_batch=True)
    assert line.sent[0].method == method
    assert len(line.sent[0].url) == (LONGEST if method == "GET" else len(place.base_url))
