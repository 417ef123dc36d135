"""What a request gave out, added up: whose records, of which type, from which source, how many."""

from collections.abc import Iterator

import msgspec


class Disclosure(msgspec.Struct, frozen=True, gc=False):
    """So many records of one type, of one person, from one source, given out in one request."""

    patient: str | None
    """The gateway's own person id; None for what is nobody's (a Practitioner, an Organization)."""
    type: str
    source: str
    count: int


class Disclosures(msgspec.Struct):
    """Counts the records that a request gives out. Called for every row, so it only adds up."""

    _counts: dict[tuple[str | None, str, str], int] = {}

    def note(self, patient: str | None, type_: str, source: str, count: int = 1) -> None:
        """Adds records that are given out. `patient` is the gateway's person id, None for nobody's."""
        counts = self._counts
        key = (patient, type_, source)
        counts[key] = counts.get(key, 0) + count

    @property
    def total(self) -> int:
        """How many records there are so far."""
        return sum(self._counts.values())

    def rows(self) -> list[Disclosure]:
        """By patient (nobody's first), type and source; none where nothing was given out."""
        counts = self._counts
        if not counts:
            return []
        try:
            keys = sorted(counts)  # raises TypeError at a None
        except TypeError:
            keys = sorted(counts, key=_place)
        return [Disclosure(*key, counts[key]) for key in keys if counts[key]]

    def __iter__(self) -> Iterator[Disclosure]:
        """The rows."""
        return iter(self.rows())


def _place(key: tuple[str | None, str, str]) -> tuple[str, str, str]:
    return key[0] or "", key[1], key[2]
