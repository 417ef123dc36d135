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


Below = tuple[Mapping[Steps, Noted] | None, Steps]
"""The places below a note, None below a resource of a type that does not count; and the steps that lead from
it to where somebody stands."""


class _Unforeseen(Exception):
    """Notes that only the general way takes: two at one place, or one where none belongs."""


def added_up(root: Noted, tally: Tally) -> Number | None:
    """What the notes of a tally come to; None where that takes the general way."""
    found, pages = tally.found, tally.pages
    # The places of a tally live as long as it does, so that each is known by its identity.
    notes: dict[int, Any] = {id(note[0]): note for note in pages}
    if found:
        notes |= {id(note[0]): note for note in found}
    if len(notes) < len(found) + len(pages) or id(None) in notes:
        return None
    walk = _Walk(root, notes)
    try:
        return _of_found(walk, tally) + _of_pages(walk, tally)
    except (KeyError, _Unforeseen):
        return None


def _of_found(walk: "_Walk", tally: Tally) -> Number:
    """What was looked up."""
    total: Number = 0
    for note in tally.found:
        place = walk.place(note)
        if place is not None and place.types is not None:
            total += place.types[note[1]]
    return total


def _of_pages(walk: "_Walk", tally: Tally) -> Number:
    """What was searched."""
    total: Number = 0
    last: Any = walk
    below: Mapping[Steps, Noted] | None = None
    up: Steps = ()
    alike, notes = walk.rows, walk.notes
    place: Any
    for place, searched, rows in tally.pages:
        above = place[0]
        if above is not last:  # pages of one object come one after the other
            last = above
            is_row = above is not None and type(above[1]) is int and id(above) not in notes
            below, up = (alike.get(above[0]) if is_row else None) or walk.below(above)
        if below is None:
            continue
        search = below[(place[1], *up)].search
        if search is None:
            raise _Unforeseen
        own, each, beside = search
        searched *= SEARCH
        total += (searched if searched < own else own) + rows * each + beside
    return total


class _Walk:
    """Finds the places of notes, each by what is above it."""

    def __init__(self, root: Noted, notes: Mapping[int, Any]) -> None:
        self.notes = notes
        self._known: dict[int, Noted | None] = {id(None): root}
        self.rows: dict[Any, Below] = {}
        """What is below the rows of a list, by where that is: its rows are alike."""

    def place(self, note: Any) -> Noted | None:
        """The place of a note; None for a resource of a type that does not count, and for all below it."""
        at, known = note[0], self._known
        if id(at) in known:
            return known[id(at)]
        step, place = at[1], None
        below, up = self.below(at[0])
        if below is not None:
            place = below[(step if type(step) is str else int, *up)]
            if (place.types is None) is (len(note) == 2):
                raise _Unforeseen
            if place.types is not None and note[1] not in place.types:
                place = None
        known[id(at)] = place
        return place

    def below(self, at: Any) -> Below:
        """What is below the nearest note that is at a place or above it, and the steps from there."""
        known, notes, key = self._known, self.notes, id(at)
        if key in known or key in notes:
            place = known[key] if key in known else self.place(notes[key])
            return None if place is None else place.below, ()
        step, above = at[1], at[0]
        if type(step) is str:
            places, up = self.below(above)
            return places, (step, *up)
        if above not in self.rows:
            places, up = self.below(above)
            self.rows[above] = places, (int, *up)
        return self.rows[above]
