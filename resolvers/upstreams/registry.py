"""The kinds of sources: ours by a table, other packages' by entry point."""

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import entry_points
from typing import Final, cast

from resolvers.upstreams.document import open_document
from resolvers.upstreams.fhir import open_fhir
from resolvers.upstreams.laboratory import open_laboratory
from resolvers.upstreams.practice import open_practice
from resolvers.upstreams.settings import UpstreamSettings
from resolvers.upstreams.upstream import Upstream
from resolvers.upstreams.wearable import open_wearable
from resolvers.upstreams.wiring import Wiring

ENTRY_POINTS: Final = "clinical_gateway.upstreams"

Factory = Callable[[UpstreamSettings, Wiring], Upstream]
"""Builds one source; opens nothing. Raises ValueError with a sentence for the operator."""

KINDS: Final[Mapping[str, Factory]] = {
    "fhir": open_fhir,
    "fhir-document": open_document,
    "laboratory": open_laboratory,
    "practice": open_practice,
    "wearable": open_wearable,
}


class UpstreamInvalid(ValueError):
    """The settings of a source do not fit together, or name a kind that nobody provides."""


def open_upstreams(settings: Sequence[UpstreamSettings], wiring: Wiring) -> list[Upstream]:
    """The configured sources in order; nothing is asked of them yet (`Upstream.start` does). Raises
    UpstreamInvalid."""
    names = [one.name for one in settings]
    if twice := {name for name in names if names.count(name) > 1}:
        raise UpstreamInvalid(f"two upstreams are named {min(twice)!r}")
    return [_open(one, wiring) for one in settings]


def _open(settings: UpstreamSettings, wiring: Wiring) -> Upstream:
    try:
        return _factory(settings)(settings, wiring)
    except UpstreamInvalid:
        raise
    except ValueError as problem:
        raise UpstreamInvalid(f"upstream {settings.name!r}: {problem}") from problem


def _factory(settings: UpstreamSettings) -> Factory:
    if found := KINDS.get(settings.kind):
        return found
    provided = {entry.name: entry for entry in entry_points(group=ENTRY_POINTS)}
    if entry := provided.get(settings.kind):
        return cast(Factory, entry.load())
    known = ", ".join(sorted({*KINDS, *provided}))
    raise UpstreamInvalid(
        f"upstream {settings.name!r} is of kind {settings.kind!r}, which is not known; known kinds: {known}"
    )
