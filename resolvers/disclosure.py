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

    total: int = 0
    """How many records there are so far."""
    _counts: dict[tuple[str | None, str, str], int] = {}

    def note(self, patient: str | None, type_: str, source: str, count: int = 1) -> None:
        """Adds records that are given out. `patient` is the gateway's person id, None for nobody's."""
        counts = self._counts
        key = (patient, type_, source)
        counts[key] = counts.get(key, 0) + count
        self.total += count

    def rows(self) -> list[Disclosure]:
        """By patient (nobody's first), type and source; none where nothing was given out."""
        try:
            counted = sorted(self._counts.items())  # raises TypeError at a None
        except TypeError:
            counted = sorted(self._counts.items(), key=_place)
        rows = []
        for key, count in counted:
            if count:
                rows.append(Disclosure(*key, count))  # a comprehension is one more function in each request
        return rows

    def __iter__(self) -> Iterator[Disclosure]:
        """The rows."""
        return iter(self.rows())


def _place(counted: tuple[tuple[str | None, str, str], int]) -> tuple[str, str, str]:
    patient, type_, source = counted[0]
    return patient or "", type_, source
