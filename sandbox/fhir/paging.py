"""Next links. Opaque ones seal the query and the place in it, and expire (R4 http.html 3.1.0.1.10)."""

import time
from dataclasses import dataclass, field
from urllib.parse import urlencode

import msgspec
from cryptography.fernet import Fernet, InvalidToken

from sandbox.fhir.outcome import RequestRefused
from sandbox.fhir.profile import Profile
from sandbox.fhir.query import Pairs, Query

SEALED = "_getpages"
CURSOR = "cursor"
OFFSET = "_offset"


class Page(msgspec.Struct, frozen=True, array_like=True):
    """A place in a search: the query's pairs and how many matches came before."""

    resource_type: str
    pairs: Pairs
    offset: int
    is_strict: bool


@dataclass(frozen=True, slots=True)
class Pager:
    """Writes and reads the next links of one server. The key lives as long as the process."""

    base_url: str
    profile: Profile
    ttl_s: int = 300
    _seal: Fernet = field(default_factory=lambda: Fernet(Fernet.generate_key()))

    def next_link(self, query: Query, offset: int, is_strict: bool) -> str:
        """The link to the matches from `offset` on, in this server's form."""
        if self.profile.next_link == "relative":
            return f"{query.resource_type}?{urlencode([*query.pairs, (OFFSET, str(offset))])}"
        page = Page(query.resource_type, query.pairs, offset, is_strict)
        text = self._seal.encrypt(msgspec.json.encode(page)).decode()
        if self.profile.next_link == "absolute":
            return f"{self.base_url}/{query.resource_type}?{CURSOR}={text}"
        return f"{self.base_url}?{SEALED}={text}"

    def open(self, text: str) -> Page:
        """The page behind an opaque link. Raises RequestRefused: 400 if forged, 410 if expired."""
        try:
            page = msgspec.json.decode(self._seal.decrypt(text.encode()), type=Page)
        except (InvalidToken, msgspec.DecodeError) as problem:
            raise RequestRefused(400, "invalid", "no such page") from problem
        if time.time() - self._seal.extract_timestamp(text.encode()) > self.ttl_s:
            raise RequestRefused(410, "expired", "this page has expired; search again")
        return page
