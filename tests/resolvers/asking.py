"""Asks a federation of sources in memory, through the schema."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from gateway.document_limits import LimitSettings
from gateway.execution.compiled import CompiledExecutor
from gateway.execution.executor import ExecutionResult
from gateway.prepare import Preparation
from permissions.decision import Decisions, Permissions
from permissions.principal import Principal
from permissions.scopes import other_words, parse_scopes
from resolvers.cache import MemoryCache
from resolvers.context import RequestContext
from resolvers.cursor import Cursors
from resolvers.federation import Federation
from resolvers.linking import Linking
from resolvers.person import PersonKey
from resolvers.upstreams.upstream import Upstream
from schema.build import BuiltSchema, build_schema

NHS = "https://fhir.nhs.uk/Id/nhs-number"
TYPES = (
    "Patient",
    "Observation",
    "Condition",
    "Encounter",
    "Medication",
    "MedicationRequest",
    "Practitioner",
    "Device",
    "DocumentReference",
)
KEY = PersonKey(b"k" * 64)


@cache
def executor() -> tuple[CompiledExecutor, Preparation]:
    built, limits = schema(), LimitSettings(max_characters=1_000_000, max_tokens=100_000, max_aliases=10_000)
    return CompiledExecutor(built.graphql, built.rules), Preparation(built.graphql, limits)


@cache
def schema() -> BuiltSchema:
    return build_schema(TYPES)


def permissions_of(principal: Principal) -> Permissions:
    return Decisions(schema().rules).of(principal)


class Asker:
    """One deployment and one caller; each `ask` is a request of its own."""

    def __init__(
        self,
        *upstreams: Upstream,
        patient: str | None = None,
        subject: str = "s",
        trusted: frozenset[str] | None = None,
        scopes: str | None = None,
        linking: Mapping[str, Any] | None = None,
        **facts: Any,
    ) -> None:
        cache_ = MemoryCache()
        names = frozenset(one.name for one in upstreams)
        settings = {"systems": (NHS,), "trusted_sources": names if trusted is None else trusted}
        linked = Linking(key=KEY, **{**settings, **(linking or {})})
        self.federation = Federation(
            upstreams, linked, Cursors(b"c" * 32, cache_), cache_, frozenset(TYPES), pages_max=1000
        )
        said = scopes or ("system/*.rs" if patient is None else "patient/*.rs")
        self.principal = Principal(
            "i", "c", subject, parse_scopes(said), other_words(said), patient=patient, **facts
        )
        self.context: RequestContext | None = None

    async def run(self, text: str, **variables: Any) -> ExecutionResult:
        runner, preparation = executor()
        self.context = self.federation.open(
            self.principal, permissions_of(self.principal), deadline_s=30, request_id="r"
        )
        try:
            return await runner.run(preparation.prepare(text, None, ""), variables, self.context)
        finally:
            self.context.close()

    async def data(self, text: str, **variables: Any) -> Any:
        result = await self.run(text, **variables)
        assert result.errors == [], [error.message for error in result.errors]
        return result.data


def patient(id_: str, nhs: str | None = None, born: str = "1980-05-03", **more: Any) -> dict[str, Any]:
    made = {"resourceType": "Patient", "id": id_, "birthDate": born, **more}
    return {**made, "identifier": [{"system": NHS, "value": nhs}]} if nhs else made


def observation(id_: str, patient_id: str, when: str | None = None, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "resourceType": "Observation",
        "id": id_,
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
        "subject": {"reference": f"Patient/{patient_id}"},
        **more,
    }
    return {**made, "effectiveDateTime": when} if when else made


def codes(errors: Sequence[Any]) -> list[str]:
    return sorted(getattr(error.original_error, "code", "?") for error in errors)
