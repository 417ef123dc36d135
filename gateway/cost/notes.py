"""What was noted of a request, by the places of the answer: the form in which it is priced."""

from typing import Any, Final

from resolvers.tally import Place, Tally

PAGE: Final = object()
"""The key of the last note of a page at its place: `(place, sources searched, rows)`."""
TYPE: Final = object()
"""The key of the type of the resource that was found at a place."""

Tree = dict[Any, Any]
"""By the next step of the path, a response key or an index, what was noted below."""


def noted(tally: Tally) -> Tree:
    """The notes of a tally as a tree."""
    root: Tree = {}
    # The places of a tally live as long as it does, and siblings share what is above them.
    known = {id(None): root}
    for note in tally.notes:
        at = note[0]
        if len(note) == 2:
            _tree(known, at)[TYPE] = note[1]
            continue
        assert at is not None  # a list stands below the root
        tree = known.get(id(at[0]))
        if tree is None:
            tree = _tree(known, at[0])
        below = tree.get(at[1])
        if below is None:
            tree[at[1]] = {PAGE: note}
        else:
            below[PAGE] = note
    return root


def _tree(known: dict[int, Tree], at: Place) -> Tree:
    """What is noted at a place and below."""
    tree = known.get(id(at))
    if tree is None:
        steps: list[Any] = []
        above: Any = at
        while tree is None:
            steps.append(above[1])
            above = above[0]
            tree = known.get(id(above))
        while steps:
            tree = tree.setdefault(steps.pop(), {})
        known[id(at)] = tree
    return tree


def entries(tree: Tree) -> list[Tree]:
    """Those of a list, by what is noted at and below them."""
    return [below for step, below in tree.items() if isinstance(step, int)]
