"""What a source declares, what settings say instead, and a source that is not there yet."""

import asyncio
from typing import Any

import httpx
import pytest

from clinical.parameters import resource_types
from resolvers.upstreams.errors import UpstreamError, UpstreamInvalidResponse, UpstreamUnavailable
from resolvers.upstreams.fhir import FhirUpstream
from resolvers.upstreams.upstream import Abilities
from tests.resolvers.upstreams.sources import (
    Json,
    Reply,
    Server,
    bundle,
    call,
    fhir_json,
    observation,
    read,
    statement,
)


async def abilities(declared: Json, kind: str = "Observation", **capabilities: Any) -> Abilities:
    source = Server(lambda request: bundle(), declared).source(capabilities=capabilities)
    found = await source.abilities(kind, call())
    assert isinstance(found, Abilities), found
    return found


async def test_a_statement_tells_types_parameters_and_batches() -> None:
    declared = statement("Observation", "Condition", interactions=("batch",), parameters=("code", "date"))
    source = Server(lambda request: bundle(), declared).source()
    assert source.types == frozenset(resource_types())
    found = await source.abilities("Observation", call())
    assert isinstance(found, Abilities)
    assert (found.parameters, found.batches) == ({"code", "date"}, True)
    assert source.types == {"Observation", "Condition"}
    assert await source.abilities("Patient", call()) == Abilities()


async def test_parameters_for_all_types_count_and_unknown_ones_do_not() -> None:
    declared = statement(
        "Observation",
        parameters=("code", "x-own"),
        searchParam=[{"name": "_id"}, {"name": "_text"}, {"name": "date"}],
    )
    assert (await abilities(declared)).parameters == {"code", "_id", "date"}


async def test_a_source_sorts_only_where_it_says_so() -> None:
    """Taking an unsorted page for the newest one would show an old value as the latest."""
    plain = statement("Observation", parameters=("code", "date", "subject"))
    assert (await abilities(plain)).sorts == frozenset()
    sorting = statement("Observation", parameters=("code", "date", "subject", "_sort"))
    assert (await abilities(sorting)).sorts == {"code", "date"}


async def test_settings_know_better_than_the_statement() -> None:
    found = await abilities(
        statement("Observation", "Condition", parameters=("code", "_sort")),
        types=("Observation",),
        parameters={"Observation": ("date", "patient")},
        sort=("_lastUpdated",),
        sorts={"Observation": ("date", "-code", "nonsense", "-nonsense")},
        counts=False,
        batch="bundle",
        page_size_max=33,
    )
    assert found == Abilities(frozenset(("date", "patient")), frozenset(("date", "-code")), 33, False, True)
    everywhere = await abilities(statement("Observation", parameters=("_sort",)), sort=("_lastUpdated",))
    assert everywhere.sorts == {"_lastUpdated"}


async def test_settings_say_which_types_are_searched_for_one_patient_only() -> None:
    declared = statement("Observation", "Condition")
    assert (await abilities(declared, needs_patient=("Observation",))).needs_patient
    assert not (await abilities(declared, "Condition", needs_patient=("Observation",))).needs_patient


async def test_without_discovery_the_statement_is_never_asked_for() -> None:
    server = Server(lambda request: bundle())
    server.declared = fhir_json(b"", 500)  # type: ignore[assignment]
    source = server.source(capabilities={"is_discovered": False, "parameters": {"Observation": ["code"]}})
    found = await source.abilities("Observation", call())
    assert isinstance(found, Abilities)
    assert found.parameters == {"code"}
    assert await source.abilities("Condition", call()) == Abilities(counts=True)


@pytest.mark.parametrize(
    "declared",
    [
        {"resourceType": "CapabilityStatement"},
        {"resourceType": "CapabilityStatement", "rest": "x"},
        {
            "resourceType": "CapabilityStatement",
            "rest": [None, {"resource": [None, {"type": 5}], "interaction": 3}],
        },
    ],
)
async def test_a_statement_that_says_nothing_readable_declares_nothing(declared: Json) -> None:
    assert await abilities(declared) == Abilities()


@pytest.mark.parametrize("declared", [observation("1"), [], {"x": 1}])
async def test_another_document_is_no_statement(declared: Any) -> None:
    source = Server(lambda request: bundle(), declared or [1]).source()
    assert isinstance(await source.abilities("Observation", call()), UpstreamInvalidResponse)


# ------------------------------------------------------------ a source that comes and goes


