"""The places of an operation at which something is noted: for the short way to its actual cost.

`gateway.cost.prices` is the general way, over a tree of all notes. Where each note has a price of its own,
whatever else is noted, no tree is needed: a note is looked up by the steps of its path below the nearest
note above it (`Tariff.of`). Both come to the same number.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from gateway.cost.declared import Number

Steps = tuple[Any, ...]
"""From a place up to the one above it, which is left out: response keys, and `int` for every index."""


class Noted(msgspec.Struct, eq=False):
    """A place of an operation at which something is noted. `search`: what its searches cost at most, each of
    its rows, and what is beside the rows. `types`: what a resource costs, by its type. `below`: the places
    below it that have no other between."""

    search: tuple[Number, Number, Number] | None = None
    types: Mapping[str, Number] = {}
    below: "Below" = ({}, ())


Below = tuple[Mapping[Steps, Noted] | None, Steps]
"""The places below a note, None below a resource of a type that does not count; and the steps that lead from
it to where somebody stands."""


NOWHERE: Final = Noted()
"""Where nothing is noted that the short way can tell."""


def below_of(known: dict[Any, Below], at: Any) -> Below:
    """What is below the nearest note that is above a place, and the steps from there."""
    above, step = at[0], at[1]
    if type(step) is str:
        below, up = known.get(id(above)) or below_of(known, above)
        return below, (step, *up)
    found = known.get(above)  # the rows of a list are alike, which is known by its path
    if found is None:
        below, up = known.get(id(above)) or below_of(known, above)
        found = known[above] = below, (int, *up)
    return found
