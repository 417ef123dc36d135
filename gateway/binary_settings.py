"""The `[binary]` table: what of attachments is sent."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_ESSENCE: Final = re.compile(r"[a-z]+/[a-z0-9][a-z0-9!#$&^_.+-]*")

DEFAULT_TYPES: Final = (
    "application/pdf",
    "image/jpeg",
    "image/png",
    "image/gif",
    "image/tiff",
    "text/plain",
    "text/rtf",
    "application/rtf",
    "application/dicom",
    "application/xml",
    "text/xml",
)


def _essence(text: str) -> str:
    if not _ESSENCE.fullmatch(text):
        raise ValueError(
            f"must be a media type in lower case without parameters, such as image/png: `{text}` is not"
        )
    return text


class BinarySettings(BaseModel):
    """`media_types`: what is sent; anything else is refused. `deadline_s`: for a whole download, however fast
    its client reads."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_bytes: int = Field(20 * 1024 * 1024, ge=1024, le=4 * 1024**3)
    media_types: tuple[Annotated[str, AfterValidator(_essence)], ...] = DEFAULT_TYPES
    deadline_s: float = Field(60.0, gt=0, le=3600)
