"""The vendor's users that granted the gateway access, and whom the link table says they are."""

from dataclasses import dataclass
from datetime import UTC, datetime

from clinical.identifiers import Token
from resolvers.resource import Json, Location, Resource
from resolvers.upstreams.credentials_grant import PatientGrants, no_grant
from resolvers.upstreams.errors import SearchNotSupported
from resolvers.upstreams.evaluation import patients_asked
from resolvers.upstreams.links import LinkTable
from resolvers.upstreams.upstream import Search
from resolvers.upstreams.wearable_mapping import patient


@dataclass(frozen=True, slots=True)
class Accounts:
    """The users of one source. `walk_max`: how many may be asked for a question that names none."""

    source: str
    location: Location
    links: LinkTable
    grants: PatientGrants
    walk_max: int

    def users(self) -> frozenset[str]:
        """Everyone who has granted access: to the gateway, nobody else has an account."""
        return self.grants.accounts

    def asked(self, search: Search) -> frozenset[str]:
        """The users whose rows can answer a search. Raises SearchNotSupported where those would be many, and
        GrantMissing where the only one has not granted access."""
        named = patients_asked(search)
        if named is not None:
            granted = named & self.users()
            if not granted and len(named) == 1 and not named.isdisjoint(self.links.accounts(self.source)):
                raise no_grant(self.source)
            return granted
        if not self.are_few:
            raise SearchNotSupported(self.source, f"{self.source} can be searched for one patient only.")
        return self.users()

    @property
    def are_few(self) -> bool:
        """Whether everybody may be asked for a question that names nobody."""
        return len(self.users()) <= self.walk_max

    def patients_of(self, token: Token) -> tuple[Resource, ...]:
        """The Patients of the accounts that belong to the person with this identifier."""
        granted = self.users()
        return tuple(
            self.patient(user) for user in self.links.patients(self.source, token) if user in granted
        )

    def patient(self, user: str) -> Resource:
        """A user as a Patient."""
        return self.resource(patient(user, self.links.identifiers(self.source, user)), datetime.now(UTC))

    def resource(self, json: Json, retrieved_at: datetime) -> Resource:
        """A mapped resource with where it came from."""
        return Resource(self.source, self.location, json["resourceType"], json["id"], json, retrieved_at)
