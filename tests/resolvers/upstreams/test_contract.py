"""Every built-in kind of source keeps the contract that a plugin's author tests against."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from clinical.identifiers import NHS_NUMBER_SYSTEM, Token
from resolvers.upstreams.contract import UpstreamContract
from resolvers.upstreams.contract_case import ContractCase, ContractPatient
from resolvers.upstreams.upstream import Upstream
from tests.resolvers.upstreams import simulated
from tests.resolvers.upstreams.simulated import POPULATION, Switch
from tests.resolvers.upstreams.sources import call


def known(source: str, count: int = 3) -> tuple[ContractPatient, ...]:
    """People of the population whom a source knows by a number that is theirs alone."""
    numbers = [one.nhs_number for one in POPULATION.people]
    people = [
        one
        for one in POPULATION.people
        if source in one.sources and one.nhs_number and numbers.count(one.nhs_number) == 1
    ]
    return tuple(
        linked(one.sources[source].removeprefix("Patient/"), one.nhs_number or "") for one in people[:count]
    )


def linked(own_id: str, number: str) -> ContractPatient:
    return ContractPatient(own_id, (Token(NHS_NUMBER_SYSTEM, number),))


@asynccontextmanager
async def started(
    upstream: Upstream, switch: Switch, patients: tuple[ContractPatient, ...], **more: Any
) -> AsyncIterator[ContractCase]:
    await upstream.start()
    try:
        yield ContractCase(upstream, patients, troubles=switch.troubles, hanging=switch.hanging, **more)
    finally:
        await upstream.close()


class TestFhir(UpstreamContract):
    @asynccontextmanager
    async def case(self) -> AsyncIterator[ContractCase]:
        with tempfile.TemporaryDirectory() as folder:
            switch = simulated.ehr_switch(Path(folder))
            source = simulated.ehr_source(switch)
            types = ("Condition", "Encounter", "Patient")
            async with started(source, switch, known("ehr", 2), types=types) as case:
                yield case


class TestWearable(UpstreamContract):
    @asynccontextmanager
    async def case(self) -> AsyncIterator[ContractCase]:
        switch = simulated.wearable_switch()
        source = simulated.wearable_source(switch)
        async with started(source, switch, known("wearable", 2)) as case:
            yield case


class TestLaboratory(UpstreamContract):
    @asynccontextmanager
    async def case(self) -> AsyncIterator[ContractCase]:
        with tempfile.TemporaryDirectory() as folder:
            switch = simulated.laboratory_switch()
            source = simulated.laboratory_source(switch, simulated.orders_file(Path(folder)))
            patients = tuple(linked(user, one.nhs_number) for user, one in simulated.USERS.items())
            async with started(source, switch, patients) as case:
                yield case


class TestPractice(UpstreamContract):
    @asynccontextmanager
    async def case(self) -> AsyncIterator[ContractCase]:
        switch = simulated.practice_switch(page_max=7)
        source = simulated.practice_source(switch)
        patients = tuple(linked(*pair) for pair in simulated.BOOK.patients.items())
        async with started(source, switch, patients) as case:
            yield case


class TestDocumentsOfAccounts(UpstreamContract):
    @asynccontextmanager
    async def case(self) -> AsyncIterator[ContractCase]:
        switch = simulated.document_switch()
        source = simulated.document_source(switch, "/accounts/{id}")
        patients = tuple(linked(*pair) for pair in list(simulated.ACCOUNTS.items())[:2])
        types = ("Condition", "Observation", "Patient")
        async with started(source, switch, patients, types=types) as case:
            yield case


class TestDocumentsByNumber(UpstreamContract):
    @asynccontextmanager
    async def case(self) -> AsyncIterator[ContractCase]:
        switch = simulated.document_switch()
        source = simulated.document_source(switch)
        async with started(
            source, switch, await self._patients(source), types=("Condition", "Patient")
        ) as case:
            yield case

    async def _patients(self, source: Upstream) -> tuple[ContractPatient, ...]:
        """The ids are sealed numbers: only the source tells them."""
        tokens = [Token(NHS_NUMBER_SYSTEM, number) for number in sorted(simulated.DOCUMENTS)[:3]]
        answers = await source.identify(tokens, source.locations(), call(30))
        assert all(isinstance(one, tuple) for one in answers)
        return tuple(
            ContractPatient(answer[0].id, (token,))
            for token, answer in zip(tokens, answers, strict=True)
            if isinstance(answer, tuple)
        )
