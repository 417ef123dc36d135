"""The `[[upstreams]]` tables of gateway.toml: one source each.

Secrets never stand here; a setting that needs one names it. `credential_settings` has the kinds of
credentials.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from resolvers.upstreams.call_rate import CallRateSettings
from resolvers.upstreams.credential_settings import CredentialSettings, NoCredentials, WebAddress

Batch = Literal["bundle", "parallel"]
PostSearch = Literal["form", "never"]


Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
TypeName = Annotated[str, Field(pattern=r"^[A-Z][A-Za-z]{1,63}$")]
Purpose = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9]{1,31}$")]
"""A code of v3-PurposeOfUse."""


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LocationSettings(_Table):
    """One place of a source that has several, such as a practice of a GP system.

    `organization` is the code (ODS in England) by which a patient's registration names the place.
    `headers` are sent to this place alone; `secret_headers` likewise, with the name of a secret as value.
    """

    base_url: WebAddress
    organization: str | None = None
    headers: dict[str, str] = {}
    secret_headers: dict[str, str] = {}


class CapabilitySettings(_Table):
    """What the source can do, where that is known better than its CapabilityStatement says it.

    Everything absent is taken from the statement. `is_discovered` false: the statement is never read.
    `sort`: codes that `_sort` honours for every type, with `-` in front those that it honours in this
    direction only; `sorts`: for single types. `counts`: whether `_summary=count` and `Bundle.total` are
    exact. `needs_patient`: types that can be searched for one patient only. `id_lists`: whether `_id=a,b,c`
    finds all of them. `id_count_max`: ids in one search; `identifier_count_max`: business identifiers.
    `post_search`: how a search too long for an address is sent. `is_strict`: asks the source to refuse
    what it does not know (`Prefer: handling=strict`) instead of ignoring it.
    """

    is_discovered: bool = True
    types: tuple[TypeName, ...] | None = None
    parameters: dict[TypeName, tuple[str, ...]] = {}
    sort: tuple[str, ...] | None = None
    sorts: dict[TypeName, tuple[str, ...]] = {}
    counts: bool | None = None
    needs_patient: tuple[TypeName, ...] = ()
    batch: Batch | None = None
    post_search: PostSearch = "form"
    id_lists: bool | None = None
    is_strict: bool = True
    page_size_max: int = Field(default=100, ge=1, le=10_000)
    url_length_max: int = Field(default=2000, ge=200)
    id_count_max: int = Field(default=100, ge=1, le=10_000)
    identifier_count_max: int = Field(default=100, ge=1, le=10_000)
    bundle_entries_max: int = Field(default=50, ge=1, le=1_000)


class FanOut(_Table):
    """A type that the source lets nobody search without one of some parameters.

    A search that has none of `unless` is asked once for each of `values` of `parameter`; with `is_joined`
    once for all of them. `exhaustive`: whether the values cover everything the source holds.
    """

    type: TypeName
    parameter: str
    unless: tuple[str, ...] = ()
    values: tuple[str, ...] = Field(min_length=1)
    exhaustive: bool = False
    is_joined: bool = False


class UpstreamSettings(_Table):
    """One source. Either `base_url`, or `locations` for a source that is reached in several places.

    `timeout_s` bounds one call, `max_pages` one walk over pages; `rate_limit` is how often the source may be
    asked at all, by its own documentation. `request_ids`: whether `X-Request-ID` is the gateway's for the
    whole request, or one for each call (then `X-Correlation-ID` joins them; NHS PDS).
    `is_registered_once`: a patient has a record at one of the locations only, so that one which is found
    stands although another location did not answer. `timezone`, `walk_accounts_max` (how many users a search
    that names none may ask), `account_system` (the identifier system in which other sources' Patients name
    accounts here, and so link them) and `ambiguous` (what becomes of measurements that may be another
    person's) are for vendor accounts; `options` for kinds of other packages. `purposes` of use that the
    source may be asked for, any where nothing is said; `restricted_patients`: whether it may be asked about a
    person whom a record marks as restricted (`resolvers.upstreams.closed`).
    """

    name: Name
    kind: str
    base_url: WebAddress | None = None
    locations: tuple[LocationSettings, ...] = ()
    credentials: CredentialSettings = NoCredentials()
    capabilities: CapabilitySettings = CapabilitySettings()
    fan_out: tuple[FanOut, ...] = ()
    timeout_s: float = Field(default=5.0, gt=0, le=300)
    max_response_bytes: int = Field(default=32 * 1024 * 1024, ge=1024)
    max_concurrency: int = Field(default=16, ge=1, le=1_000)
    rate_limit: CallRateSettings | None = None
    max_pages: int = Field(default=50, ge=1)
    is_registered_once: bool = False
    request_ids: Literal["request", "call"] = "request"
    timezone: str = "UTC"
    walk_accounts_max: int = Field(default=8, ge=0)
    account_system: str | None = Field(default=None, min_length=1)
    ambiguous: Literal["preliminary", "withhold"] = "preliminary"
    purposes: tuple[Purpose, ...] | None = Field(default=None, min_length=1)
    restricted_patients: Literal["allow", "deny"] = "allow"
    options: dict[str, Any] = {}

    @model_validator(mode="after")
    def _is_reachable(self) -> Self:
        if (self.base_url is None) == (not self.locations):
            raise ValueError(f"upstream {self.name!r} needs either base_url or locations, one of them")
        bases = [place.base_url for place in self.locations]
        if len(set(bases)) != len(bases):
            raise ValueError(f"upstream {self.name!r} has two locations with one base_url")
        return self
