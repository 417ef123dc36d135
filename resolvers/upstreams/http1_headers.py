"""The headers of an HTTP/1.1 answer."""

from collections.abc import Iterator, Mapping, Sequence


class Headers(Mapping[str, str]):
    """Looked up without regard to case; the first of several of a name. Decoded only when somebody looks."""

    __slots__ = ("_by_name", "_raw")

    def __init__(self, raw: Sequence[tuple[bytes, bytes]]) -> None:
        self._raw = raw
        self._by_name: dict[str, str] | None = None

    def __getitem__(self, name: str) -> str:
        return self._known()[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known())

    def __len__(self) -> int:
        return len(self._known())

    def _known(self) -> dict[str, str]:
        known = self._by_name
        if known is None:
            known = self._by_name = {}
            for name, value in self._raw:
                known.setdefault(name.decode("latin-1").lower(), value.decode("latin-1").strip())
        return known
