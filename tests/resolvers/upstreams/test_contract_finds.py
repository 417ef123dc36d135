"""The contract of adapters finds what is wrong with one: each fault fails the test that is about it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any

import pytest
from msgspec.structs import replace

from clinical.identifiers import Token
from resolvers.upstreams.contract import UpstreamContract
from resolvers.upstreams.contract_case import ContractCase, ContractPatient
from resolvers.upstreams.errors import UpstreamUnavailable
from resolvers.upstreams.upstream import Abilities, Page
from tests.resolvers.asking import NHS, observation, patient
from tests.resolvers.memory import MemoryUpstream

NUMBERS = ("9990000018", "9990000026")
CODE = {"coding": [{"system": "http://loinc.org", "code": "718-7"}]}
TESTS = sorted(name for name in vars(UpstreamContract) if name.startswith("test_"))


class Adapter(MemoryUpstream):
    """In order; a fault is made of it."""

    searched = frozenset({"_id", "code", "date", "status"})

    async def abilities(self, resource_type: str, call: Any) -> Any:
        found = await super().abilities(resource_type, call)
        return replace(found, parameters=found.parameters & self.searched) if found else found

    @contextmanager
    def failing(self) -> Iterator[None]:
        self.down = UpstreamUnavailable(self.name, "down")
        yield
        self.down = None


class Repeating(Adapter):
    def _page(self, search: Any) -> Page:
        found = super()._page(search)
        return replace(found, resources=(*found.resources[:1], *found.resources)[: search.count])


class Forgetting(Adapter):
    def _page(self, search: Any) -> Page:
        return replace(super()._page(search), next=None)


class Confusing(Adapter):
    def _matching(self, search: Any) -> Any:
        return super()._matching(replace(search, patient=None))


class Unfiltered(Adapter):
    def _matching(self, search: Any) -> Any:
        return super()._matching(search if search.type == "Patient" else replace(search, filters=()))


class Miscounting(Adapter):
    async def count(self, searches: Any, call: Any) -> Any:
        return [one + 1 for one in await super().count(searches, call)]


class Shuffling(Adapter):
    async def read(self, reads: Any, call: Any) -> Any:
        return list(reversed(await super().read(reads, call)))


class Mistaking(Adapter):
    async def identify(self, identifiers: Any, locations: Any, call: Any) -> Any:
        return [
            found or (self._resource(self.resources["Patient"][0]),)
            for found in await self._known(identifiers)
        ]

    async def _known(self, identifiers: Any) -> Any:
        return await super().identify(identifiers, (), None)  # type: ignore[arg-type]


class Renaming(Adapter):
    turn = 0

    def _page(self, search: Any) -> Page:
        Renaming.turn += 1
        found = super()._page(search)
        if search.type == "Patient":
            return found
        return replace(
            found, resources=[replace(one, id=f"{one.id}-{Renaming.turn}") for one in found.resources]
        )


class Raising(Adapter):
    async def search(self, searches: Any, call: Any) -> Any:
        if self.down:
            raise self.down
        return await super().search(searches, call)


class Silencing(Adapter):
    async def search(self, searches: Any, call: Any) -> Any:
        if self.down:
            return [Page(()) for _ in searches]
        return await super().search(searches, call)


class NeedingNobody(Adapter):
    async def abilities(self, resource_type: str, call: Any) -> Abilities:
        found: Abilities = await super().abilities(resource_type, call)
        return replace(found, needs_patient=resource_type != "Patient")


class Waiting(Adapter):
    async def search(self, searches: Any, call: Any) -> Any:
        if self.down:
            await asyncio.sleep(3600)
        return await super().search(searches, call)


def contract(kind: Callable[..., Adapter], **habits: Any) -> UpstreamContract:
    rows = [
        {
            **observation(f"o{n}", str(n % 2 + 1), f"20{n + 10}-01-01"),
            "code": CODE,
            "status": ("final", "amended")[n % 3 % 2],
        }
        for n in range(6)
    ]
    if habits.pop("is_invalid", False):
        rows[0]["status"] = ["final"]
    people = [patient(f"{n + 1}", number) for n, number in enumerate(NUMBERS)]
    tokens = [ContractPatient(f"{n + 1}", (Token(NHS, one),)) for n, one in enumerate(NUMBERS)]

    class Mine(UpstreamContract):
        def case(self) -> AbstractAsyncContextManager[ContractCase]:
            return self._opened()

        @asynccontextmanager
        async def _opened(self) -> AsyncIterator[ContractCase]:
            sorts = frozenset({"date", "_id"})
            upstream = kind("a", {"Patient": people, "Observation": rows}, sorts=sorts, **habits)
            troubles = {"down": upstream.failing}
            yield ContractCase(upstream, tuple(tokens), troubles=troubles, hanging=upstream.failing)

    return Mine()


@pytest.mark.parametrize("name", TESTS)
def test_an_adapter_in_order_passes(name: str) -> None:
    getattr(contract(Adapter), name)()


@pytest.mark.parametrize(
    ("name", "kind", "habits"),
    [
        ("test_paging_has_no_gap_and_no_duplicate", Repeating, {}),
        ("test_paging_has_no_gap_and_no_duplicate", Forgetting, {}),
        ("test_rows_are_of_the_patient_that_was_asked_for", Confusing, {}),
        ("test_declared_filters_are_applied", Unfiltered, {}),
        ("test_declared_sorts_are_honoured", Adapter, {"lies_about_order": True}),
        ("test_counts_are_exact_or_not_said", Miscounting, {}),
        ("test_ids_are_read_in_the_order_of_the_questions", Shuffling, {}),
        ("test_identifiers_lead_to_their_patients", Mistaking, {}),
        ("test_a_list_about_nobody_is_answered_or_not_supported", NeedingNobody, {}),
        ("test_the_same_question_gets_the_same_ids", Renaming, {}),
        ("test_trouble_is_an_answer_and_no_exception", Raising, {}),
        ("test_trouble_is_an_answer_and_no_exception", Silencing, {}),
    ],
)
def test_a_fault_fails_its_test(name: str, kind: Any, habits: Any) -> None:
    with pytest.raises((AssertionError, UpstreamUnavailable)):
        getattr(contract(kind, **habits), name)()


def test_a_resource_that_is_not_r4b_fails_its_test() -> None:
    with pytest.raises(ValueError, match="status"):
        contract(Adapter, is_invalid=True).test_resources_are_r4b()


def test_a_deadline_that_is_not_kept_fails_its_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resolvers.upstreams.contract.PATIENCE_S", 0.2)
    with pytest.raises(TimeoutError):
        contract(Waiting).test_the_deadline_is_kept()
