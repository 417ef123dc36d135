"""What is noted of an operation, added up note by note: the short way to its actual cost.

`gateway.cost.prices` is the general way, over a tree of all notes. Where each note has a price of its own,
whatever else is noted, no tree is needed: a note is looked up by the steps of its path below the nearest
note above it. Both come to the same number.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.cost.declared import Number
from resolvers.tally import Tally
from schema.cost import SEARCH

Steps = tuple[Any, ...]
"""From a place up to the one above it, which is left out: response keys, and `int` for every index."""


class Noted(msgspec.Struct, eq=False):
    """A place of an operation at which something is noted. `search`: what its searches cost at most, each of
    its rows, and what is beside the rows. `types`: what a resource costs, by its type. `below`: the places
    below it that have no other between."""

    search: tuple[Number, Number, Number] | None = None
    types: Mapping[str, Number] | None = None
    below: "Mapping[Steps, Noted]" = {}


class _Unforeseen(Exception):
    """Notes that only the general way takes: two at one place, or one where none belongs."""


def added_up(root: Noted, tally: Tally) -> Number | None:
    """What the notes of a tally come to; None where that takes the general way."""
    found, pages = tally.found, tally.pages
    # The places of a tally live as long as it does, so that each is known by its identity.
    notes: dict[int, Any] = {id(note[0]): note for note in found} if found else {}
    notes |= {id(note[0]): note for note in pages}
    if len(notes) < len(found) + len(pages):
        return None
    walk = _Walk(root, notes)
    total: Number = 0
    try:
        for note in found:
            place = walk.place(note)
            if place is not None and place.types is not None:
                total += place.types[note[1]]
        alike: dict[Any, Noted | None] = {}
        for page in pages:
            at, searched, rows = page
            if at is None:
                raise _Unforeseen
            above = at[0]
            if above is None or type(above[1]) is str or id(above) in notes:
                place = walk.place(page)
            else:
                # Rows of one list are alike: what one of them has under a key, all of them have.
                key = above[0], at[1]
                place = alike[key] if key in alike else alike.setdefault(key, walk.place(page))
            if place is not None and place.search is not None:
                own, each, beside = place.search
                searched *= SEARCH
                total += (searched if searched < own else own) + rows * each + beside
    except _Unforeseen:
        return None
    return total


class _Walk:
    """Finds the places of notes, each by what is above it."""

    def __init__(self, root: Noted, notes: Mapping[int, Any]) -> None:
        self._notes = notes
        self._known: dict[int, Noted | None] = {id(None): root}

    def place(self, note: Any) -> Noted | None:
        """The place of a note; None for a resource of a type that does not count, and for all below it."""
        at, known = note[0], self._known
        if id(at) in known:
            return known[id(at)]
        step, above = at[1], at[0]
        steps = [step if type(step) is str else int]
        while (key := id(above)) not in known and key not in self._notes:
            step = above[1]
            steps.append(step if type(step) is str else int)
            above = above[0]
        outer = known[key] if key in known else self.place(self._notes[key])
        place = None
        if outer is not None:
            place = outer.below.get(tuple(steps))
            if place is None or (place.types is None) is (len(note) == 2):
                raise _Unforeseen
            if place.types is not None and note[1] not in place.types:
                place = None
        known[id(at)] = place
        return place
