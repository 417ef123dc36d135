"""The elements that one operation needs of a resource type, decoded straight into structs.

A page of FHIR holds far more than a client asks for. Decoding only what is selected, and what the gateway
itself looks at, into typed structs costs a fraction of decoding everything; and where every value has the
type that FHIR gives it, nothing needs to be checked again (`msgspec.Struct`; values as recorded: decimals
stay `msgspec.Raw`). A page that does not fit is not plain: it is decoded whole and looked at closely.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Final, Literal, NewType

import msgspec

from clinical.compartment import subject_element
from clinical.hidden import ENTERED_IN_ERROR, SUPERSEDED, hidden_statuses
from clinical.paths import choice_types
from resolvers.ordering import ordering_of

NULL: Final = msgspec.Raw(b"null")
_INTEGER = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]
_TYPES: Final[Mapping[str, Any]] = {"text": str, "boolean": bool, "integer": _INTEGER}
_named: Any = NewType
_ONE: Final = {name: _named(name, one | None) for name, one in _TYPES.items()}
_MANY: Final = {name: _named(name, list[one] | None) for name, one in _ONE.items()}  # type: ignore[valid-type]
"""Annotations by primitive. They have a name because msgspec looks into one that is put together each time
that it meets it, which takes longer than all of the rest."""
_NUMBER_STARTS: Final = frozenset(b"-0123456789")
_SHAPES_KEPT: Final = 2_000
_CODE_KEPT: Final = 500


class ShapeMixed(ValueError):
    """One element is wanted as two things that cannot both be decoded."""


@dataclass(frozen=True, slots=True)
class Part:
    """An element that is needed: a primitive (text, boolean, integer, decimal), `raw` JSON of any kind, else
    one with parts. What is `absent` must not be there: a row that has it is not plain."""

    primitive: str | None = None
    is_list: bool = False
    parts: tuple[tuple[str, "Part"], ...] = ()

    def joined(self, other: "Part") -> "Part":
        """What both need. Raises ShapeMixed."""
        if (self.primitive, self.is_list) != (other.primitive, other.is_list):
            raise ShapeMixed
        return Part(self.primitive, self.is_list, joined(self.parts, other.parts))


Parts = tuple[tuple[str, Part], ...]
"""Elements by name, in the order in which they were first asked for."""

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


def joined(some: Parts, more: Parts) -> Parts:
    """The elements of both. Raises ShapeMixed."""
    parts = dict(some)
    for name, part in more:
        parts[name] = parts[name].joined(part) if name in parts else part
    return tuple(parts.items())


def attribute(element: str) -> str:
    """The struct's attribute that holds an element."""
    return f"{element}_"


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
    plain = []
    if subject is None:
        plain.append("about is None")  # it is not seen here whom a row is about
    else:
        plain.append(f"(about is None or (s := row.{subject}) is not None and s.reference_ == about)")
    known = dict(parts)
    told = [attribute(name) for name in ("status", "lifecycleStatus") if known[name] != _ABSENT]
    plain += [f"row.{name} != {ENTERED_IN_ERROR!r}" for name in told]
    if is_superseded:
        plain.append(f"row.status_ != {SUPERSEDED!r}")
    if known["verificationStatus"] != _ABSENT:
        plain.append("((c := row.verificationStatus_) is None or not is_error(c))")
    plain += _numbers_hold(parts, "row", 0)
    return _texts_function(
        "def texts(rows, about):\n"
        f"  found = [{_text(dates, others)} for row in rows if {' and '.join(plain)}]\n"
        "  return found if len(found) == len(rows) else None"
    )


@lru_cache(maxsize=_CODE_KEPT)
def _texts_function(text: str) -> Callable[[Sequence[Any], str | None], list[str | None] | None]:
    scope = {"NULL": NULL, "is_error": _is_error, "NUMBERS": _NUMBER_STARTS}
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


def _numbers_hold(parts: Parts, holder: str, depth: int) -> list[str]:
    """Expressions for whether each decimal is a number, wherever it is nested; only what holds one is
    entered."""
    tests = []
    for name, part in parts:
        value, inner = f"{holder}.{attribute(name)}", f"v{depth}"
        if part.primitive == "decimal":
            # A number is written as it was read; only an integer loses the sign of its zero.
            tests.append(f"({value} is NULL or (n := bytes({value}))[0] in NUMBERS and n != b'-0')")
        elif _has_decimal(part):
            holds = " and ".join(_numbers_hold(part.parts, inner, depth + 1))
            if part.is_list:
                odd = f"[1 for {inner} in {value} if {inner} is not None and not ({holds})]"
                tests.append(f"(not {value} or not {odd})")
            else:
                tests.append(f"(({inner} := {value}) is None or {holds})")
    return tests


def _has_decimal(part: Part) -> bool:
    return any(one.primitive == "decimal" or _has_decimal(one) for _, one in part.parts)


def _is_error(status: Any) -> bool:
    return any(one is not None and one.code_ == ENTERED_IN_ERROR for one in status.coding_ or ())
