"""The elements that one operation needs of a resource type, decoded straight into structs.

A page of FHIR holds far more than a client asks for. Decoding only what is selected, and what the gateway
itself looks at, into typed structs costs a fraction of decoding everything; and where every value has the
type that FHIR gives it, nothing needs to be checked again (`msgspec.Struct`; values as recorded: decimals
stay `msgspec.Raw`). A page that does not fit is not plain: it is decoded whole and looked at closely.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Final, Literal, NewType

import msgspec

from clinical.compartment import subject_element
from clinical.dates import instant
from clinical.hidden import ENTERED_IN_ERROR, SUPERSEDED, hidden_statuses
from clinical.paths import choice_types
from resolvers.ordering import ordering_of
from resolvers.parts import NULL, Part, Parts, ShapeMixed, attribute, joined

_INTEGER = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]
_TYPES: Final[Mapping[str, Any]] = {"text": str, "boolean": bool, "integer": _INTEGER}
_named: Any = NewType
_ONE: Final = {name: _named(name, one | None) for name, one in _TYPES.items()}
_MANY: Final = {name: _named(name, list[one] | None) for name, one in _ONE.items()}  # type: ignore[valid-type]
"""Annotations by primitive. They have a name because msgspec looks into one that is put together each time
that it meets it, which takes longer than all of the rest."""
_NUMERIC: Final = b"0123456789.+-eE\n"
_SHAPES_KEPT: Final = 2_000
_CODE_KEPT: Final = 500

_TEXT: Final = Part("text")
_REFERENCE: Final = Part(parts=(("reference", _TEXT),))
_PERIOD: Final = Part(parts=(("start", _TEXT), ("end", _TEXT)))
_ABSENT: Final = Part("absent")
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

    `texts(rows, about)`: None where not all is plain: a row is not about that reference (None: whoever it is
    about), or is hidden (`resolvers.hidden`), or a number is none. Else for each row the date by which it is
    sorted when rows come newest first, as the text that it is, None where that takes a closer look.

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
        self.texts = _compiled_texts(self.parts, self._subject, dates, others, is_superseded=is_superseded)
        self.dates = _compiled_dates(dates, others) if dates else None
        self.ends = _compiled_ends(dates)
        self.periods = self.ends if not any(part.primitive for _, part in dates) else None


def _statuses(type_: str, parts: Parts) -> Parts:
    """What says that a row was entered in error, or is not there."""
    selected = dict(parts)
    return tuple(
        (name, part if name in selected or type_ in _WITH.get(name, (type_,)) else _ABSENT)
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
    return ((element, _TEXT), *((element + name, easy[name]) for name in types if name in easy))


def _others(type_: str, element: str | None) -> Parts:
    """What may say the date as well: beside a Period it takes part in the sort."""
    types = {*choice_types(f"{type_}.{element}")} - {"DateTime", "Period", "String"}
    return tuple((f"{element}{name}", _TEXT if name == "Instant" else Part()) for name in sorted(types))


def _compiled_dates(dates: Parts, others: Parts) -> Callable[[Sequence[Any]], list[str | None]]:
    """The first of the dates that is there, though a text that is empty is no date."""
    alone = "".join(f" or row.{attribute(name)} is not None" for name, _ in others)
    value = "None"
    for name, part in reversed(dates):
        held = f"row.{attribute(name)}"
        if part.primitive:
            value = f"d if (d := {held}) is not None else {value}"
        else:
            value = f"None if (p := {held}) is None{alone} else p.start_"
    return _each_row(value)


def _compiled_ends(dates: Parts) -> Callable[[Sequence[Any]], list[str | None]] | None:
    period = next((attribute(name) for name, part in dates if not part.primitive), None)
    return _each_row(f"(p := row.{period}) and p.end_") if period else None


@lru_cache(maxsize=_CODE_KEPT)
def _each_row(value: str) -> Callable[[Sequence[Any]], list[str | None]]:
    made: Callable[[Sequence[Any]], list[str | None]] = eval(f"lambda rows: [{value} for row in rows]")  # noqa: S307
    return made


def _compiled_texts(
    parts: Parts, subject: str | None, dates: Parts, others: Parts, *, is_superseded: bool
) -> Callable[[Sequence[Any], str | None], list[str | None] | None]:
    """One function for all that is looked at in a row, as it is called for every row of every answer."""
    known = dict(parts)
    told = [attribute(name) for name in ("status", "lifecycleStatus") if known[name] != _ABSENT]
    plain = [f"row.{name} != {ENTERED_IN_ERROR!r}" for name in told]
    if is_superseded:
        plain.append(f"row.status_ != {SUPERSEDED!r}")
    if known["verificationStatus"] != _ABSENT:
        plain.append("((c := row.verificationStatus_) is None or not is_error(c))")
    found = f"[{_text(dates, others)} for row in rows if {' and '.join(plain)}]"
    about = ""
    if subject is not None:
        about = (
            "    try:\n"
            f"      if [row.{subject}.reference_ for row in rows].count(about) < len(rows): return None\n"
            "    except AttributeError: return None  # it is not said whom a row is about\n"
        )
    numbers = "".join(
        f"  if not are_numbers([{one}]): return None\n"
        for one in _decimals(parts, "row", 0, "for row in rows")
    )
    return _texts_function(
        "def texts(rows, about):\n"
        f"  if about is not None:\n{about or '    return None'}\n"
        f"  found = {found}\n"
        "  if len(found) < len(rows): return None\n"
        f"{numbers}"
        "  return found"
    )


@lru_cache(maxsize=_CODE_KEPT)
def _texts_function(text: str) -> Callable[[Sequence[Any], str | None], list[str | None] | None]:
    scope = {"is_error": _is_error, "are_numbers": _are_numbers}
    exec(compile(text, "<texts>", "exec"), scope)  # noqa: S102  our own text, no client's
    made: Callable[[Sequence[Any], str | None], list[str | None] | None] = scope["texts"]  # type: ignore[assignment]
    return made


def _text(dates: Parts, others: Parts) -> str:
    """The date of a row that says it in the one usual way; that of a Period only where there is no other."""
    texts = [attribute(name) for name, part in dates if part.primitive == "text"]
    if not texts:
        return f"p.start_ if (p := row.{attribute(dates[0][0])}) is not None else None" if dates else "None"
    more = [attribute(name) for name, part in (*dates, *others) if part != _ABSENT]
    alone = [f"row.{name} is None" for name in more if name != texts[-1]]
    return f"row.{texts[-1]} if {' and '.join(alone)} else None" if alone else f"row.{texts[-1]}"


def _decimals(parts: Parts, holder: str, depth: int, loops: str) -> list[str]:
    """What stands between the brackets of a list of each element's decimals, wherever it is nested."""
    found = []
    for name, part in parts:
        value, inner = f"{holder}.{attribute(name)}", f"v{depth}"
        if part.primitive == "decimal":
            found.append(f"{value} {loops}")
        elif _has_decimal(part):
            each = f"{value} or ()" if part.is_list else f"({value},)"
            below = f"{loops} for {inner} in {each} if {inner} is not None"
            found += _decimals(part.parts, inner, depth + 1, below)
    return found


def _are_numbers(values: Sequence[msgspec.Raw]) -> bool:
    """Whether decimals are numbers where they are there. All of them are JSON, so their characters tell. A
    number is written as it was read; only an integer loses the sign of its zero."""
    together = b"\n".join(values)
    if together.translate(None, _NUMERIC):
        there = [one for one in values if one is not NULL]
        return len(there) < len(values) and _are_numbers(there)
    return b"-0" not in together or b"-0" not in together.split(b"\n")


def _has_decimal(part: Part) -> bool:
    return any(one.primitive == "decimal" or _has_decimal(one) for _, one in part.parts)


def _is_error(status: Any) -> bool:
    return any(one is not None and one.code_ == ENTERED_IN_ERROR for one in status.coding_ or ())
