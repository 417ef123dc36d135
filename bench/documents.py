"""`python -m bench.documents`: what a document costs that is unlike all before, by stage, and its first use.

In one process, processor time. Each document of about 200 fields is met once, as codes, shapes and structs
are kept for its like; the median and the ninth decile of all are told. Times are as they would be on the
quiet machine: each is divided by what a fixed piece of work took beside it, relative to its best.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections import defaultdict
from collections.abc import Callable
from statistics import median, quantiles
from typing import Any, Final, TypeVar, cast

import msgspec
from graphql import GraphQLList, GraphQLObjectType, GraphQLSchema, parse, validate

from bench.answers import capability_statement
from bench.cost import GENEROUS, SOURCES
from bench.new_documents import NewDocument
from clinical.compartment import patient_parameter, subject_element
from clinical.parameters import parameters
from gateway.app import COLLECT_AFTER
from gateway.cost.analysis import analyse
from gateway.cost.weights import Weights
from gateway.document_limits import check_operation, check_text
from gateway.execution.compiled import CompiledExecutor
from gateway.execution.denials import Denials
from gateway.prepare import Preparation, PreparedDocument, chosen_operation
from permissions.decision import Decisions
from permissions.principal import Principal
from permissions.scopes import other_words, parse_scopes
from resolvers.cache import MemoryCache
from resolvers.cursor import Cursors
from resolvers.federation import Federation
from resolvers.linking import Linking
from resolvers.ordering import ordering_of
from resolvers.person import PersonKey
from resolvers.upstreams.registry import open_upstreams
from resolvers.upstreams.settings import UpstreamSettings
from resolvers.upstreams.transport import Request, Response
from resolvers.upstreams.wiring import Wiring
from schema.build import DEFAULT_RESOURCES, BuiltSchema, build_schema
from schema.cost import SourceCounts

DOCUMENTS: Final = 80
WARM: Final = 20
"""Documents before the first that counts."""
USES: Final = 4
BASE: Final = "http://source.example/fhir"
MOMENT: Final = "2026-10-30T09:15:00Z"
SCOPES: Final = "system/*.rs"
PARSED: Final = "parse and validation (graphql-core)"
FIRST_USE: Final = "first use: what is made for it alone"
STAGES: Final = {
    PARSED: None,
    "limits": None,
    "formula": None,
    "plan": None,
    "rulings": None,
    FIRST_USE: None,
    "plan + formula": 0.005,
    "plan + formula + rulings + first use": None,
    "all of it": 0.030,
}

_Made = TypeVar("_Made")


def work() -> float:
    """Seconds of a fixed piece of work: of the interpreter, with small objects."""
    began = time.process_time_ns()
    for _ in range(3):
        found: dict[str, tuple[int, str]] = {}
        for number in range(2_000):
            name = str(number)
            found[name] = (number, name)
    return (time.process_time_ns() - began) / 1e9


class Clock:
    """Notes seconds by stage, with how fast the machine was beside them."""

    def __init__(self) -> None:
        self._noted: list[dict[str, float]] = []
        self._speeds: list[float] = []
        self._began = 0.0

    def document(self) -> None:
        """What follows is of the next document."""
        self._noted.append(defaultdict(float))
        self._began = work()

    def of(self, stage: str, step: Callable[[], _Made]) -> _Made:
        """What a step makes, with its time noted."""
        began = time.process_time_ns()
        made = step()
        self._noted[-1][stage] += (time.process_time_ns() - began) / 1e9
        return made

    def note(self, stage: str, seconds: float) -> None:
        self._noted[-1][stage] += seconds

    def end(self) -> None:
        """The document is over."""
        self._speeds.append((self._began + work()) / 2)
        noted = self._noted[-1]
        noted["plan + formula"] = noted["plan"] + noted["formula"]
        made = noted["plan + formula"] + noted["rulings"] + noted[FIRST_USE]
        noted["plan + formula + rulings + first use"] = made
        noted["all of it"] = made + noted["limits"] + noted[PARSED]

    def told(self) -> None:
        best = min(self._speeds)
        noted = list(zip(self._noted, self._speeds, strict=True))[WARM:]
        print(f"{'milliseconds':40} {'median':>8} {'p90':>8}   {'as taken':>8}")
        for stage, budget_s in STAGES.items():
            taken = [one[stage] * 1e3 for one, _ in noted]
            quiet = [one[stage] * 1e3 * best / speed for one, speed in noted]
            within = f"   budget {budget_s * 1e3:g}" if budget_s else ""
            print(
                f"{stage:40} {median(quiet):8.2f} {quantiles(quiet, n=10)[-1]:8.2f}   "
                f"{median(taken):8.2f}{within}"
            )
        print(f"the machine was {median(self._speeds) / best:.2f} times as slow as at its best")


class OneOfEach:
    """A transport to a source with one patient, and one row of each type."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def send(self, request: Request, deadline: float) -> Response:
        await asyncio.sleep(0)
        path = request.url.removeprefix(BASE).lstrip("/")
        if not path.split("?")[0]:
            asked = msgspec.json.decode(request.body or b"")["entry"]
            answers = [
                {"resource": self._answer(one["request"]["url"]), "response": {"status": "200"}}
                for one in asked
            ]
            bundle = {"resourceType": "Bundle", "type": "batch-response", "entry": answers}
            return Response(200, {}, msgspec.json.encode(bundle))
        return Response(200, {}, msgspec.json.encode(self._answer(path)))

    def _answer(self, path: str) -> Any:
        kind, _, rest = path.split("?")[0].partition("/")
        if kind == "metadata":
            return _statement()
        row = self._row(kind)
        if rest not in ("", "_search"):
            return row
        return {"resourceType": "Bundle", "type": "searchset", "total": 1, "entry": [{"resource": row}]}

    def _row(self, kind: str) -> Any:
        """A row with a date in the plain way, so that it is read the short way where its type can be."""
        fields = cast(GraphQLObjectType, self._schema.type_map[kind]).fields
        row: dict[str, Any] = {"resourceType": kind, "id": "1"}
        about = {"reference": "Patient/1"}
        if kind == "Appointment":
            row["participant"] = [{"actor": about}]
        elif (subject := subject_element(kind)) is not None:
            row[subject] = [about] if isinstance(fields[subject].type, GraphQLList) else about
        dated = ordering_of(kind, None).date_element
        if dated is not None and dated.endswith("eriod"):
            row[dated] = {"start": MOMENT}
        elif dated is not None:
            row[dated if dated in fields else f"{dated}DateTime"] = MOMENT
        return row


