"""The `[documents]` table of gateway.toml: trusted documents, registered ones, and who may ask what."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.persisted.registered import Bounds

Mode = Literal["allow", "require"]
"""`require`: only trusted documents are executed."""


class DocumentSettings(BaseModel):
    """The `[documents]` table. `folder` and `manifests` hold the trusted documents, looked at again every
    `reload_every_s` (0: never). A client may register `registered_max_per_client` (0: none) of the
    `registered_max` documents that are kept, each until it has not been asked for in `registered_ttl_s`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: Path | None = None
    manifests: tuple[Path, ...] = ()
    mode: Mode = "allow"
    mode_by_tier: Mapping[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")], Mode] = Field(
        default_factory=dict
    )
    reload_every_s: float = Field(5.0, ge=0, le=86_400)
    registered_max: int = Field(5_000, ge=1, le=1_000_000)
    registered_max_per_client: int = Field(200, ge=0)
    registered_ttl_s: float = Field(604_800.0, ge=1, le=31_536_000)

    @property
    def has_trusted(self) -> bool:
        """Whether trusted documents are handed in at all."""
        return self.folder is not None or bool(self.manifests)

    @property
    def may_require(self) -> bool:
        """Whether some caller is limited to trusted documents."""
        return "require" in (self.mode, *self.mode_by_tier.values())

    @property
    def bounds(self) -> Bounds:
        """How much is registered, and for how long."""
        return Bounds(self.registered_max, self.registered_max_per_client, self.registered_ttl_s)

    def mode_of(self, tier: str | None) -> Mode:
        """What holds for callers of a tier."""
        return self.mode if tier is None else self.mode_by_tier.get(tier, self.mode)
