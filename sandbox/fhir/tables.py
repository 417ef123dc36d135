"""The servers' tables: which types and search parameters each serves, and which elements are required."""

import csv
from functools import cache
from importlib.resources import files


@cache
def served_types() -> tuple[str, ...]:
    """The resource types that the capable server serves, whether or not it holds any of them."""
    return tuple(row["type"] for row in _rows("served-types.tsv"))


@cache
def gp_parameters() -> dict[str, tuple[str, ...] | None]:
    """The resource types that a practice serves, each with the search parameters it knows."""
    return {row["type"]: tuple(row["parameters"].split()) for row in _rows("gp-parameters.tsv")}


@cache
def required_elements(resource_type: str) -> tuple[str, ...]:
    """The elements with a minimum cardinality of 1 (R4 structure definitions); a choice by its bare name."""
    return _required().get(resource_type, ())


@cache
def _required() -> dict[str, tuple[str, ...]]:
    return {row["type"]: tuple(row["elements"].split(",")) for row in _rows("required-elements-r4.tsv")}


def _rows(name: str) -> list[dict[str, str]]:
    text = files("sandbox.fhir").joinpath("data", name).read_text("utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
