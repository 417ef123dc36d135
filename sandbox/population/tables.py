"""The population's tables: names, places, codes and distributions, kept as data beside this module."""

import csv
import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

Row = dict[str, str]


@cache
def table(name: str) -> tuple[Row, ...]:
    """The rows of `data/<name>.tsv`, keyed by its header; empty cells are empty strings."""
    text = files("sandbox.population").joinpath("data", f"{name}.tsv").read_text("utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return tuple(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE, restval=""))


@cache
def keyed(name: str, column: str = "key") -> dict[str, Row]:
    """The rows of a table by one column."""
    return {row[column]: row for row in table(name)}


@cache
def document(name: str) -> dict[str, Any]:
    """The content of `data/<name>.toml`."""
    return tomllib.loads(files("sandbox.population").joinpath("data", f"{name}.toml").read_text("utf-8"))
