"""What the contract of adapters looks at: a case, and questions to its adapter (`contract`)."""

import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from clinical.compartment import patient_parameter
from clinical.identifiers import Token
from clinical.order import sort_key
from clinical.parameters import SearchParameter
from clinical.syntax import escape
from permissions.principal import Principal
from resolvers.resource import Location, Resource
from resolvers.upstreams.errors import UpstreamError
from resolvers.upstreams.upstream import Abilities, Call, Filter, Page, Read, Search, Upstream

CALL_S = 30.0
PAGES_MAX = 2_000
NOBODY = Token("https://identifiers.invalid", "nobody")
_PRINCIPAL = Principal(issuer="https://issuer.invalid", client="contract", subject="contract", scopes=())

Trouble = Callable[[], AbstractContextManager[Any]]
"""Makes the source fail, or hang, until the end of the block."""


@dataclass(frozen=True, slots=True)
class ContractPatient:
    """A patient of the source: the source's own id, identifiers by which the adapter must find the patient,
    and the place, where the source has several."""

    id: str
    identifiers: tuple[Token, ...] = ()
    location: Location | None = None


@dataclass(frozen=True, slots=True)
class ContractCase:
    """A started adapter over a source with at least two patients, of whom each type has rows.

    `types`: those to look at, all that the adapter can hold where none is named. `unknown`: an identifier
    that nobody has. `troubles` by name; `hanging`: the source takes questions and never answers.
    """

    upstream: Upstream
    patients: tuple[ContractPatient, ...]
    types: tuple[str, ...] = ()
    unknown: Token = NOBODY
    unknown_id: str = "there-is-none"
    troubles: Mapping[str, Trouble] = field(default_factory=dict)
    hanging: Trouble | None = None
    principal: Principal = _PRINCIPAL


@dataclass(frozen=True, slots=True)
class Examination:
    """Questions to the adapter of a case, and answers that must be ones."""

    case: ContractCase

    def call(self, seconds: float = CALL_S) -> Call:
        """A request of its own."""
        return Call(time.monotonic() + seconds, str(uuid.uuid4()), self.case.principal)

    @property
    def types(self) -> list[str]:
        """The types that are about a patient."""
        named = self.case.types or self.case.upstream.types
        return sorted(one for one in named if one == "Patient" or patient_parameter(one))

    def place(self, patient: ContractPatient) -> Location:
        return patient.location or self.case.upstream.locations()[0]

    def about(self, resource_type: str, patient: ContractPatient, **more: Any) -> Search:
        """A search for what a patient has; for the patient's own record it is one by its id."""
        if resource_type == "Patient":
            filters = (Filter("_id", (patient.id,)), *more.pop("filters", ()))
            return Search(resource_type, self.place(patient), filters, **more)
        parameter = patient_parameter(resource_type)
        return Search(
            resource_type, self.place(patient), patient=patient.id, patient_parameter=parameter, **more
        )

    async def abilities(self, resource_type: str) -> Abilities:
        found = await self.case.upstream.abilities(resource_type, self.call())
        assert isinstance(found, Abilities), f"{resource_type}: {found!r}"
        return found

    async def walk(self, search: Search) -> list[Resource]:
        """Every row of a search, page by page, in all the ways in which it must be asked."""
        rows: list[Resource] = []
        for one in self.case.upstream.partition(search.type, search.filters).filters:
            filters = search.filters if one is None else (*search.filters, one)
            rows += [row async for row in self._pages(replace(search, filters=filters))]
        return rows

    async def _pages(self, search: Search) -> AsyncIterator[Resource]:
        call = self.call()
        for _ in range(PAGES_MAX):
            (page,) = await self.case.upstream.search([search], call)
            assert isinstance(page, Page), f"{search.type}: {page!r}"
            assert len(page.resources) <= search.count, f"{search.type}: a page longer than asked for"
            for row in page.resources:
                yield row
            if page.next is None:
                return
            assert page.next != search.page, f"{search.type}: a page that names itself as the next"
            search = replace(search, page=page.next)
        raise AssertionError(f"{search.type}: pages without end")

    async def held(self, resource_type: str) -> list[tuple[ContractPatient, list[Resource]]]:
        """What each patient has of a type, and that somebody has something."""
        size = (await self.abilities(resource_type)).page_size_max
        found = [
            (one, await self.walk(self.about(resource_type, one, count=size))) for one in self.case.patients
        ]
        assert any(rows for _, rows in found), f"{resource_type}: nobody has any; the case must have some"
        return found

    async def read(self, reads: Sequence[Read]) -> Sequence[Resource | UpstreamError | None]:
        answers = await self.case.upstream.read(reads, self.call())
        assert len(answers) == len(reads), "as many answers as questions"
        return answers


def ids_of(rows: Iterable[Resource]) -> list[str]:
    """The ids of rows, in their order."""
    return [row.id for row in rows]


def values_of(parameter: SearchParameter, rows: Sequence[Resource]) -> list[str]:
    """Values to filter by: one that a row has, in search syntax, and for dates both sides of it."""
    for row in rows:
        key = sort_key(row.json, parameter)
        if key.is_missing:
            continue
        if parameter.type == "date":
            return [f"ge{key.value.isoformat()}", f"lt{key.value.isoformat()}"]
        if parameter.type in ("token", "reference") and isinstance(key.value, str):
            return [escape(key.value)]
    return []
