"""What an operation may cost at most: the number, and where it comes from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.cost.analysis import Analysis
from gateway.cost.breakdown import FieldCost, Walk
from gateway.cost.formula import as_cost

SHOWN: Final = 3
"""Paths that a client is told whose operation is too expensive."""

NONE: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class ExpensivePath:
    """A field by its response keys, and what it costs over the whole operation with all below it that is no
    list or looked-up resource of its own. `lower` are the arguments that make it cheaper; `size` is how many
    rows each of its lists is taken to have, None for what is no list."""

    path: tuple[str, ...]
    cost: int
    size: int | None
    lower: tuple[str, ...]


def estimate(analysis: Analysis, variables: Mapping[str, Any], denied: frozenset[str] = NONE) -> int:
    """The most that an operation costs with these variables, as the client gave them, for a caller to whom
    these coordinates are denied. 0 to `COST_MAX`; never raises.

    Variables that are not of their types, which are refused at execution, give some such number.
    """
    formula, _ = analysis.priced(denied)
    return formula.of(analysis.values(variables))


def breakdown(
    analysis: Analysis, variables: Mapping[str, Any], denied: frozenset[str] = NONE
) -> list[FieldCost]:
    """The estimate by path, in the order of the document; what costs nothing is left out."""
    return Walk(analysis.values(variables), denied).fields(analysis.root)


def most_expensive(
    analysis: Analysis, variables: Mapping[str, Any], denied: frozenset[str] = NONE
) -> list[ExpensivePath]:
    """The lists and looked-up resources that cost most, the most expensive first: at most three."""
    walk = Walk(analysis.values(variables), denied)
    walk.fields(analysis.root)
    ranked = sorted(walk.apart, key=lambda one: -one.cost)[:SHOWN]
    return [
        ExpensivePath(one.path, as_cost(one.cost), None if one.size is None else as_cost(one.size), one.lower)
        for one in ranked
    ]
