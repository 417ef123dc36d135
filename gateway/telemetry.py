"""Spans: one name for each stage of a request. Free unless configured.

A span holds names, counts and times, never an argument or a value: those may be a patient's.
"""

import pkgutil
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import wraps
from pathlib import Path
from typing import Final, Literal, ParamSpec, Protocol, TypeVar

from opentelemetry.trace import (
    NoOpTracerProvider,
    Span,
    Status,
    StatusCode,
    Tracer,
    TracerProvider,
    get_current_span,
)
from pydantic import BaseModel, ConfigDict

NAME: Final = "clinical-gateway"
EXPORT: Final = "gateway.telemetry_export:open_provider"

_NOTHING: Final = nullcontext()

Given = ParamSpec("Given")
Made = TypeVar("Made")


class TelemetrySettings(BaseModel):
    """The `[telemetry]` table. `otlp-file` appends OTLP JSON lines to `path`, for a collector to pick up."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    exporter: Literal["none", "console", "otlp-file"] = "none"
    path: Path | None = None


class _Ending(Protocol):
    def shutdown(self) -> None: ...


class Telemetry:
    """The tracers of this process."""

    def __init__(self, provider: TracerProvider, ending: _Ending | None = None) -> None:
        self._provider = provider
        self._ending = ending
        self._stages = self.tracer("stages")

    def tracer(self, part: str) -> Tracer:
        """The tracer of one part of the gateway."""
        return self._provider.get_tracer(f"{NAME}.{part}")

    def stage(self, name: str, **attributes: str) -> AbstractContextManager[None]:
        """The span of one stage. An exception's type is recorded; its message is not."""
        return _NOTHING if self._ending is None else self._span(name, attributes)

    @property
    def is_on(self) -> bool:
        """Whether there are spans: then no stage may be passed over."""
        return self._ending is not None

    def spanned(self, name: str, work: Callable[Given, Made]) -> Callable[Given, Made]:
        """The same as `staged` of work that never waits."""
        if self._ending is None:
            return work

        @wraps(work)
        def spanned(*given: Given.args, **named: Given.kwargs) -> Made:
            with self.stage(name):
                return work(*given, **named)

        return spanned

    def staged(
        self,
        name: str,
        work: Callable[Given, Awaitable[Made]],
        attributes: Callable[Given, Mapping[str, str]] | None = None,
    ) -> Callable[Given, Awaitable[Made]]:
        """The work of one stage, in its span each time; where there are no spans, the work itself.
        `attributes` are told of what the work is given."""
        if self._ending is None:
            return work

        @wraps(work)
        async def within(*given: Given.args, **named: Given.kwargs) -> Made:
            with self._span(name, attributes(*given, **named) if attributes is not None else {}):
                return await work(*given, **named)

        return within

    @contextmanager
    def _span(self, name: str, attributes: Mapping[str, str]) -> Iterator[None]:
        with self._stages.start_as_current_span(
            name, attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield
            except BaseException as problem:
                _mark(span, problem)
                raise

    def failed(self, problem: BaseException) -> None:
        """Marks the span that is open: its work ends well, though by telling of this problem."""
        if self._ending is not None:
            _mark(get_current_span(), problem)

    def close(self) -> None:
        """Sends what is not sent yet."""
        if self._ending is not None:
            self._ending.shutdown()


def _mark(span: Span, problem: BaseException) -> None:
    span.set_status(Status(StatusCode.ERROR))
    span.set_attribute("error.type", type(problem).__name__)


def open_telemetry(settings: TelemetrySettings) -> Telemetry:
    """The configured telemetry; the SDK is loaded only where it is used."""
    if settings.exporter == "none":
        return Telemetry(NoOpTracerProvider())
    provider = pkgutil.resolve_name(EXPORT)(settings.exporter, settings.path, NAME)
    return Telemetry(provider, provider)
