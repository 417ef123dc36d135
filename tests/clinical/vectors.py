"""The vectors of tests/conformance/clinical."""

from pathlib import Path
from typing import Any

from clinical.codec import decode_json

PLACE = Path(__file__).parent.parent / "conformance" / "clinical"


def read(name: str) -> list[dict[str, Any]]:
    vectors: list[dict[str, Any]] = decode_json((PLACE / f"{name}.json").read_bytes())
    return vectors
