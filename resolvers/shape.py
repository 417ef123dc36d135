"""The elements that one operation needs of a resource type, decoded straight into structs.

A page of FHIR holds far more than a client asks for. Decoding only what is selected, and what the gateway
itself looks at, into typed structs costs a fraction of decoding everything; and where every value has the
type that FHIR gives it, nothing needs to be checked again (`msgspec.Struct`; values as recorded: decimals
stay `msgspec.Raw`). A page that does not fit is not plain: it is decoded whole and looked at closely.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Final, Literal, NewType

import msgspec

from clinical.compartment import subject_element
from clinical.dates import instant
from clinical.hidden import SUPERSEDED, hidden_statuses
from clinical.paths import choice_types
from resolvers.ordering import ordering_of
from resolvers.parts import ABSENT, NULL, Part, Parts, ShapeMixed, attribute, joined
from resolvers.texts import dates_of, ends_of, texts_of

_INTEGER = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]
_TYPES: Final[Mapping[str, Any]] = {"text": str, "boolean": bool, "integer": _INTEGER}
_named: Any = NewType
_ONE: Final = {name: _named(name, one | None) for name, one in _TYPES.items()}
_MANY: Final = {name: _named(name, list[one] | None) for name, one in _ONE.items()}  # type: ignore[valid-type]
"""Annotations by primitive. They have a name because msgspec looks into one that is put together each time
that it meets it, which takes longer than all of the rest."""
_SHAPES_KEPT: Final = 2_000

_TEXT: Final = Part("text")
_REFERENCE: Final = Part(parts=(("reference", _TEXT),))
_PERIOD: Final = Part(parts=(("start", _TEXT), ("end", _TEXT)))
_LABEL: Final = Part(is_list=True, parts=(("system", _TEXT), ("code", _TEXT)))
_LABELLED: Final[Parts] = (("meta", Part(parts=(("security", _LABEL),))),)
_CODES: Final = Part(parts=(("coding", Part(is_list=True, parts=(("code", _TEXT),))),))
_STATUSES: Final[Parts] = (("status", _TEXT), ("lifecycleStatus", _TEXT), ("verificationStatus", _CODES))
_WITH: Final[Mapping[str, frozenset[str]]] = {
    "lifecycleStatus": frozenset({"Goal"}),
    "verificationStatus": frozenset({"AllergyIntolerance", "Condition"}),
}
"""Statuses that only these types have (R4); what another type says by them is odd."""


class PlainPage(msgspec.Struct, eq=False):
    """The rows of a page with nothing odd about them, and what every row of it has in common."""

    rows: Sequence[Any]
    source: str
    base_url: str
    """The place of the source that gave them."""
    type: str
    retrieved_at: datetime
    prefix: str
    """What stands before a row's own id in its global id."""
    next: str | None
    """The mark of the page that follows; None where there is none."""
    total: int | None = None
    """How many rows the search finds, where the source says it exactly."""
    cached: bool = False
    """Whether the source's answer was kept from before."""
    _retrieved: str | None = None

    @property
    def retrieved(self) -> str | None:
        """`retrieved_at` as FHIR `instant`."""
        if self._retrieved is None:
            self._retrieved = instant(self.retrieved_at)
        return self._retrieved


