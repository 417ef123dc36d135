"""Sources that give a patient's record whole, without searching: what they give, and the Protocol of a kind.

Such a kind says how to fetch; `record_upstream` does the rest (filters, order, pages, reads by id).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from clinical.identifiers import Token
from resolvers.resource import Json, Location
from resolvers.upstreams.errors import UpstreamError
from resolvers.upstreams.upstream import Call

Rows = Mapping[tuple[str, str], Json]
"""Resources by type and id."""


@dataclass(frozen=True, slots=True)
class Record:
    """Resources of one patient, and of nobody else. `problems`: what makes them less than whole, safe to
    show."""

    rows: Rows = field(default_factory=dict)
    problems: tuple[str, ...] = ()


class RecordSource(Protocol):
    """One source whose answers are whole records.

    Ids of resources say, or lead to, whose they are: a read by id then knows whom to ask for.
    """

    name: str
    types: frozenset[str]
    links_by_table: bool
    location: Location

    async def start(self) -> None:
        """Opens what the source needs."""

    async def close(self) -> None:
        """Ends what `start` opened."""

    async def probe(self, call: Call) -> UpstreamError | None:
        """Whether the source answers now: None, or what is wrong."""

    async def owner(self, resource_type: str, own_id: str) -> str | None:
        """The id of the patient in whose record a resource would be; None where there can be none."""

    def part(self, resource_type: str) -> str:
        """The part of a record in which resources of a type are: what is fetched by one `fetch`."""

    async def fetch(self, patient: str, part: str, call: Call) -> Record:
        """A part of a patient's record, empty for a patient that the source does not know. Raises
        UpstreamError."""

    def patients(self) -> frozenset[str] | None:
        """Every patient, where that can be said without asking; else None, and nobody can list them."""

    async def patients_of(self, identifier: Token, call: Call) -> tuple[str, ...]:
        """The ids of the patients who have an identifier. Raises UpstreamError."""
