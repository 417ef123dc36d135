"""The vendor's users that the gateway may ask about, and whom the link table says they are."""

from dataclasses import dataclass
from datetime import UTC, datetime

from clinical.identifiers import Token
from resolvers.resource import Json, Location, Resource
from resolvers.upstreams.credentials import GrantsCredential
from resolvers.upstreams.errors import SearchNotSupported
from resolvers.upstreams.links import LinkTable
from resolvers.upstreams.upstream import Search
from resolvers.upstreams.wearable_filters import patients_asked
from resolvers.upstreams.wearable_mapping import patient


@dataclass(frozen=True, slots=True)
class Accounts:
    """The users of one source. `walk_max`: how many may be asked for a question that names none."""

    source: str
    location: Location
    links: LinkTable
    grants: GrantsCredential
    walk_max: int

    def users(self) -> frozenset[str]:
        """Everyone who is linked or granted access."""
        return frozenset(self.grants.users) | frozenset(self.links.accounts(self.source))

    def asked(self, search: Search) -> frozenset[str]:
        """The users whose rows can answer a search. Raises SearchNotSupported where those would be many."""
        named = patients_asked(search)
        if named is not None:
            return named & self.users()
        if not self.are_few:
            raise SearchNotSupported(self.source, f"{self.source} can be searched for one patient only.")
        return frozenset(self.grants.users)

    @property
    def are_few(self) -> bool:
        """Whether everybody may be asked for a question that names nobody."""
        return len(self.grants.users) <= self.walk_max

    def patients_of(self, token: Token) -> tuple[Resource, ...]:
        """The Patients of the accounts that belong to the person with this identifier."""
        return tuple(self.patient(user) for user in self.links.patients(self.source, token))

    def patient(self, user: str) -> Resource:
        """A user as a Patient."""
        return self.resource(patient(user, self.links.identifiers(self.source, user)), datetime.now(UTC))

    def resource(self, json: Json, retrieved_at: datetime) -> Resource:
        """A mapped resource with where it came from."""
        return Resource(self.source, self.location, json["resourceType"], json["id"], json, retrieved_at)
