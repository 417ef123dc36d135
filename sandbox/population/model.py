"""What a population is: people, the records that each source holds of them, and their practices."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

Resource = dict[str, Any]
"""A FHIR R4 resource as plain JSON values; decimals are `Decimal`, so that their digits survive."""

REFERENCE_DATE = date(2026, 11, 1)
"""The population's today. Nothing in it looks at the clock."""

EHR_BASE = "https://ehr.sandbox.invalid/fhir"
"""Stands for the hospital server's base URL in absolute references; the server puts its own in place."""


@dataclass(frozen=True, slots=True)
class Practice:
    """A general practice: one location of the `gp` source by ODS code, with its own key and link style."""

    organization: str
    name: str
    key: str
    next_link: str
    city: str
    postcode: str
    phone: str

    @property
    def path(self) -> str:
        """The base path under the `gp` origin."""
        return f"/{self.organization}/fhir"


@dataclass(frozen=True, slots=True)
class Person:
    """One person. `nhs_number` is None where none is recorded or the recorded one fails its check digit;
    `sources` maps a source's name to the local reference, such as `{"ehr": "Patient/1004"}`; `practice` is
    the ODS code of the practice that holds the `gp` record; `traits` are words of cast.tsv, for tests."""

    index: int
    nhs_number: str | None
    sources: Mapping[str, str]
    practice: str | None
    traits: frozenset[str]


@dataclass(frozen=True, slots=True)
class Account:
    """A wearable vendor's user: rows in the shapes that its API documents, oldest first."""

    user_id: str
    token: str
    nhs_number: str
    timezone: str
    measuregrps: list[dict[str, Any]]
    activities: list[dict[str, Any]]
    sleep: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Population:
    """Everything the sandbox sources hold: `ehr[type]`, `gp[ods][type]`, `wearable[user_id]`."""

    people: tuple[Person, ...]
    practices: tuple[Practice, ...]
    ehr: dict[str, list[Resource]] = field(default_factory=dict)
    gp: dict[str, dict[str, list[Resource]]] = field(default_factory=dict)
    wearable: dict[str, Account] = field(default_factory=dict)
