"""Granular scopes on rows that come as structs: what their parameters look at is decoded along, and tested.

A parameter that looks at one plain element (`Observation.category`) is tested on what that element says. The
rows of a list say few different things there, so each is tested once.
"""

import re
from functools import lru_cache
from typing import Any, Final

import msgspec

from clinical.codec import decode_json
from clinical.parameters import parameters
from permissions.narrowing import Narrowing
from resolvers.parts import Part, Parts, attribute
from resolvers.shape import PlainPage, Shape, shape_of

_KEPT: Final = 1_000
_KNOWN_MAX: Final = 10_000
_CODED: Final = frozenset({"system", "code"})

_encode = msgspec.json.Encoder().encode


@lru_cache(maxsize=_KEPT)
def narrowed_shape(shape: Shape, narrowing: Narrowing) -> Shape | None:
    """The shape with what the narrowing looks at; None where that takes a whole resource.

    What is selected stays as it is: the answer is encoded from it.
    """
    elements = _elements(narrowing)
    if elements is None:
        return None
    known = dict(shape.parts)
    if not all(_tells_codes(known[one]) for one in elements if one in known):
        return None
    more: Parts = tuple((one, Part("raw")) for one in elements if one not in known)
    return shape_of(shape.type, (*shape.asked, *more))


def _tells_codes(part: Part) -> bool:
    """Whether a selected element is decoded with all that a token search looks at."""
    coding = dict(part.parts).get("coding")
    return part.primitive is not None or (coding is not None and dict(coding.parts).keys() >= _CODED)


def are_within(rows: PlainPage, narrowing: Narrowing) -> bool:
    """Whether every row of a page, decoded in the narrowed shape, is within the narrowing."""
    test = _row_test(narrowing, rows.base_url)
    return test is not None and all(map(test, rows.rows))


@lru_cache(maxsize=_KEPT)
def _row_test(narrowing: Narrowing, base_url: str) -> Any:
    """The test of a row; None where the narrowing looks at more than plain elements."""
    elements = _elements(narrowing)
    if elements is None:
        return None
    attributes = [attribute(one) for one in elements]
    known: dict[bytes, bool] = {}

    def test(row: Any) -> bool:
        said = _encode([getattr(row, one) for one in attributes])
        found = known.get(said)
        if found is None:
            values = zip(elements, decode_json(said), strict=True)
            json = {name: value for name, value in values if value is not None}
            found = narrowing.holds({"resourceType": narrowing.type, **json}, base_url)
            if len(known) < _KNOWN_MAX:
                known[said] = found
        return found

    return test


def _elements(narrowing: Narrowing) -> tuple[str, ...] | None:
    found = [_element(narrowing.type, code) for code, _ in narrowing.filters]
    return tuple(dict.fromkeys(one for one in found if one)) if all(found) else None


def _element(resource_type: str, code: str) -> str | None:
    """The one element of codes that a token parameter looks at, where it is one of the resource's own."""
    parameter = parameters(resource_type)[code]
    paths = [one.strip() for one in parameter.expression.split("|")]
    mine = [one for one in paths if re.match(rf"\(?{resource_type}\b", one)]
    plain = re.fullmatch(rf"{resource_type}\.([a-z]\w*)", mine[0]) if len(mine) == 1 else None
    return plain[1] if plain is not None and parameter.type == "token" else None
