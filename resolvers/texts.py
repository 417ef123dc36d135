"""What is looked at in the rows of a plain page, as generated functions (`resolvers.shape` says what for).

They are called for every page of every answer, most of them once in a request. Each is one loop: a
comprehension for each thing that is looked at would take longer to call than to run.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec

from clinical.hidden import ENTERED_IN_ERROR, SUPERSEDED
from resolvers.parts import ABSENT, NULL, Part, Parts, attribute

_NUMERIC: Final = b"0123456789.+-eE\n"
_NEWLINE: Final = b"\n"
_ZERO: Final = b"-0"
_CODE_KEPT: Final = 500

EachRow = Callable[[Sequence[Any]], list[str | None]]
Texts = Callable[[Sequence[Any], str | None, list[Any]], list[str | None] | None]


def dates_of(dates: Parts, others: Parts) -> EachRow:
    """The first of the dates that is there, though a text that is empty is no date."""
    alone = "".join(f" or row.{attribute(name)} is not None" for name, _ in others)
    value = "None"
    for name, part in reversed([one for one in dates if one[1] != ABSENT]):
        held = f"row.{attribute(name)}"
        if part.primitive:
            value = f"d if (d := {held}) is not None else {value}"
        else:
            value = f"None if (p := {held}) is None{alone} else p.start_"
    return _each_row(value)


def ends_of(dates: Parts) -> EachRow | None:
    """The ends of Periods; None where no date is one."""
    period = next((attribute(name) for name, part in dates if not part.primitive), None)
    return _each_row(f"(p := row.{period}) and p.end_") if period else None


@lru_cache(maxsize=_CODE_KEPT)
def _each_row(value: str) -> EachRow:
    text = f"def each_row(rows):\n  found = []\n  for row in rows: found.append({value})\n  return found\n"
    made: EachRow = _made("each_row", text)
    return made


def texts_of(parts: Parts, subject: str | None, dates: Parts, others: Parts, *, is_superseded: bool) -> Texts:
    """One function for all that is looked at in a row."""
    known = dict(parts)
    told = [attribute(name) for name in ("status", "lifecycleStatus") if known[name] != ABSENT]
    hidden = [f"row.{name} == {ENTERED_IN_ERROR!r}" for name in told]
    if is_superseded:
        hidden.append(f"row.status_ == {SUPERSEDED!r}")
    if known["verificationStatus"] != ABSENT:
        hidden.append("((c := row.verificationStatus_) is not None and is_error(c))")
    text, of_another = _text(dates, others), f"row.{subject}.reference_ != about"
    numbers = _decimals(parts, "row", 0)
    about = _loop("    ", [of_another, *hidden], text, numbers) if subject else "    return None\n"
    begin, end = ("  found, numbers = [], []\n", f"{_NUMBERS}  return found\n")
    if not numbers:
        begin, end = "  found = []\n", "  return found\n"
    return _texts_function(
        f"def texts_of_all(rows, labelled):\n{begin}{_loop('  ', hidden, text, numbers)}{end}"
        "def texts(rows, about, labelled):\n"
        "  if about is None: return texts_of_all(rows, labelled)\n"
        f"{begin}"
        f"  try:\n{about}"
        "  except AttributeError: return None  # it is not said whom a row is about\n"
        f"{end}"
    )


_NUMBERS: Final = """\
  said = NEWLINE.join(numbers)
  if (said.translate(None, NUMERIC) or ZERO in said) and not are_numbers(numbers): return None
"""
"""That all are numbers is seen at once; where one is not there, or is -0, they are looked at closely."""


_LABELS: Final = "if (m := row.meta_) is not None and m.security_: labelled += m.security_"


def _loop(indent: str, odd: Sequence[str], text: str, more: Sequence[str]) -> str:
    """Code that gives up at a row that is odd, and else collects its `text`, its labels, and `more`."""
    looks = [f"if {' or '.join(odd)}: return None", f"found.append({text})", _LABELS, *more]
    return f"{indent}for row in rows:\n" + "".join([f"{indent}  {one}\n" for one in looks])


@lru_cache(maxsize=_CODE_KEPT)
def _texts_function(text: str) -> Texts:
    made: Texts = _made("texts", text)
    return made


def _made(name: str, text: str) -> Any:
    """A function of the text."""
    scope: dict[str, Any] = dict(_SCOPE)
    exec(compile(text, f"<{name}>", "exec"), scope)  # noqa: S102  our own text, no client's
    return scope[name]


def _text(dates: Parts, others: Parts) -> str:
    """The date of a row that says it in the one usual way; that of a Period only where there is no other."""
    texts = [attribute(name) for name, part in dates if part.primitive == "text"]
    if not texts:
        return f"p.start_ if (p := row.{attribute(dates[0][0])}) is not None else None" if dates else "None"
    more = [attribute(name) for name, part in (*dates, *others) if part != ABSENT]
    alone = [f"row.{name} is None" for name in more if name != texts[-1]]
    return f"row.{texts[-1]} if {' and '.join(alone)} else None" if alone else f"row.{texts[-1]}"


def _decimals(parts: Parts, holder: str, depth: int) -> list[str]:
    """Lines that put each element's decimals into `numbers`, wherever it is nested."""
    found = []
    for name, part in parts:
        value, inner = f"{holder}.{attribute(name)}", f"v{depth}"
        if part.primitive == "decimal":
            found.append(f"numbers.append({value})")
        elif _has_decimal(part):
            below = _decimals(part.parts, inner, depth + 1)
            if part.is_list:
                found += [f"for {inner} in {value} or ():", f" if {inner} is not None:"]
                found += [f"  {one}" for one in below]
            else:
                found += [f"if ({inner} := {value}) is not None:", *[f" {one}" for one in below]]
    return found


def _are_numbers(values: Sequence[msgspec.Raw]) -> bool:
    """Whether decimals are numbers where they are there. All of them are JSON, so their characters tell. A
    number is written as it was read; only an integer loses the sign of its zero."""
    together = _NEWLINE.join(values)
    if together.translate(None, _NUMERIC):
        there = [one for one in values if one is not NULL]
        return len(there) < len(values) and _are_numbers(there)
    return _ZERO not in together or _ZERO not in together.split(_NEWLINE)


def _has_decimal(part: Part) -> bool:
    return any(one.primitive == "decimal" or _has_decimal(one) for _, one in part.parts)


def _is_error(status: Any) -> bool:
    return any(one is not None and one.code_ == ENTERED_IN_ERROR for one in status.coding_ or ())


_SCOPE: Final = {
    "is_error": _is_error,
    "are_numbers": _are_numbers,
    "NEWLINE": _NEWLINE,
    "NUMERIC": _NUMERIC,
    "ZERO": _ZERO,
}
"""What generated code refers to."""
