"""The accounts of a vendor's API, where nothing but the reviewed link table says whose they are."""

import re
from dataclasses import dataclass
from typing import Final

from clinical.identifiers import Token
from resolvers.resource import Json
from resolvers.upstreams.links import LinkTable

_ACCOUNT: Final = re.compile(r"[A-Za-z0-9-]{1,40}")


@dataclass(frozen=True, slots=True)
class LinkedAccounts:
    """The linked accounts of one source. An account that could not stand in an id is as good as none."""

    source: str
    links: LinkTable

    def all(self) -> frozenset[str]:
        """Every account that the table links."""
        return frozenset(one for one in self.links.accounts(self.source) if _ACCOUNT.fullmatch(one))

    def of(self, identifier: Token) -> tuple[str, ...]:
        """The accounts of the person with an identifier."""
        return tuple(one for one in self.links.patients(self.source, identifier) if _ACCOUNT.fullmatch(one))

    def identifiers(self, account: str) -> list[Json]:
        """The identifiers of an account's person, as elements of a Patient."""
        stated = self.links.identifiers(self.source, account)
        return [{"system": token.system, "value": token.code} for token in stated]

    def patient(self, account: str) -> Json:
        """An account as a Patient. Only the table says who it is; the vendor does not."""
        return {
            "resourceType": "Patient",
            "id": account,
            "active": True,
            "identifier": self.identifiers(account),
        }
