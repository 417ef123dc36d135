"""Units of measure: UCUM codes as exact numbers of base units.

Grammar and table are those of the `ucumvert` package, which carries UCUM's own `ucum-essence.xml`. Its way
to units of `pint` is not taken: that calculates with binary fractions, takes `'` for a minute of time and
`g%` for a mass. Here every factor is an exact fraction.

Loading this module takes about half a second, so it is imported when a unit is first converted
(`clinical.conversion`).

Stricter than UCUM where a number would change its meaning without a word: the mole is a unit of its own, not
a number of things; so are equivalents and osmoles, and every arbitrary unit (`[iU]`); and what stands in
braces counts (`mL/min/{1.73_m2}` is not `mL/min`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache
from typing import Any, Final

from lark import Token
from lark.exceptions import LarkError
from ucumvert.parser import get_ucum_parser
from ucumvert.xml_util import get_base_units, get_units_with_full_definition, root

LONGEST: Final = 40
"""Characters of a unit; a longer one is none."""

_NESTED_MAX: Final = 4
_EXPONENT_MAX: Final = 24
_KEPT: Final = 2_000
_OWN_KIND: Final = ("mol", "eq", "osm")
_NO_UNIT: Final = "1"


class UnitUnknown(ValueError):
    """A text that is no unit of UCUM, or one that has no place in a conversion."""


@dataclass(frozen=True, slots=True)
class Unit:
    """So many (`factor`) of a product of base units (`powers`).

    `moles`: how often moles stand in it, also where they cancel: `mmol/mol` is no plain number. `notes`: what
    stands in braces, in order. `scale`: the special unit that it is (`Cel`), which has another zero.
    """

    factor: Fraction
    powers: tuple[tuple[str, int], ...] = ()
    moles: int = 0
    notes: tuple[str, ...] = ()
    scale: str | None = None

    def times(self, other: "Unit", sign: int = 1) -> "Unit":
        """The product, or with `sign` -1 the quotient. Raises UnitUnknown for a special unit."""
        if self.scale or other.scale:
            raise UnitUnknown("a unit with another zero stands alone")
        powers = dict(self.powers)
        for name, power in other.powers:
            powers[name] = powers.get(name, 0) + sign * power
        left = tuple(sorted((name, power) for name, power in powers.items() if power))
        notes = tuple(sorted(self.notes + other.notes))
        return Unit(self.factor * other.factor**sign, left, self.moles + other.moles, notes)


ONE: Final = Unit(Fraction(1))

_PARSER: Final = get_ucum_parser()
_DEFINED: Final = {one.code_cs: one for one in get_units_with_full_definition()}
_BASE: Final = frozenset((*get_base_units(), *_OWN_KIND))


def _prefixes() -> Mapping[str, Fraction]:
    found = {}
    for one in root.iterfind("{*}prefix"):
        value = one.find("{*}value")
        found[one.attrib["Code"]] = Fraction(value.attrib["value"])
    return found


_PREFIXES: Final = _prefixes()


@lru_cache(maxsize=_KEPT)
def unit_of(code: str) -> Unit:
    """The unit of a case-sensitive UCUM code. Raises UnitUnknown."""
    if not 0 < len(code) <= LONGEST or code.count("(") > _NESTED_MAX:
        raise UnitUnknown("not a unit of UCUM")
    try:
        return _made(_PARSER.parse(code))
    except LarkError:
        raise UnitUnknown("not a unit of UCUM") from None


def _made(tree: Any) -> Unit:
    """The unit of a part of the parsed code."""
    if isinstance(tree, Token):
        return Unit(Fraction(1), notes=(str(tree),))
    parts = tree.children
    match tree.data, len(parts):
        case "main_term", 2:
            return ONE.times(_made(parts[1]), -1)
        case "term", 3:
            return _made(parts[0]).times(_made(parts[2]), -1 if parts[1] == "/" else 1)
        case "component", 2:
            return _made(parts[0]).times(_made(parts[1]))
        case "annotatable", 2:
            return _raised(_made(parts[0]), int(parts[1]))
        case "simple_unit", 2:
            return Unit(_PREFIXES[str(parts[0])]).times(_atom(str(parts[1])))
        case "simple_unit", 1 if parts[0].type == "FACTOR":
            return Unit(Fraction(int(parts[0])))
        case "simple_unit", 1:
            return _atom(str(parts[0]))
        case _, 1:
            return _made(parts[0])
    raise UnitUnknown("not a unit of UCUM")


def _raised(unit: Unit, power: int) -> Unit:
    if unit.scale or abs(power) > _EXPONENT_MAX:
        raise UnitUnknown("a power that no unit has")
    powers = tuple((name, one * power) for name, one in unit.powers)
    return Unit(unit.factor**power, powers, unit.moles * abs(power), unit.notes)


@cache
def _atom(code: str) -> Unit:
    """A unit by its own symbol."""
    if code in _BASE:
        return Unit(Fraction(1), ((code, 1),), int(code == "mol"))
    found = _DEFINED[code]
    if found.is_special:
        return Unit(Fraction(1), scale=code)
    if found.is_arbitrary and found.defining_unit == _NO_UNIT:
        return Unit(Fraction(1), ((code, 1),))
    return Unit(Fraction(str(found.conversion_factor))).times(_made(_PARSER.parse(found.defining_unit)))
