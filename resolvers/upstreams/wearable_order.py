"""The order of mapped resources, and places in it."""

from collections.abc import Iterable
from dataclasses import dataclass

from resolvers.resource import Json
from resolvers.upstreams.errors import PageExpired, SearchNotSupported
from resolvers.upstreams.upstream import Search
from resolvers.upstreams.wearable_filters import began


@dataclass(frozen=True, slots=True)
class Order:
    """By date (1 oldest first, -1 newest first, 0 not at all), then by id (1 or -1)."""

    by_date: int
    by_id: int

    def sorted(self, rows: Iterable[Json]) -> list[Json]:
        """The rows in this order."""
        by_id = sorted(rows, key=_own_id, reverse=self.by_id < 0)
        return sorted(by_id, key=self._seconds)

    def mark(self, row: Json) -> str:
        """The row's place, as the mark of the page that follows it."""
        return f"{self._seconds(row)}.{row['id']}"

    def is_after(self, row: Json, mark: "Mark | None") -> bool:
        """Whether the row comes after a place."""
        if mark is None:
            return True
        seconds = self._seconds(row)
        if seconds != mark.seconds:
            return seconds > mark.seconds
        own_id = _own_id(row)
        return own_id != mark.id and (own_id > mark.id) == (self.by_id > 0)

    def _seconds(self, row: Json) -> int:
        return self.by_date * int(began(row).timestamp()) if self.by_date else 0


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a page ended: the seconds by which `Order` sorts, and the id."""

    seconds: int
    id: str


def order_of(source: str, search: Search) -> Order:
    """The order asked for: by date and id, of which only Observations have the first. Raises
    SearchNotSupported."""
    has_dates = search.type == "Observation"
    codes = [term.removeprefix("-") for term in search.sort]
    signs = dict(zip(codes, (-1 if term.startswith("-") else 1 for term in search.sort), strict=True))
    if not signs.keys() <= ({"date", "_id"} if has_dates else {"_id"}):
        raise SearchNotSupported(source, f"{source} does not sort by this.")
    by_id = signs.get("_id", 1)
    if codes[:1] == ["_id"]:
        return Order(0, by_id)
    return Order(signs.get("date", -1) if has_dates else 0, by_id)


def mark_of(source: str, page: str | None) -> Mark | None:
    """The place that a page's mark names. Raises PageExpired for a text that is no mark."""
    if page is None:
        return None
    seconds, _, own_id = page.partition(".")
    try:
        if own_id:
            return Mark(int(seconds), own_id)
    except ValueError:
        pass
    raise PageExpired(source, f"{source} does not know this page.")


def _own_id(row: Json) -> str:
    return str(row["id"])