def _statement() -> Any:
    types = [
        {
            "type": kind,
            "interaction": [{"code": "read"}, {"code": "search-type"}],
            "searchParam": [
                {"name": "_sort", "type": "string"},
                *({"name": name, "type": one.type} for name, one in parameters(kind).items()),
            ],
        }
        for kind in DEFAULT_RESOURCES
        if kind == "Patient" or patient_parameter(kind) is not None
    ]
    return capability_statement(types)


class Deployment:
    """A gateway's parts over one source, and a caller who may read everything."""

    def __init__(self, built: BuiltSchema) -> None:
        self.schema = built.graphql
        self.weights = Weights(self.schema)
        self.preparation = Preparation(self.schema, GENEROUS, True, self.weights)
        self.executor = CompiledExecutor(self.schema, built.rules)
        self.denials = Denials(self.schema, built.rules)
        wiring = Wiring({}.get, transport=lambda _: OneOfEach(self.schema))  # type: ignore[arg-type]
        settings = UpstreamSettings.model_validate({"name": "a", "kind": "fhir", "base_url": BASE})
        cache = MemoryCache()
        self.federation = Federation(
            open_upstreams([settings], wiring),
            Linking(systems=(), trusted_sources=frozenset({"a"}), key=PersonKey(b"k" * 64)),
            Cursors(b"c" * 32, cache),
            cache,
            frozenset(DEFAULT_RESOURCES),
        )
        self.principal = Principal("i", "c", "s", parse_scopes(SCOPES), other_words(SCOPES))
        self.permissions = Decisions(built.rules).of(self.principal)

    async def use(self, prepared: PreparedDocument) -> float:
        """Seconds of processor time of an execution."""
        context = self.federation.open(self.principal, self.permissions, deadline_s=30, request_id="r")
        began = time.process_time_ns()
        result = await self.executor.run(prepared, {}, context)
        msgspec.json.encode(result.data)
        spent = (time.process_time_ns() - began) / 1e9
        context.close()
        if result.errors:
            raise SystemExit(f"no whole answer: {result.errors[0].message}")
        return spent


async def measure(deployment: Deployment, text: str, clock: Clock) -> None:
    """All stages of one document."""
    preparation = deployment.preparation
    clock.document()
    parsed = clock.of(
        PARSED,
        lambda: (document := parse(text), validate(preparation.schema, document))[0],
    )
    operation = chosen_operation(parsed, None)
    clock.of(
        "limits",
        lambda: (check_text(text, GENEROUS), check_operation(parsed, operation, GENEROUS)),
    )
    prepared = preparation.prepare(text, None, "")
    clock.of("formula", lambda: analyse(deployment.weights, prepared.operation, prepared.fragments))
    clock.of("rulings", lambda: deployment.denials.ruled(prepared))
    key = ((), frozenset[str]())
    prepared.plans[key] = clock.of("plan", lambda: deployment.executor._compile(prepared, key))
    first = await deployment.use(prepared)
    again = min([await deployment.use(prepared) for _ in range(USES)])
    clock.note(FIRST_USE, first - again)
    clock.end()


async def run(deployment: Deployment) -> None:
    clock = Clock()
    for seed in range(WARM + DOCUMENTS):
        await measure(deployment, NewDocument(deployment.schema, seed).text(), clock)
    clock.told()


def main() -> None:
    built = build_schema(
        DEFAULT_RESOURCES, None, SourceCounts(SOURCES, dict.fromkeys(DEFAULT_RESOURCES, SOURCES))
    )
    deployment = Deployment(built)
    gc.collect()
    gc.freeze()  # as the gateway does at its start
    gc.set_threshold(*COLLECT_AFTER)
    asyncio.run(run(deployment))


if __name__ == "__main__":
    main()
