"""The room's package data (`clinical/data`), read as tables."""

import csv
from importlib import resources
from io import StringIO
from typing import Any

from clinical.codec import decode_json


def read_rows(name: str) -> list[dict[str, str]]:
    """The rows of a tab-separated table with a header line."""
    text = _data(name).decode("utf-8")
    return list(csv.DictReader(StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE))


def read_json(name: str) -> Any:
    """A JSON file's value."""
    return decode_json(_data(name))


def _data(name: str) -> bytes:
    return resources.files("clinical").joinpath("data", name).read_bytes()
