"""Which vendor account is whose: a table that somebody vouches for, never a guess by name."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from clinical.codec import JsonInvalid, decode_json
from clinical.identifiers import Token


@dataclass(frozen=True, slots=True)
class Link:
    """The account `patient` of `source` belongs to the person with this identifier."""

    source: str
    patient: str
    system: str
    value: str


class LinksInvalid(ValueError):
    """A link table that cannot be trusted: a line without its four texts, or an account of two people."""


class LinkTable:
    """Links, looked up from either side.

    `account_systems`: by source, the identifier system in which other sources' Patients name its accounts.
    An account is then found by such an identifier too, and states it of itself; who states it, links.
    """

    def __init__(self, links: Iterable[Link] = (), account_systems: Mapping[str, str] | None = None) -> None:
        self._account_systems = account_systems or {}
        self._patients: dict[tuple[str, str, str], list[str]] = defaultdict(list)
        self._identifiers: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
        for link in links:
            self._add(link)

    def patients(self, source: str, token: Token) -> tuple[str, ...]:
        """The accounts of a source that belong to the person with this identifier, in the table's order."""
        if not token.system or not token.code:
            return ()
        if token.system == self._account_systems.get(source):
            return (token.code,)
        return tuple(self._patients.get((source, token.system, token.code), ()))

    def identifiers(self, source: str, patient: str) -> tuple[Token, ...]:
        """The identifiers of the person whose account this is; empty where nobody can know it."""
        system = self._account_systems.get(source)
        own = (Token(system, patient),) if system is not None else ()
        return (*(Token(*pair) for pair in self._identifiers.get((source, patient), {}).items()), *own)

    def accounts(self, source: str) -> tuple[str, ...]:
        """Every linked account of a source, sorted."""
        return tuple(sorted(patient for name, patient in self._identifiers if name == source))

    def _add(self, link: Link) -> None:
        known = self._identifiers[link.source, link.patient]
        if known.setdefault(link.system, link.value) != link.value:
            raise LinksInvalid(f"an account of {link.source!r} is linked to two people")
        accounts = self._patients[link.source, link.system, link.value]
        if link.patient not in accounts:
            accounts.append(link.patient)


def read_links(path: Path, account_systems: Mapping[str, str] | None = None) -> LinkTable:
    """The table in a file of JSON lines `{"source", "patient", "system", "value"}`. Raises LinksInvalid and
    OSError."""
    lines = path.read_text("utf-8").splitlines()
    links = (_link(number, line) for number, line in enumerate(lines, 1) if line.strip())
    return LinkTable(links, account_systems)


def _link(number: int, line: str) -> Link:
    try:
        row = decode_json(line)
    except JsonInvalid as problem:
        raise LinksInvalid(f"line {number} of the link table is not JSON") from problem
    names = ("source", "patient", "system", "value")
    if (
        not isinstance(row, dict)
        or set(row) != set(names)
        or not all(isinstance(row[name], str) and row[name] for name in names)
    ):
        raise LinksInvalid(f"line {number} of the link table needs the texts {', '.join(names)}, and no more")
    return Link(*(row[name] for name in names))
