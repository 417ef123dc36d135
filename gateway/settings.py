"""The settings of a gateway: the tables of gateway.toml, each owned by the room that uses it, composed."""

import warnings
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from clinical.display import PREFERRED_SYSTEMS
from clinical.identifiers import NHS_NUMBER_SYSTEM
from gateway.audit.sink import AuditSettings
from gateway.authn.certificate import ClientCertificateSettings
from gateway.authn.issuer import IssuerSettings
from gateway.binary_settings import BinarySettings
from gateway.cors import Origin
from gateway.document_limits import LimitSettings, widest
from gateway.persisted.settings import DocumentSettings
from gateway.ratelimit.tiers import RateLimitSettings
from gateway.telemetry import TelemetrySettings
from resolvers.agreement import BIRTH_DATE, Demographic
from resolvers.refill import Refillable
from resolvers.upstreams.credential_settings import WebAddress
from resolvers.upstreams.settings import Purpose, UpstreamSettings

# A table of gateway.toml is called `schema`, and so is a long deprecated method of pydantic's models.
warnings.filterwarnings("ignore", message='Field name "schema" in "Settings" shadows')


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ServerSettings(_Table):
    """The `[server]` table. Switches are off as production wants them."""

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    request_deadline_s: float = Field(10.0, gt=0, le=600)
    max_body_bytes: int = Field(262_144, ge=1024)
    introspection: bool = False
    graphiql: bool = False
    allowed_origins: tuple[Origin, ...] = ()
    public_url: WebAddress | None = None
    """Where clients reach the gateway, for the addresses that it gives them; relative ones without it."""
    client_certificate: ClientCertificateSettings | None = None


def _resources(value: Any) -> Any:
    if value in ("default", "all") or (isinstance(value, list | tuple) and value):
        return value
    raise ValueError('must be "default", "all" or a list of resource types')


Resources = Annotated[Literal["default", "all"] | tuple[str, ...], BeforeValidator(_resources)]


class SchemaSettings(_Table):
    """The `[schema]` table: which FHIR resource types can be asked for, and in whose words concepts show."""

    resources: Resources = "default"
    preferred_systems: tuple[str, ...] = PREFERRED_SYSTEMS


class IdentitySettings(_Table):
    """The `[identity]` table: by what the records of one person are found to belong together."""

    linking_systems: tuple[str, ...] = (NHS_NUMBER_SYSTEM,)
    trusted_sources: tuple[str, ...] | None = None
    """Sources that may state a linking identifier; every FHIR source where nothing is said."""
    links: Path | None = None
    agree_on: tuple[Demographic, ...] = Field((BIRTH_DATE,), min_length=1)
    refill: tuple[Refillable, ...] = ()
    """Elements of Patient that are taken from the next source where the shown record lacks them."""


class PermissionSettings(_Table):
    """The `[permissions]` table: the policy, and what becomes of an operation with a denied field."""

    policy: Path | None = None
    on_denied: Literal["null", "reject"] = "null"
    mode: Literal["enforce", "measure"] = "enforce"
    """`measure`: the policy's rows are only reported. What scopes mean by themselves always holds."""


class PurposeSettings(_Table):
    """The `[purposes]` table: purposes of use, as codes of v3-PurposeOfUse."""

    default: Purpose | None = None
    """Of callers whose tokens state none, for sources that may be asked for some only."""


class SecretsSettings(_Table):
    """The `[secrets]` table."""

    directory: Path | None = None


class StoreSettings(_Table):
    """The `[store]` table: where what requests share is kept."""

    kind: Literal["memory", "redis", "redis-cluster"] = "memory"
    url_secret: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")] | None = None


class Settings(BaseSettings):
    """The whole of gateway.toml."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid")

    server: ServerSettings = ServerSettings()
    schema: SchemaSettings = SchemaSettings()  # type: ignore[assignment]
    identity: IdentitySettings = IdentitySettings()
    permissions: PermissionSettings = PermissionSettings()
    purposes: PurposeSettings = PurposeSettings()
    secrets: SecretsSettings = SecretsSettings()
    store: StoreSettings = StoreSettings()
    issuers: tuple[IssuerSettings, ...] = Field(min_length=1)
    upstreams: tuple[UpstreamSettings, ...] = Field(min_length=1)
    audit: AuditSettings = AuditSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    limits: LimitSettings = LimitSettings()
    ratelimit: RateLimitSettings = RateLimitSettings()
    documents: DocumentSettings = DocumentSettings()
    binary: BinarySettings = BinarySettings()

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, *_: Any, **__: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The file alone: a reviewed file must not be changed behind its back by a variable."""
        return (init_settings,)

    @property
    def account_systems(self) -> dict[str, str]:
        """By source, the identifier system in which other sources name its accounts."""
        return {one.name: one.account_system for one in self.upstreams if one.account_system is not None}

    @property
    def widest_limits(self) -> LimitSettings:
        """Those of the widest tier, under which documents are prepared for all tiers."""
        return widest(one.limits.over(self.limits) for one in self.ratelimit.tiers)

    @property
    def trusted_sources(self) -> frozenset[str]:
        """The sources that may state a linking identifier."""
        if self.identity.trusted_sources is not None:
            return frozenset(self.identity.trusted_sources)
        return frozenset(one.name for one in self.upstreams if one.kind in ("fhir", "fhir-document"))
