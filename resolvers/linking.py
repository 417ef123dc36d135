"""Which identifier links a record to a person: of a configured system, verified, from a trusted source."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from clinical.identifiers import NHS_NUMBER_SYSTEM, Token, is_nhs_number
from resolvers.person import PersonKey
from resolvers.resource import Resource
from resolvers.upstreams.upstream import Upstream

_VERIFIED: Mapping[str, Callable[[str], bool]] = {NHS_NUMBER_SYSTEM: is_nhs_number}
"""Identifier systems with a check of their own; values that fail it never link."""


@dataclass(frozen=True, slots=True)
class Linking:
    """How a deployment links: identifier systems, and the sources trusted to state them."""

    systems: tuple[str, ...]
    trusted_sources: frozenset[str]
    key: PersonKey


class Links:
    """The linking identifiers of records, each verified once in a request.

    A vendor's account is linked by a reviewed table, which is trusted as such.
    """

    def __init__(self, linking: Linking, upstreams: Mapping[str, Upstream]) -> None:
        self._systems = linking.systems
        by_table = {name for name, one in upstreams.items() if one.links_by_table}
        self._trusted = linking.trusted_sources | by_table
        self._known: dict[tuple[str, str], Token | None] = {}

    def links(self, identifier: Token) -> bool:
        """Whether the identifier can link at all."""
        system, code = identifier.system, identifier.code
        return system in self._systems and self._verified(system or "", code or "") == identifier

    def identifier_of(self, record: Resource) -> Token | None:
        """The verified identifier by which a record links, if a trusted source states one."""
        entries = record.json.get("identifier")
        if type(entries) is not list or record.source not in self._trusted:
            return None
        systems, known = self._systems, self._known
        for entry in entries:
            if type(entry) is not dict or entry.get("use") == "old":
                continue
            system, value = entry.get("system"), entry.get("value")
            if system in systems and type(value) is str:
                key = (system, value)
                token = known[key] if key in known else self._verified(system, value)
                if token is not None:
                    return token
        return None

    def _verified(self, system: str, value: str) -> Token | None:
        """The token of an identifier as stated; None where the value fails its system's check."""
        code, check = value.replace(" ", ""), _VERIFIED.get(system, bool)
        token = Token(system, code) if check(code) else None
        self._known[system, value] = token
        return token