class Shape:
    """How to decode the rows of one type. `row`: the struct; each element an attribute (`attribute`).
    `asked`: the elements that were asked for, `parts`: those that are decoded.

    `texts(rows, about, labelled)`: None where not all is plain: a row is not about that reference (None:
    whoever it is about), or is hidden (`resolvers.hidden`), or a number is none. Else for each row the date
    by which it is sorted when rows come newest first, as the text that it is, None where that takes a closer
    look. Security labels of rows are put into `labelled`.

    `dates(rows)` is that closer look: the same, or None where there is no date that is easily read.
    `ends(rows)`: the ends of Periods among them. Both are None for a type that has no such thing; `periods`
    is `ends` where every date is a Period.
    """

    def __init__(self, type_: str, parts: Parts) -> None:
        self.type, self.asked = type_, parts
        subject = subject_element(type_)
        self._subject = attribute(subject) if subject else None
        element = ordering_of(type_, None).date_element
        dates, others = _dates(type_, element), _others(type_, element)
        needed: Parts = (
            *(((subject, _REFERENCE),) if subject else ()),
            *_statuses(type_, parts),
            *_LABELLED,
            *dates,
            *others,
        )
        self.parts = joined(parts, needed)
        self.row = _struct(
            self.parts,
            (("resourceType_", Literal[type_], "resourceType"), ("id_", _ID, "id")),
        )
        is_superseded = SUPERSEDED in hidden_statuses(type_)
        self.texts = texts_of(self.parts, self._subject, dates, others, is_superseded=is_superseded)
        self.dates = dates_of(dates, others) if dates else None
        self.ends = ends_of(dates)
        self.periods = self.ends if not any(part.primitive for _, part in dates) else None


def _statuses(type_: str, parts: Parts) -> Parts:
    """What says that a row was entered in error, or is not there."""
    selected = dict(parts)
    return tuple(
        (name, part if name in selected or type_ in _WITH.get(name, (type_,)) else ABSENT)
        for name, part in _STATUSES
    )


_ID = Annotated[str, msgspec.Meta(min_length=1)]


@lru_cache(maxsize=_SHAPES_KEPT)
def shape_of(type_: str, parts: Parts) -> Shape:
    """The shape of a type with these elements, shared by all documents. Raises ShapeMixed."""
    return Shape(type_, parts)


@lru_cache(maxsize=_SHAPES_KEPT)
def struct_of(parts: Parts) -> type[msgspec.Struct]:
    """The struct of a nested object."""
    return _struct(parts, ())


def is_same(parts: Parts, elements: Sequence[str]) -> bool:
    """Whether the struct of these parts is encoded as an object of just these elements, in their order."""
    return tuple(elements) == tuple(name for name, _ in parts)


def _struct(parts: Parts, own: Sequence[tuple[str, Any, str]]) -> type[msgspec.Struct]:
    taken = {name for _, _, name in own}
    more = [(name, part) for name, part in parts if name not in taken]
    fields: list[Any] = [(attribute_, kind) for attribute_, kind, _ in own]
    fields += [(attribute(name), _annotation(part), _default(part)) for name, part in more]
    rename = {attribute_: name for attribute_, _, name in own} | {attribute(name): name for name, _ in more}
    return msgspec.defstruct("Row" if own else "Element", fields, rename=rename, gc=False)


def _default(part: Part) -> Any:
    return NULL if part.primitive in ("decimal", "raw") else None


def _annotation(part: Part) -> Any:
    if part.primitive == "absent":
        return None
    if part.primitive in ("decimal", "raw"):
        if part.is_list:
            raise ShapeMixed
        return msgspec.Raw
    if part.primitive:
        return (_MANY if part.is_list else _ONE)[part.primitive]
    one: Any = struct_of(part.parts) | None
    return list[one] | None if part.is_list else one


def _dates(type_: str, element: str | None) -> Parts:
    """The ways in which an element says a date that is easily read: a date, or the start of a Period."""
    if element is None:
        return ()
    if element.endswith("eriod"):
        return ((element, _PERIOD),)
    easy = {"DateTime": _TEXT, "Period": _PERIOD}
    types = choice_types(f"{type_}.{element}")
    own = ABSENT if types else _TEXT  # an element of a choice never has its bare name
    return ((element, own), *((element + name, easy[name]) for name in types if name in easy))


def _others(type_: str, element: str | None) -> Parts:
    """What may say the date as well: beside a Period it takes part in the sort."""
    types = {*choice_types(f"{type_}.{element}")} - {"DateTime", "Period", "String"}
    return tuple((f"{element}{name}", _TEXT if name == "Instant" else Part()) for name in sorted(types))
