"""Who is who in a generated population, told in a way that shares no code with the gateway.

One linking system. Dates are texts: one agrees with another where either begins with the other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.resolvers.asking import NHS, observation

SOURCES = ("a", "b", "c")
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"


@dataclass(frozen=True)
class Rec:
    """One Patient record. `numbers`: those that count; `dead`: those that do not; `by`: its replacement."""

    source: str
    id: str
    numbers: tuple[str, ...] = ()
    dead: tuple[tuple[str, str], ...] = ()
    born: str | None = None
    by: str | None = None
    inactive: bool = False
    restricted: bool = False
    phone: str | None = None

    @property
    def name(self) -> str:
        return f"{self.source}/Patient/{self.id}"

    def patient(self, *replaced: str) -> dict[str, Any]:
        """As FHIR; `replaced`: the ids of the records of which it says that it has replaced them."""
        entries: list[dict[str, Any]] = [{"system": NHS, "value": one} for one in self.numbers]
        for value, why in self.dead:
            more = {"old": {"use": "old"}, "ended": {"period": {"end": "2001"}}, "wrong": {}}[why]
            entries.append({"system": NHS, "value": f"{value[:9]}X" if why == "wrong" else value, **more})
        made: dict[str, Any] = {"resourceType": "Patient", "id": self.id, "identifier": entries}
        if self.born:
            made["birthDate"] = self.born
        if self.by:
            made["link"] = [{"type": "replaced-by", "other": {"reference": f"Patient/{self.by}"}}]
        if replaced:
            others = [{"type": "replaces", "other": {"reference": f"Patient/{one}"}} for one in replaced]
            made["link"] = [*made.get("link", ()), *others]
        if self.inactive:
            made["active"] = False
        if self.restricted:
            made["meta"] = {"security": [{"system": CONFIDENTIALITY, "code": "R"}]}
        if self.phone:
            made["telecom"] = [{"value": self.phone}]
        return made

    def rows(self) -> list[dict[str, Any]]:
        return [observation(f"o-{self.id}", self.id, "2020-01-01")]


@dataclass
class Oracle:
    """Knows every record; `down` are the sources that do not answer."""

    records: list[Rec]
    down: frozenset[str] = frozenset()
    up: list[Rec] = field(init=False)

    def __post_init__(self) -> None:
        order = sorted(self.records, key=lambda r: (SOURCES.index(r.source), r.inactive, r.id))
        self.up = [one for one in order if one.source not in self.down]

    def heir(self, record: Rec) -> Rec | None:
        """What is used in the place of a replaced record."""
        seen = {record.id}
        for _ in range(5):
            found = [one for one in self.up if (one.source, one.id) == (record.source, record.by)]
            if not found or found[0].id in seen:
                return None
            record = found[0]
            if record.by is None:
                return record
            seen.add(record.id)
        return None

    def group(self, number: str) -> list[Rec]:
        """Those who are linked by a number."""
        taken: list[Rec] = []
        for one in self.up:
            if one.by is None and set(one.numbers) == {number} and all(agree(one, other) for other in taken):
                taken.append(one)
        return taken

    def of_record(self, record: Rec) -> set[str] | None:
        """The names of the records of a record's person; None: unknown while its source is down."""
        if record.source in self.down:
            return None
        if record.by is not None:
            heir = self.heir(record)
            return {record.name} if heir is None else self.of_record(heir)
        if len(set(record.numbers)) != 1:
            return {record.name}
        group = self.group(record.numbers[0])
        return {one.name for one in group} if record in group else {record.name}

    def of_number(self, number: str) -> set[str] | None:
        """The same by number; empty: nobody."""
        if group := self.group(number):
            return {one.name for one in group}
        if self.down:
            return None
        heirs = [heir for one in self.up if one.by and number in one.numbers and (heir := self.heir(one))]
        people = {frozenset(self.of_record(one) or ()) for one in heirs}
        return set(next(iter(people))) if len(people) == 1 else set()

    def about(self, names: Iterable[str]) -> set[str]:
        """The records that resources of a person may be about: also replaced ones."""
        own = set(names)
        heirs = {one.name: heir.name for one in self.up if one.by and (heir := self.heir(one)) is not None}
        return own | {name for name, heir in heirs.items() if heir in own}

    def may_withhold(self, names: Iterable[str]) -> bool:
        """Whether a record of these, or one that shares a number with them, is restricted."""
        own = [one for one in self.records if one.name in set(names)]
        numbers = {number for one in own for number in one.numbers}
        return any(one.restricted and (one in own or numbers & set(one.numbers)) for one in self.records)


def agree(one: Rec, other: Rec) -> bool:
    if one.born is None or other.born is None:
        return True
    return one.born.startswith(other.born) or other.born.startswith(one.born)