class Flickering:
    """Down until `is_up`; counts how often its statement is asked for."""

    def __init__(self) -> None:
        self.is_up = self.hangs = False
        self.asked = 0
        self.server = Server(lambda request: observation("1"))
        self.source: FhirUpstream = self.server.source()
        answer = self.server.__call__

        async def handle(request: httpx.Request) -> httpx.Response:
            if request.url.path.endswith("/metadata"):
                self.asked += 1
                await asyncio.sleep(60 if self.hangs else 0)
                if not self.is_up:
                    raise httpx.ConnectError("refused", request=request)
            return await answer(request)

        self.server_call = handle
        transport = self.source._exchange._transport
        transport._client._transport = httpx.MockTransport(handle)  # type: ignore[attr-defined]


async def test_a_source_that_is_down_does_not_hold_up_the_start() -> None:
    place = Flickering()
    await place.source.start()
    assert isinstance(await place.source.abilities("Observation", call()), UpstreamUnavailable)
    assert place.asked == 1
    await place.source.close()


async def test_a_source_that_hangs_does_not_hold_up_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resolvers.upstreams.fhir_discovery._START_S", 0.01)
    place = Flickering()
    place.hangs = True
    await asyncio.wait_for(place.source.start(), 5)
    await place.source.close()


async def test_a_source_that_answers_is_known_after_the_start() -> None:
    place = Flickering()
    place.is_up = True
    await place.source.start()
    assert place.source.types == {"Observation", "Patient"}
    await place.source.close()


async def test_a_source_that_comes_back_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resolvers.upstreams.fhir_discovery._FAILURE_KEPT_S", 0.0)
    place = Flickering()
    assert [type(one) for one in await place.source.read([read("1")], call())] == [UpstreamUnavailable]
    place.is_up = True
    (found,) = await place.source.read([read("1")], call())
    assert not isinstance(found, UpstreamError)
    assert place.asked == 2


async def test_many_callers_ask_for_the_statement_once() -> None:
    place = Flickering()
    place.is_up = True
    found = await asyncio.gather(*(place.source.abilities("Observation", call()) for _ in range(20)))
    assert all(isinstance(one, Abilities) for one in found)
    assert place.asked == 1


async def test_a_caller_who_leaves_does_not_take_the_statement_from_the_others() -> None:
    place = Flickering()
    place.is_up = True
    leaving = asyncio.create_task(place.source.abilities("Observation", call()))
    staying = asyncio.create_task(place.source.abilities("Observation", call()))
    await asyncio.sleep(0)
    leaving.cancel()
    assert isinstance(await staying, Abilities)


async def test_a_failure_is_not_asked_for_again_at_once() -> None:
    place = Flickering()
    for _ in range(5):
        assert isinstance(await place.source.abilities("Observation", call()), UpstreamUnavailable)
    assert place.asked == 1


async def test_what_is_known_stays_while_it_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Flickering()
    place.is_up = True
    await place.source.abilities("Observation", call())
    monkeypatch.setattr("resolvers.upstreams.fhir_discovery._KEPT_S", -1.0)
    place.is_up = False
    assert isinstance(await place.source.abilities("Observation", call()), Abilities)
    await asyncio.sleep(0.01)
    assert place.asked == 2
    assert isinstance(await place.source.abilities("Observation", call()), Abilities)


async def test_the_first_place_that_answers_speaks_for_all() -> None:
    def handler(request: httpx.Request) -> Reply:
        raise AssertionError(request.url)

    server = Server(handler)
    answer = server.__call__

    async def handle(request: httpx.Request) -> httpx.Response:
        return fhir_json(b"", 500) if request.url.path.startswith("/A") else await answer(request)

    rows = [{"base_url": f"http://gp.test/{code}/fhir", "organization": code} for code in "AB"]
    source = server.source(locations=rows)
    source._exchange._transport._client._transport = httpx.MockTransport(handle)  # type: ignore[attr-defined]
    assert isinstance(await source.abilities("Observation", call()), Abilities)
    assert isinstance(await source.probe(call()), UpstreamUnavailable)


async def test_a_source_whose_statement_is_wanted_is_not_up_without_one() -> None:
    server = Server(lambda request: bundle(), {"resourceType": "Patient", "id": "x"})
    assert isinstance(await server.source().probe(call()), UpstreamInvalidResponse)
    unread = server.source(capabilities={"is_discovered": False})
    assert await unread.probe(call()) is None
